"""A worker process runs while there is work for it, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from devops_agent.kit.testing import START
from devops_agent.loops.workers import Workers
from devops_agent.store import Store, heartbeats, open_store, runs
from devops_agent.store.rows import Rows

QUEUE = "heavy"


@dataclass
class Started:
    """A process that ends when a test says so."""

    pid: int
    returncode: int | None = None
    terminated: bool = False
    killed: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> int:
        await self.ended.wait()
        return self.returncode or 0

    def terminate(self) -> None:
        self.terminated = True

    def kill(self) -> None:
        self.killed = True


@dataclass
class Machine:
    """Where processes are started."""

    store: Store
    processes: list[Started] = field(default_factory=list)

    async def start(self) -> asyncio.subprocess.Process:
        self.processes.append(Started(pid=100 + len(self.processes)))
        return self.processes[-1]  # type: ignore[return-value]

    def workers(self, *, needed: Callable[[Rows], bool] = lambda _: False) -> Workers:
        return Workers(
            self.store,
            (QUEUE,),
            role="worker",
            start=self.start,
            alive=lambda _: False,
            hears=("news",),
            needed=needed,
        )

    async def enqueue(self, *, due: datetime = START) -> None:
        await self.store.write(
            lambda rows: runs.enqueue(rows, QUEUE, "job", key="1", now=START, not_before=due, version="1")
        )


@asynccontextmanager
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with await open_store(f"sqlite:///{tmp_path / 'agent.db'}") as store:
        yield Machine(store)


async def test_without_work_no_process_is_started(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        await here.workers().tick(START)
        assert here.processes == []


async def test_work_that_is_due_later_starts_one_then(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        workers = here.workers()
        await here.enqueue(due=START + timedelta(seconds=15))
        await workers.tick(START)
        assert here.processes == []
        await workers.tick(START + timedelta(seconds=15))
        assert len(here.processes) == 1


async def test_one_process_is_enough(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        workers = here.workers()
        await here.enqueue()
        for _ in range(3):
            await workers.tick(START)
        assert len(here.processes) == 1


async def test_what_a_dead_one_held_is_due_again_and_another_is_started_after_a_rest(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        workers = here.workers()
        await here.enqueue()
        await workers.tick(START)
        lease = timedelta(seconds=30)
        held = await here.store.write(lambda rows: runs.claim(rows, QUEUE, owner="worker:1:x", now=START, lease=lease))
        assert held is not None
        here.processes[0].returncode = -9
        await workers.tick(START)
        assert len(here.processes) == 1
        await workers.tick(START + timedelta(seconds=2))
        assert len(here.processes) == 2
        later = START + timedelta(seconds=2)
        again = await here.store.write(lambda rows: runs.claim(rows, QUEUE, owner="worker:2:y", now=later, lease=lease))
        assert again is not None
        assert again.id == held.id


@pytest.mark.parametrize(("code", "started"), [(0, 2), (1, 1)])
async def test_one_that_ended_well_is_followed_at_once_one_that_failed_is_not(
    tmp_path: Path, code: int, started: int
) -> None:
    async with machine(tmp_path) as here:
        workers = here.workers()
        await here.enqueue()
        await workers.tick(START)
        here.processes[0].returncode = code
        await workers.tick(START)
        assert len(here.processes) == started


async def test_it_is_asked_to_end_with_the_agent(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        workers = here.workers()
        await here.enqueue()
        await workers.tick(START)
        workers.stop()
        assert here.processes[0].terminated


async def beat(here: Machine, pid: int, at: datetime) -> None:
    sign = heartbeats.Heartbeat(role="worker", pid=pid, version="1", started_at=START, at=at)
    await here.store.write(lambda rows: heartbeats.beat(rows, sign))


async def test_one_that_gives_no_sign_of_life_is_ended(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        workers = here.workers()
        await here.enqueue()
        await beat(here, 99, START - timedelta(hours=1))
        await workers.tick(START)
        await workers.tick(START + timedelta(seconds=100))
        assert not here.processes[0].killed
        await workers.tick(START + timedelta(seconds=120))
        assert here.processes[0].killed


async def test_one_that_works_for_long_is_left_alone(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        workers = here.workers()
        await here.enqueue()
        for minute in range(30):
            now = START + timedelta(minutes=minute)
            await beat(here, 100, now)
            await workers.tick(now)
        assert not here.processes[0].killed


async def test_what_may_mean_work_and_the_end_of_a_process_ask_for_a_look_at_once(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        workers = here.workers()
        await here.store.write(lambda _: None, tell=("news",))
        await asyncio.wait_for(workers.bell.wait(), 5)
        await here.enqueue()
        await workers.tick(START)
        workers.bell.clear()
        here.processes[0].returncode = 0
        here.processes[0].ended.set()
        await asyncio.wait_for(workers.bell.wait(), 5)
        await workers.tick(START)
        assert len(here.processes) == 2


async def test_one_that_is_needed_without_work_is_started_and_kept(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        workers = here.workers(needed=lambda _: True)
        await workers.tick(START)
        assert len(here.processes) == 1
        here.processes[0].returncode = 0
        await workers.tick(START)
        assert len(here.processes) == 2
