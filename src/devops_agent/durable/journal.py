"""The journal: a run's steps, each of which takes place once, wherever the process is killed.

A run is a function that is called again from its top after a crash or a wait. What it has decided or done before is
written under the step's stable name, and is returned instead of being decided or done again. Renaming a step is a
migration.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from devops_agent.model.fact import from_json, to_json
from devops_agent.store import runs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows
    from devops_agent.store.runs import Claim

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ParkedError(Exception):
    """The run was put aside; whoever holds it lets go. No error: it is how a run leaves its function from within."""


class UnclearError(Exception):
    """A crash left it unknown whether a step took place, and doing it twice could do harm: a person has to look."""

    def __init__(self, step: str, says: str) -> None:
        super().__init__(f"cannot tell whether {step!r} took place before the crash: {says}")
        self.step = step


@dataclass(frozen=True, slots=True)
class Again:
    """A run's answer: over for now; begin it anew, with an empty journal, at `not_before` or when it is woken."""

    not_before: datetime
    waits_on: str


class Work(Protocol[T_co]):
    """A step that changes the world, and how to find out after a crash whether it did."""

    async def before(self) -> str:
        """Return, as JSON, what is to be known from before the step in order to recognise its effect."""

    async def do(self, key: str) -> T_co:
        """Do it; the same `key` twice has the effect once where the other side can see to that."""

    async def recover(self, before: str, key: str) -> T_co | None:
        """Return the result if the step took place, None if it surely did not or may safely be done again.

        Raises:
            UnclearError: it cannot be known and must not be done twice.

        """


class Run:
    """A claimed run: the only way by which its function may decide, act and wait."""

    def __init__(
        self, store: Store, claim: Claim, *, clock: Clock, boundary: Callable[[str], None] = lambda _: None
    ) -> None:
        self.claim = claim
        self._store = store
        self._clock = clock
        self._boundary = boundary
        """Called at every point where a kill could fall between two writes; tests kill there."""

    @property
    def key(self) -> str:
        """What the run is about; its own name among the living runs of its queue."""
        return self.claim.key

    async def note(self, name: str, decide: Callable[[], Awaitable[T]], *, kind: type[T]) -> T:
        """Decide something once: `decide` reads but changes nothing, and is asked again only if nothing was written."""
        row = await self._store.read(lambda rows: runs.step(rows, self.claim, name))
        if row is not None and row.status == "done":
            return from_json(row.result_json, kind)
        result = await decide()
        await self._end(name, result)
        return result

    async def record(self, name: str, write: Callable[[Rows], T], *, kind: type[T], tell: tuple[str, ...] = ()) -> T:
        """Write rows once: `write` and the step's mark are one transaction."""

        def once(rows: Rows) -> T:
            row = runs.step(rows, self.claim, name)
            if row is not None and row.status == "done":
                return from_json(row.result_json, kind)
            result = write(rows)
            now = self._clock.now()
            runs.end_step(rows, self.claim, name, key=self._key(name), result_json=to_json(result), now=now)
            return result

        self._boundary(f"record {name}")
        result = await self._store.write(once, tell=tell)
        self._boundary(f"recorded {name}")
        return result

    async def step(self, name: str, work: Work[T], *, kind: type[T]) -> T:
        """Change the world once.

        Raises:
            UnclearError: see there.
            StaleError: another process holds this run now.

        """
        row = await self._store.read(lambda rows: runs.step(rows, self.claim, name))
        key = self._key(name)
        if row is not None and row.status == "done":
            return from_json(row.result_json, kind)
        if row is not None:
            found = await work.recover(row.before_json, key)
            if found is not None:
                await self._end(name, found)
                return found
        else:
            before = await work.before()
            self._boundary(f"begin {name}")
            now = self._clock.now()
            await self._store.write(
                lambda rows: runs.begin_step(rows, self.claim, name, key=key, before_json=before, now=now)
            )
        self._boundary(f"begun {name}")
        result = await work.do(key)
        self._boundary(f"did {name}")
        await self._end(name, result)
        return result

    async def park(self, *, until: datetime, waits_on: str) -> NoReturn:
        """Leave the function until `until` or a wake-up; it is then called again from its top.

        Raises:
            ParkedError: always.

        """
        await self._store.write(lambda rows: runs.park(rows, self.claim, until=until, waits_on=waits_on))
        raise ParkedError(waits_on)

    async def renew(self, *, lease: timedelta) -> None:
        """Extend the lease."""
        await self._store.write(lambda rows: runs.renew(rows, self.claim, now=self._clock.now(), lease=lease))

    async def _end(self, name: str, result: Any) -> None:  # noqa: ANN401 — any fact
        written = to_json(result)
        self._boundary(f"end {name}")
        await self._store.write(
            lambda rows: runs.end_step(
                rows, self.claim, name, key=self._key(name), result_json=written, now=self._clock.now()
            )
        )
        self._boundary(f"ended {name}")

    def _key(self, name: str) -> str:
        return f"{self.claim.key}/{self.claim.id}/{name}"
