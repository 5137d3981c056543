"""Workers: starts a worker process when its queues have work that is due; it ends by itself when idle."""

from __future__ import annotations

import asyncio.subprocess
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.durable.retry import backoff
from devops_agent.store import heartbeats, runs
from devops_agent.store.rows import from_us

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from devops_agent.store import Store
    from devops_agent.store.rows import Rows

log = logging.getLogger("devops_agent.workers")

_SILENT = timedelta(minutes=2)
"""After so long without a sign of life a process is ended: it hangs, and would keep all later work from being done."""


class Workers:
    """Looks after one worker process that takes all of `queues`."""

    def __init__(  # noqa: PLR0913 — what a process is for has these parts
        self,
        store: Store,
        queues: Sequence[str],
        *,
        role: str,
        start: Callable[[], Awaitable[asyncio.subprocess.Process]],
        alive: Callable[[str], bool],
        hears: Sequence[str] = (),
        needed: Callable[[Rows], bool] = lambda _: False,
    ) -> None:
        """Look after one process.

        Args:
            store: where its work is.
            queues: what it takes.
            role: as what it gives signs of life.
            start: starts it.
            alive: whether the owner of a run still lives.
            hears: topics that may mean work for it.
            needed: whether it is to run though there is no work.

        """
        self._store = store
        self._queues = tuple(queues)
        self._role = role
        self._start = start
        self._alive = alive
        self._needed = needed
        self.bell = store.bell.on(*queues, *hears)
        """Set when `tick` should be called at once."""
        self._watching: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._failures = 0
        self._not_before: datetime | None = None
        self._started_at: datetime | None = None

    async def tick(self, now: datetime) -> None:
        """Start the process when there is work and none runs; give back what a dead one held."""
        if self._process is not None:
            if self._process.returncode is None:
                await self._watch(self._process, now)
                return
            await self._bury(self._process.returncode, now)
        if (self._not_before is not None and now < self._not_before) or not await self._is_due(now):
            return
        self._process, self._started_at = await self._start(), now
        self._watching = asyncio.create_task(self._until_end(self._process), name=f"{self._role} process")
        log.info(
            "worker started", extra={"role": self._role, "pid": self._process.pid, "queues": ",".join(self._queues)}
        )

    def stop(self) -> None:
        """Ask the process to end; what it has under way is done again by the next."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    async def _until_end(self, process: asyncio.subprocess.Process) -> None:
        """What came in while the process ended is not to wait for the next look."""
        await process.wait()
        self.bell.set()

    async def _watch(self, process: asyncio.subprocess.Process, now: datetime) -> None:
        beat = (await self._store.read(heartbeats.all_)).get(self._role)
        beaten = beat.at if beat is not None and beat.pid == process.pid else now - _SILENT
        if now - max(beaten, self._started_at or now) >= _SILENT:
            log.error("worker hangs and is ended", extra={"pid": process.pid, "silent_for": str(_SILENT)})
            process.kill()

    async def _bury(self, code: int, now: datetime) -> None:
        self._process = None
        self._failures = self._failures + 1 if code else 0
        self._not_before = now + backoff(self._failures) if code else None
        if code:
            log.warning("worker died", extra={"code": code, "again_after": f"{self._not_before:%H:%M:%S}"})

        def release(rows: Rows) -> int:
            return sum(runs.release(rows, queue, now=now, alive=self._alive) for queue in self._queues)

        await self._store.write(release, tell=self._queues)

    async def _is_due(self, now: datetime) -> bool:
        def is_due(rows: Rows) -> bool:
            due = [at for queue in self._queues if (at := runs.next_due(rows, queue)) is not None]
            return self._needed(rows) or any(from_us(at) <= now + timedelta(milliseconds=1) for at in due)

        return await self._store.read(is_due)
