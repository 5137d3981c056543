"""Dispatch on one machine: claims runs of a queue the moment they are due, under leases, a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from devops_agent.durable.journal import Again, ParkedError, Run
from devops_agent.durable.retry import backoff
from devops_agent.store import runs
from devops_agent.store.rows import StaleError, StoreError, from_us

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows
    from devops_agent.store.runs import Claim

log = logging.getLogger("devops_agent.dispatch")

LEASE = timedelta(seconds=30)
PATIENCE = 5
"""How often a run that raises is tried again before it is given up."""
MOST_CLAIMS = 20
"""How often a run is begun without an end before it is given up: it may be what kills the process each time."""
_LOOK_AGAIN = 5.0  # seconds; a wake-up that got lost costs no more


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What is done with the runs of one name."""

    do: Callable[[Run], Awaitable[Again | None]]
    give_up: Callable[[Rows, Claim, str], None]
    """Writes what is to be known when the run could not be done; in the transaction that ends it."""


class Dispatcher:
    """Works off one queue of the store."""

    def __init__(  # noqa: PLR0913 — everything it does is handed to it
        self,
        store: Store,
        queue: str,
        jobs: Mapping[str, Job],
        *,
        clock: Clock,
        owner: str,
        concurrent: int = 8,
        hears: Sequence[str] = (),
        boundary: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._jobs = jobs
        self._clock = clock
        self._owner = owner
        self._concurrent = concurrent
        self._boundary = boundary
        self._tasks: dict[asyncio.Task[None], Claim] = {}
        self._bell = store.bell.on(queue, *hears)
        self._stopping = False

    @property
    def busy(self) -> int:
        """Runs under way here."""
        return len(self._tasks)

    async def run(self) -> None:
        """Claim and work until `drain`."""
        while not self._stopping:
            self._bell.clear()
            try:
                claimed = await self._claim_all()
                wait = 0.0 if claimed else await self._until_due()
            except StoreError as error:
                log.error("cannot claim work", extra={"queue": self._queue, "error": str(error)})  # noqa: TRY400
                wait = 1.0
            if wait:
                await self._listen(wait)

    async def drain(self, *, seconds: float) -> None:
        """Claim no more; let what is under way end for `seconds`, then leave it to whoever claims it next."""
        self._stopping = True
        self._bell.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claim_all(self) -> bool:
        """Claim what is due while there is room; say whether anything was."""
        found = False
        while len(self._tasks) < self._concurrent and not self._stopping:
            now = self._clock.now()
            due = await self._store.read(lambda rows: runs.next_due(rows, self._queue))
            if due is None or from_us(due) > now:
                break
            mine = tuple(self._tasks.values())
            claim = await self._store.write(partial(self._claim, mine=mine, now=now))
            if claim is None:
                break
            found = True
            task = asyncio.create_task(self._work(claim), name=f"{claim.job} {claim.key}")
            self._tasks[task] = claim
            task.add_done_callback(self._ended)
        return found

    def _claim(self, rows: Rows, *, mine: Sequence[Claim], now: datetime) -> Claim | None:
        """Claim the next run, but never one that is under way here, though the clock may have jumped over its lease."""
        for claim in mine:
            with contextlib.suppress(StaleError):
                runs.renew(rows, claim, now=now, lease=LEASE)
        return runs.claim(rows, self._queue, owner=self._owner, now=now, lease=LEASE)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._bell.set()

    async def _until_due(self) -> float:
        due = await self._store.read(lambda rows: runs.next_due(rows, self._queue))
        if due is None:
            return _LOOK_AGAIN
        seconds = (from_us(due) - self._clock.now()).total_seconds()
        # Due but not to be had: its lock is held by a run of ours, whose end rings the bell.
        return min(max(seconds, 0.2 if seconds <= 0 else 0.001), _LOOK_AGAIN)

    async def _listen(self, seconds: float) -> None:
        """Wait for the bell, so many seconds at most."""
        waits = [asyncio.create_task(self._bell.wait()), asyncio.create_task(self._clock.sleep(seconds))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _work(self, claim: Claim) -> None:
        if claim.claims > MOST_CLAIMS:
            await self._fail(claim, f"it was begun {claim.claims - 1} times and never ended: the process died of it")
            return
        run = Run(self._store, claim, clock=self._clock, boundary=self._boundary)
        renewing = asyncio.create_task(self._renew(run))
        try:
            again = await self._jobs[claim.job].do(run)
            await self._finish(claim, again)
        except ParkedError as parked:
            log.debug("run parked", extra={"run": claim.id, "key": claim.key, "waits_on": str(parked)})
        except StaleError as error:
            log.warning("run lost", extra={"run": claim.id, "key": claim.key, "error": str(error)})
        except Exception as error:  # the edge of a run: it is tried again, then given up with a word to people
            log.exception("run failed", extra={"run": claim.id, "key": claim.key, "claims": claim.claims})
            await self._fail(claim, f"{type(error).__name__}: {error}")
        finally:
            renewing.cancel()

    async def _finish(self, claim: Claim, again: Again | None) -> None:
        now = self._clock.now()

        def finish(rows: Rows) -> None:
            woken = runs.woken(rows, claim)
            runs.finish(rows, claim, ok=True, says=again.waits_on if again else "", now=now)
            if again is not None or woken:  # a wake-up that it may not have heeded begins another round
                runs.enqueue(
                    rows,
                    claim.queue,
                    claim.job,
                    key=claim.key,
                    lock=claim.lock,
                    args_json=claim.args_json,
                    now=now,
                    not_before=again.not_before if again and not woken else now,
                    version=claim.version,
                )

        await self._store.write(finish)

    async def _fail(self, claim: Claim, says: str) -> None:
        now = self._clock.now()

        def fail(rows: Rows) -> None:
            if claim.claims < PATIENCE:
                later = now + backoff(claim.claims)
                runs.park(rows, claim, until=later, waits_on=f"another try after: {says}", failed=True)
            else:
                runs.finish(rows, claim, ok=False, says=says, now=now)
                if claim.job in self._jobs:  # a run of another version may be of a kind that this one does not know
                    self._jobs[claim.job].give_up(rows, claim, says)

        try:
            await self._store.write(fail)
        except StoreError as error:  # it stays claimed; when its lease ends it is claimed again
            log.error("cannot write down a failure", extra={"run": claim.id, "error": str(error)})  # noqa: TRY400

    async def _renew(self, run: Run) -> None:
        while True:
            await self._clock.sleep(LEASE.total_seconds() / 3)
            try:
                await run.renew(lease=LEASE)
            except StoreError as error:
                log.warning("cannot renew a lease", extra={"run": run.claim.id, "error": str(error)})
