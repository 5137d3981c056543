"""The dispatcher: every run is worked off once, in time, by whoever holds it, whatever fails on the way."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.durable.dispatch import LEASE, Dispatcher, Job
from devops_agent.durable.journal import Again, Run
from devops_agent.kit.testing import START
from devops_agent.store import events, open_store, runs
from devops_agent.store.rows import Rows
from devops_agent.store.runs import Claim
from tests.durable.working import QUEUE, Diary, enqueue, pass_, statuses, wake, working
from tests.engine.inline import InlineStore, SteppedClock


async def test_a_run_is_done_the_moment_it_is_written(store: InlineStore, clock: SteppedClock) -> None:
    diary = Diary(clock)
    async with working(store, clock, diary):
        await pass_(store, clock, 17)
        await enqueue(store)
        await clock.quiet(store)
        assert diary.began == [("k", 17)]
        assert await statuses(store) == [("k", "done")]


async def test_a_run_that_is_due_later_is_done_then_and_not_before(store: InlineStore, clock: SteppedClock) -> None:
    diary = Diary(clock)
    await enqueue(store, later=12.5)
    async with working(store, clock, diary):
        await pass_(store, clock, 60)
    assert diary.began == [("k", 12.5)]


async def test_a_ring_that_got_lost_costs_seconds_and_no_run(store: InlineStore, clock: SteppedClock) -> None:
    diary = Diary(clock)
    async with working(store, clock, diary):
        await pass_(store, clock, 7)
        await store.write(lambda rows: runs.enqueue(rows, QUEUE, "job", key="k", now=START, version="1"))
        await pass_(store, clock, 5)
    assert diary.keys == ["k"]


async def test_again_begins_the_run_anew_at_its_time_with_an_empty_journal(
    store: InlineStore, clock: SteppedClock
) -> None:
    rounds: list[tuple[float, int]] = []

    async def do(run: Run) -> Again | None:
        async def number() -> int:
            return len(rounds)

        rounds.append((clock.monotonic(), await run.note("number", number, kind=int)))
        return Again(clock.now() + timedelta(seconds=30), "the next") if len(rounds) < 3 else None

    await enqueue(store)
    async with working(store, clock, do):
        await pass_(store, clock, 200)
    assert rounds == [(0, 0), (30, 1), (60, 2)]


async def test_a_wake_up_brings_the_next_round_forward(store: InlineStore, clock: SteppedClock) -> None:
    rounds: list[float] = []

    async def do(run: Run) -> Again | None:
        rounds.append(clock.monotonic())
        return Again(clock.now() + timedelta(hours=1), "something") if len(rounds) < 2 else None

    await enqueue(store)
    async with working(store, clock, do):
        await pass_(store, clock, 10)
        await wake(store, clock)
        await pass_(store, clock, 10)
    assert rounds == [0, 10]


@pytest.mark.parametrize("again", [True, False])
async def test_a_wake_up_during_a_run_begins_another_round_at_once(
    store: InlineStore, clock: SteppedClock, *, again: bool
) -> None:
    rounds: list[float] = []

    async def do(run: Run) -> Again | None:
        rounds.append(clock.monotonic())
        await clock.sleep(5)
        return Again(clock.now() + timedelta(hours=1), "something") if again else None

    await enqueue(store)
    async with working(store, clock, do):
        await pass_(store, clock, 2)
        await wake(store, clock)
        await pass_(store, clock, 60)
    assert rounds == [0, 5]


async def test_a_run_that_parks_comes_back_when_it_is_woken(store: InlineStore, clock: SteppedClock) -> None:
    rounds: list[float] = []

    async def do(run: Run) -> Again | None:
        rounds.append(clock.monotonic())
        if len(rounds) == 1:
            await run.park(until=clock.now() + timedelta(hours=1), waits_on="an answer")
        return None

    await enqueue(store)
    async with working(store, clock, do) as dispatcher:
        await pass_(store, clock, 20)
        assert (dispatcher.busy, await statuses(store)) == (0, [("k", "parked")])
        await wake(store, clock)
        await clock.quiet(store)
    assert rounds == [0, 20]


async def test_runs_with_one_lock_follow_each_other_and_others_go_beside_them(
    store: InlineStore, clock: SteppedClock
) -> None:
    diary = Diary(clock, takes=10)
    for key, lock in (("a", "api"), ("b", "api"), ("c", "db"), ("d", "")):
        await enqueue(store, key, lock=lock)
    async with working(store, clock, diary):
        await pass_(store, clock, 60)
    assert sorted(diary.ended) == [("a", 10), ("b", 20), ("c", 10), ("d", 10)]


async def test_only_so_many_runs_are_under_way(store: InlineStore, clock: SteppedClock) -> None:
    diary = Diary(clock, takes=10)
    for number in range(5):
        await enqueue(store, str(number))
    async with working(store, clock, diary, concurrent=2) as dispatcher:
        await pass_(store, clock, 5)
        assert dispatcher.busy == 2
        await pass_(store, clock, 60)
    assert [seconds for _, seconds in diary.ended] == [10, 10, 20, 20, 30]


async def test_a_long_run_keeps_its_lease_and_nobody_else_takes_it(store: InlineStore, clock: SteppedClock) -> None:
    diary = Diary(clock, takes=5 * LEASE.total_seconds())
    await enqueue(store)
    async with working(store, clock, diary), working(store, clock, diary, owner="another"):
        await pass_(store, clock, 200)
    assert (diary.began, diary.ended) == ([("k", 0)], [("k", 150)])


async def test_two_dispatchers_on_one_store_do_each_run_once(store: InlineStore, clock: SteppedClock) -> None:
    one, other = Diary(clock, takes=3), Diary(clock, takes=7)
    for number in range(60):
        await enqueue(store, str(number), lock=str(number % 7))
    async with working(store, clock, one), working(store, clock, other, owner="another"):
        await pass_(store, clock, 300)
    assert sorted(one.keys + other.keys) == sorted(str(number) for number in range(60))
    assert one.keys
    assert other.keys


async def test_a_drain_lets_what_is_under_way_end_and_begins_nothing_more(
    store: InlineStore, clock: SteppedClock
) -> None:
    going, ended = asyncio.Event(), asyncio.Event()

    async def do(run: Run) -> Again | None:
        going.set()
        await ended.wait()
        return None

    await enqueue(store, "a", lock="x")
    await enqueue(store, "b", lock="x")
    async with working(store, clock, do) as dispatcher:
        await going.wait()
        draining = asyncio.create_task(dispatcher.drain(seconds=30))
        await clock.quiet(store)
        ended.set()
        await draining
        assert await statuses(store) == [("a", "done"), ("b", "ready")]


async def test_what_does_not_end_in_time_is_left_to_whoever_comes_next(store: InlineStore, clock: SteppedClock) -> None:
    async def hang(run: Run) -> Again | None:
        await asyncio.Event().wait()
        return None

    diary = Diary(clock)
    await enqueue(store)
    async with working(store, clock, hang) as dispatcher:
        await clock.quiet(store)
        await dispatcher.drain(seconds=0)
    await store.write(lambda rows: runs.release(rows, QUEUE, now=clock.now(), alive=lambda _: False))
    async with working(store, clock, diary, owner="the next"):
        await pass_(store, clock, 1)
    assert diary.keys == ["k"]


async def test_without_being_released_it_is_taken_over_when_its_lease_is_over(
    store: InlineStore, clock: SteppedClock
) -> None:
    claim = await store.write(lambda rows: _claim_for(rows, "dead"))
    assert claim is not None
    diary = Diary(clock)
    async with working(store, clock, diary):
        await pass_(store, clock, 60)
    [(_, seconds)] = diary.began
    assert LEASE.total_seconds() < seconds <= LEASE.total_seconds() + 6


def _claim_for(rows: Rows, owner: str) -> Claim | None:
    runs.enqueue(rows, QUEUE, "job", key="k", now=START, version="1")
    return runs.claim(rows, QUEUE, owner=owner, now=START, lease=LEASE)


async def test_on_the_real_store_with_its_threads_runs_are_done_once_too(tmp_path: Path) -> None:
    clock = SteppedClock()
    done: list[str] = []
    everything = asyncio.Event()

    async def do(run: Run) -> Again | None:
        await run.record("told", lambda rows: events.add(rows, "told", run.key, at=START), kind=int)
        done.append(run.key)
        if len(done) == 40:
            everything.set()
        return None

    job = Job(do=do, give_up=lambda *_: None)
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        dispatchers = [Dispatcher(store, QUEUE, {"job": job}, clock=clock, owner=owner) for owner in ("a", "b")]
        loops = [asyncio.create_task(dispatcher.run()) for dispatcher in dispatchers]
        for number in range(40):
            key = str(number)
            await store.write(
                lambda rows, key=key: runs.enqueue(rows, QUEUE, "job", key=key, now=START, version="1"),  # type: ignore[misc]
                tell=(QUEUE,),
            )
        async with asyncio.timeout(20):
            await everything.wait()
        for dispatcher, loop in zip(dispatchers, loops, strict=True):
            await dispatcher.drain(seconds=5)
            await loop
    assert sorted(done) == sorted(str(number) for number in range(40))
