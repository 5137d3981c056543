"""A dispatcher at work in the background, and a diary of what it does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from devops_agent.durable.dispatch import Dispatcher, Job
from devops_agent.durable.journal import Again, Run
from devops_agent.kit.testing import START
from devops_agent.store import events, runs
from devops_agent.store.rows import Rows
from devops_agent.store.runs import Claim
from tests.engine.inline import InlineStore, SteppedClock

QUEUE = "work"
Do = Callable[[Run], Awaitable[Again | None]]


async def enqueue(store: InlineStore, key: str = "k", *, lock: str = "", job: str = "job", later: float = 0) -> None:
    due = START + timedelta(seconds=later)
    await store.write(
        lambda rows: runs.enqueue(
            rows, QUEUE, job, key=key, lock=lock, now=START, version="1", not_before=due if later else None
        ),
        tell=(QUEUE,),
    )


async def wake(store: InlineStore, clock: SteppedClock, key: str = "k") -> None:
    await store.write(lambda rows: runs.wake(rows, QUEUE, key, now=clock.now()), tell=(QUEUE,))


async def statuses(store: InlineStore) -> list[tuple[str, str]]:
    rows = await store.read(lambda rows: rows.all("SELECT key, status FROM runs ORDER BY id"))
    return [(row["key"], row["status"]) for row in rows]


@asynccontextmanager
async def working(
    store: InlineStore, clock: SteppedClock, do: Do, *, owner: str = "me", concurrent: int = 8
) -> AsyncIterator[Dispatcher]:
    """Let a dispatcher work in the background."""

    async def job(run: Run) -> Again | None:
        return await do(run)

    def give_up(rows: Rows, claim: Claim, says: str) -> None:
        events.add(rows, "given up", says, at=clock.now())

    dispatcher = Dispatcher(
        store, QUEUE, {"job": Job(do=job, give_up=give_up)}, clock=clock, owner=owner, concurrent=concurrent
    )
    loop = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        await dispatcher.drain(seconds=0)
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def pass_(store: InlineStore, clock: SteppedClock, seconds: float) -> None:
    """Let time pass, each sleeper in turn."""
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        await clock.step(store, until=end)


class Diary:
    """Does runs that take some time, and notes when each began and ended."""

    def __init__(self, clock: SteppedClock, *, takes: float = 0) -> None:
        self.clock = clock
        self.takes = takes
        self.began: list[tuple[str, float]] = []
        self.ended: list[tuple[str, float]] = []

    async def __call__(self, run: Run) -> Again | None:
        self.began.append((run.key, self.clock.monotonic()))
        await self.clock.sleep(self.takes)
        self.ended.append((run.key, self.clock.monotonic()))
        return None

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.began]
