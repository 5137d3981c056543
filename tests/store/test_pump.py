import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from devops_agent.kit.testing import START
from devops_agent.store import Store, events, open_store
from devops_agent.store.rows import OverloadedError, Rows, StoreError


class Gate:
    """Work that holds the writer's thread until it is let go, so that what comes after it gathers."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, rows: Rows) -> None:
        self.entered.set()
        assert self.opened.wait(30)


@pytest.fixture
async def gate(store: Store) -> AsyncIterator[Gate]:
    gate = Gate()
    held = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.entered.wait, 30)
    yield gate
    gate.opened.set()
    await held


def add(says: str) -> Callable[[Rows], int]:
    return lambda rows: events.add(rows, "told", says, at=START)


async def said(store: Store) -> list[str]:
    return [event.says for event in await store.read(lambda rows: events.after(rows, 0, limit=1000))]


async def gather(
    count: int, store: Store, work: Callable[[int], Callable[[Rows], object]]
) -> list[asyncio.Task[object]]:
    tasks = [asyncio.create_task(store.write(work(number))) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_writers_that_come_during_a_commit_share_the_next_one_and_hear_of_it_after_it(
    store: Store, gate: Gate
) -> None:
    last = Gate()
    first = asyncio.create_task(store.write(add("first")))
    await asyncio.sleep(0)
    second = asyncio.create_task(store.write(last))
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.to_thread(last.entered.wait, 30)
    # The first has done its work, but shares the transaction of the second, which is still under way.
    assert await said(store) == []
    assert not first.done()
    last.opened.set()
    await asyncio.gather(first, second)
    assert await said(store) == ["first"]


async def test_work_that_fails_in_company_loses_only_its_own_writes(store: Store, gate: Gate) -> None:
    def work(number: int) -> Callable[[Rows], int]:
        def do(rows: Rows) -> int:
            seq = events.add(rows, "told", str(number), at=START)
            if number % 3 == 1:
                message = f"no {number}"
                raise LookupError(message)
            return seq

        return do

    tasks = await gather(9, store, work)
    gate.opened.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(result) for result in results] == ["1", "no 1", "2", "3", "no 4", "4", "5", "no 7", "6"]
    assert await said(store) == ["0", "2", "3", "5", "6", "8"]
    assert await store.read(events.broken_link) is None


async def test_a_statement_that_the_database_refuses_hurts_only_its_own_work(store: Store, gate: Gate) -> None:
    def work(number: int) -> Callable[[Rows], int]:
        def do(rows: Rows) -> int:
            if number == 1:
                rows.run("INSERT INTO counters (name, value) VALUES ('twice', 1)")
                rows.run("INSERT INTO counters (name, value) VALUES ('twice', 2)")
            return events.add(rows, "told", str(number), at=START)

        return do

    tasks = await gather(3, store, work)
    gate.opened.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], StoreError)
    assert results[2] == 2
    assert await store.read(lambda rows: rows.all("SELECT name FROM counters")) == []


async def test_work_that_fails_alone_is_undone(store: Store) -> None:
    def work(rows: Rows) -> None:
        events.add(rows, "told", "never", at=START)
        raise LookupError("alone")

    with pytest.raises(LookupError, match="alone"):
        await store.write(work)
    assert await said(store) == []


async def test_an_exhausted_iterator_in_one_piece_of_work_reaches_its_own_task_only(store: Store, gate: Gate) -> None:
    tasks = await gather(3, store, lambda number: (lambda _: next(iter([]))) if number == 1 else add(str(number)))
    gate.opened.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], RuntimeError)
    assert results[2] == 2


async def test_a_task_that_is_cancelled_while_waiting_leaves_the_others_alone(store: Store, gate: Gate) -> None:
    tasks = await gather(3, store, lambda number: add(str(number)))
    tasks[1].cancel()
    gate.opened.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [False, True, False]


async def test_a_reader_sees_what_was_written_before_it_asked(store: Store) -> None:
    for number in range(20):
        await store.write(add(str(number)))
        assert len(await said(store)) == number + 1


async def test_reading_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot use"):
        await store.read(add("never"))
    assert await said(store) == []


async def test_more_than_the_limit_is_refused_at_once_and_taken_again_later(url: str) -> None:
    gate = Gate()
    async with await open_store(url, max_pending=3) as store:
        tasks = [asyncio.create_task(store.write(gate))]
        tasks += await gather(2, store, lambda number: add(str(number)))  # type: ignore[arg-type]
        assert store.pending == 3
        with pytest.raises(OverloadedError, match="3 requests are waiting"):
            await store.write(add("too much"))
        gate.opened.set()
        await asyncio.gather(*tasks)
        assert store.pending == 0
        await store.write(add("again"))
        assert await said(store) == ["0", "1", "again"]


async def test_closing_finishes_what_was_handed_in_and_refuses_what_comes_later(url: str) -> None:
    store = await open_store(url)
    tasks = await gather(50, store, lambda number: add(str(number)))
    await store.close()
    assert sorted(await asyncio.gather(*tasks)) == list(range(1, 51))  # type: ignore[type-var]
    with pytest.raises(StoreError, match="it is closed"):
        await store.write(add("late"))
    async with await open_store(url) as again:
        assert len(await said(again)) == 50


async def test_two_stores_on_one_database_keep_one_unbroken_chain(url: str) -> None:
    async with await open_store(url) as one, await open_store(url) as other:
        await asyncio.gather(*(store.write(add(str(number))) for number in range(40) for store in (one, other)))
        assert await one.read(events.head) == await other.read(events.head)
        assert (await one.read(events.head))[0] == 80
        assert await other.read(events.broken_link) is None
