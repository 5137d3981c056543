"""The dispatcher when runs raise, leases are lost, clocks jump and the store is busy."""

import asyncio
from datetime import timedelta
from itertools import pairwise

from devops_agent.durable.dispatch import MOST_CLAIMS, PATIENCE
from devops_agent.durable.journal import Again, Run
from devops_agent.store import events, runs
from devops_agent.store.rows import StoreBusyError
from tests.durable.working import QUEUE, Diary, Do, enqueue, pass_, statuses, working
from tests.engine.inline import InlineStore, SteppedClock


async def test_who_was_held_up_longer_than_its_lease_loses_the_run_and_writes_nothing(
    store: InlineStore, clock: SteppedClock
) -> None:
    held_up = asyncio.Event()

    def telling(who: str, after: asyncio.Event | None = None) -> Do:
        async def do(run: Run) -> Again | None:
            if after is not None:
                await after.wait()
            await run.record("told", lambda rows: events.add(rows, "told", who, at=clock.now()), kind=int)
            return None

        return do

    await enqueue(store)
    async with working(store, clock, telling("late", held_up)) as late:
        await clock.quiet(store)
        draining = asyncio.create_task(late.drain(seconds=30))
        await clock.quiet(store)
        await store.write(lambda rows: runs.release(rows, QUEUE, now=clock.now(), alive=lambda _: False))
        async with working(store, clock, telling("quick"), owner="another"):
            await pass_(store, clock, 1)
            held_up.set()
            await draining
    assert [event.says for event in await store.read(lambda rows: events.after(rows, 0))] == ["quick"]
    assert await statuses(store) == [("k", "done")]


async def test_a_clock_that_jumps_over_a_lease_makes_nobody_begin_its_own_run_beside_itself(
    store: InlineStore, clock: SteppedClock
) -> None:
    diary = Diary(clock, takes=20)
    await enqueue(store)
    async with working(store, clock, diary):
        await pass_(store, clock, 1)
        clock.jump(3600)
        await pass_(store, clock, 60)
    assert (diary.keys, await statuses(store)) == (["k"], [("k", "done")])


async def test_a_run_that_raises_is_tried_again_with_growing_pauses_and_then_given_up_with_a_word(
    store: InlineStore, clock: SteppedClock
) -> None:
    tries: list[float] = []

    async def do(run: Run) -> Again | None:
        tries.append(clock.monotonic())
        raise OSError("the socket is away")

    await enqueue(store)
    async with working(store, clock, do):
        await pass_(store, clock, 600)
    assert len(tries) == PATIENCE
    pauses = [after - before for before, after in pairwise(tries)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, (1, 2, 4, 8), strict=True))
    assert await statuses(store) == [("k", "failed")]
    assert [event.says for event in await store.read(lambda rows: events.after(rows, 0))] == [
        "OSError: the socket is away"
    ]


async def test_a_run_that_was_woken_often_has_as_many_tries_as_any_other(
    store: InlineStore, clock: SteppedClock
) -> None:
    rounds = 0

    async def do(run: Run) -> Again | None:
        nonlocal rounds
        rounds += 1
        if rounds <= 2 * PATIENCE:
            await run.park(until=clock.now() + timedelta(seconds=1), waits_on="something")
        if rounds <= 2 * PATIENCE + 3:
            raise OSError("away")
        return None

    await enqueue(store)
    async with working(store, clock, do):
        await pass_(store, clock, 600)
    assert await statuses(store) == [("k", "done")]


async def test_a_run_goes_on_from_its_journal_after_a_failure(store: InlineStore, clock: SteppedClock) -> None:
    tries = 0

    async def do(run: Run) -> Again | None:
        nonlocal tries
        tries += 1
        await run.record("told", lambda rows: events.add(rows, "told", "x", at=clock.now()), kind=int)
        if tries < 3:
            raise OSError("away")
        return None

    await enqueue(store)
    async with working(store, clock, do):
        await pass_(store, clock, 60)
    assert tries == 3
    assert (await store.read(events.head))[0] == 1


async def test_it_stays_alive_while_the_store_is_busy_and_goes_on_afterwards(
    store: InlineStore, clock: SteppedClock
) -> None:
    diary = Diary(clock, takes=5)
    await enqueue(store, "before")
    async with working(store, clock, diary):
        await pass_(store, clock, 2)
        store.trouble = StoreBusyError("locked")
        await pass_(store, clock, 200)
        store.trouble = None
        await enqueue(store, "after")
        await pass_(store, clock, 200)
    assert [key for key, status in await statuses(store) if status == "done"] == ["before", "after"]


async def test_a_run_of_a_kind_that_this_version_does_not_know_is_given_up_and_harms_no_other(
    store: InlineStore, clock: SteppedClock
) -> None:
    diary = Diary(clock)
    await enqueue(store, "strange", job="of-the-future")
    async with working(store, clock, diary):
        await pass_(store, clock, 100)
        await enqueue(store, "k")
        await pass_(store, clock, 1)
    assert await statuses(store) == [("strange", "failed"), ("k", "done")]


async def test_a_run_that_ends_the_process_each_time_is_given_up(store: InlineStore, clock: SteppedClock) -> None:
    async def do(run: Run) -> Again | None:
        raise AssertionError(run)

    await enqueue(store)
    await store.write(lambda rows: rows.run("UPDATE runs SET claims = :most", most=MOST_CLAIMS))
    async with working(store, clock, do):
        await pass_(store, clock, 60)
    assert await statuses(store) == [("k", "failed")]
    told = await store.read(lambda rows: events.after(rows, 0))
    assert told[0].says == f"it was begun {MOST_CLAIMS} times and never ended: the process died of it"
