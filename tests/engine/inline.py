"""A store on a real SQLite file without threads, and a clock that moves only when nothing else can go on.

Together they make a run of the engine repeatable: the same test takes the same steps at the same times.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from devops_agent.kit.testing import FakeClock, Killed
from devops_agent.store import Store, open_store
from devops_agent.store.bell import Bell
from devops_agent.store.rows import StoreError
from tests.store.connecting import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from devops_agent.store.rows import Rows

T = TypeVar("T")

_PASSES = 15
"""Passes of the event loop without a use of the store after which nobody wants to go on before time moves."""


async def new_database(path: Path, *, template: Path) -> None:
    """Make an empty database with the schema at `path`, as a copy of `template`, which is made when it is missing."""
    if not template.exists():
        await (await open_store(f"sqlite:///{template}")).close()
        with closing(sqlite3.connect(template)) as raw:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(template, path)


class InlineStore(Store):
    """One database in one process: every transaction takes place in the task that asks for it."""

    def __init__(self, path: Path) -> None:
        self.bell = Bell()
        self.uses = 0
        self.dead = False
        """Whether the process that uses it was killed: it then reads and writes nothing more."""
        self.trouble: StoreError | None = None
        """Raised by each use while it is set."""
        self._connection = connect(f"sqlite:///{path}")
        self._connection.run("PRAGMA synchronous = OFF")  # no test here pulls the plug of the machine

    async def write(self, work: Callable[[Rows], T], *, tell: Iterable[str] = ()) -> T:
        """Run `work` in a transaction of its own."""
        await self._take_turn()
        return self.write_now(work, tell=tell)

    def write_now(self, work: Callable[[Rows], T], *, tell: Iterable[str] = ()) -> T:
        """Write without waiting for a turn, as another process might in between."""
        self._connection.begin()
        try:
            result = work(self._connection)
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()
        self.bell.sound(tell)
        return result

    async def read(self, work: Callable[[Rows], T]) -> T:
        """Run `work`, which only reads."""
        await self._take_turn()
        return work(self._connection)

    async def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    async def _take_turn(self) -> None:
        self.uses += 1
        await asyncio.sleep(0)
        if self.dead:
            raise Killed
        if self.trouble is not None:
            raise self.trouble


class SteppedClock(FakeClock):
    """Time that jumps to the next sleeper, once nobody who is awake uses the store any more."""

    def __init__(self) -> None:
        super().__init__(auto=False)

    async def step(self, store: InlineStore, *, until: float) -> None:
        """Let all who are awake go on; then wake the next sleeper, but go no further than `until`."""
        await self.quiet(store)
        if store.dead:
            return
        due = self._next_due()
        if due is not None and due <= until:
            self._wake_first()
        else:
            await self.advance(until - self.monotonic())
        await self.quiet(store)

    async def quiet(self, store: InlineStore) -> None:
        """Return when everything that can go on at this moment has."""
        passes, seen = 0, store.uses
        while passes < _PASSES:
            await asyncio.sleep(0)
            passes, seen = (passes + 1, seen) if seen == store.uses else (0, store.uses)
