"""The journal: what was decided or done is not decided or done again, and who lost its claim writes nothing."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from devops_agent.durable.journal import ParkedError, Run, UnclearError
from devops_agent.kit.testing import START, Killed
from devops_agent.model.action import Result
from devops_agent.store import events, runs
from devops_agent.store.rows import Rows, StaleError
from tests.effort import examples
from tests.engine.inline import InlineStore, SteppedClock, new_database

LEASE = timedelta(seconds=30)
QUEUE = "work"


async def enqueue(store: InlineStore, key: str = "k", lock: str = "") -> None:
    await store.write(lambda rows: runs.enqueue(rows, QUEUE, "job", key=key, lock=lock, now=START, version="1"))


async def take(store: InlineStore, clock: SteppedClock, *, boundary: Callable[[str], None] = lambda _: None) -> Run:
    """Claim the next run, as a new process would."""
    claim = await store.write(lambda rows: runs.claim(rows, QUEUE, owner="me", now=clock.now(), lease=LEASE))
    assert claim is not None
    return Run(store, claim, clock=clock, boundary=boundary)


async def take_over(store: InlineStore, clock: SteppedClock) -> Run:
    """Claim the run of a process that was killed."""
    await store.write(lambda rows: runs.release(rows, QUEUE, now=clock.now(), alive=lambda _: False))
    await clock.advance(1)
    return await take(store, clock)


@pytest.fixture
async def run(store: InlineStore, clock: SteppedClock) -> Run:
    await enqueue(store)
    return await take(store, clock)


class Counter:
    """A step that counts how often it took place."""

    def __init__(self, *, seen: int | None = None, unclear: bool = False) -> None:
        self.times = 0
        self.keys: list[str] = []
        self.befores: list[str] = []
        self._seen = seen
        self._unclear = unclear

    async def before(self) -> str:
        return f'"{self.times} before"'

    async def do(self, key: str) -> int:
        self.times += 1
        self.keys.append(key)
        return self.times

    async def recover(self, before: str, key: str) -> int | None:
        self.befores.append(before)
        if self._unclear:
            raise UnclearError("count", "it leaves no trace")
        return self._seen


async def decided(value: int, made: list[int]) -> int:
    made.append(value)
    return value


async def test_a_decision_is_made_once(run: Run, store: InlineStore, clock: SteppedClock) -> None:
    made: list[int] = []
    assert await run.note("n", lambda: decided(1, made), kind=int) == 1
    assert await run.note("n", lambda: decided(2, made), kind=int) == 1
    later = await take_over(store, clock)
    assert await later.note("n", lambda: decided(3, made), kind=int) == 1
    assert made == [1]


async def test_a_decision_that_was_not_written_is_made_again(run: Run, store: InlineStore, clock: SteppedClock) -> None:
    made: list[int] = []

    async def fail() -> int:
        made.append(1)
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await run.note("n", fail, kind=int)
    assert await run.note("n", lambda: decided(2, made), kind=int) == 2
    assert made == [1, 2]


def told(rows: Rows) -> int:
    return events.add(rows, "told", "x", at=START)


async def count(store: InlineStore) -> int:
    return (await store.read(events.head))[0]


async def test_rows_are_written_once_in_the_transaction_that_marks_the_step(
    run: Run, store: InlineStore, clock: SteppedClock
) -> None:
    assert await run.record("r", told, kind=int) == 1
    assert await run.record("r", told, kind=int) == 1
    assert await (await take_over(store, clock)).record("r", told, kind=int) == 1
    assert await count(store) == 1


async def test_rows_whose_writing_fails_leave_neither_rows_nor_a_mark(run: Run, store: InlineStore) -> None:
    def fail(rows: Rows) -> int:
        told(rows)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await run.record("r", fail, kind=int)
    assert await count(store) == 0
    assert await run.record("r", told, kind=int) == 1


async def test_topics_are_rung_when_rows_are_on_the_disk(run: Run, store: InlineStore) -> None:
    bell = store.bell.on("events")
    await run.record("r", told, kind=int, tell=("events",))
    assert bell.is_set()


async def test_a_step_takes_place_once_and_its_result_is_kept(
    run: Run, store: InlineStore, clock: SteppedClock
) -> None:
    work = Counter()
    assert await run.step("s", work, kind=int) == 1
    assert await run.step("s", work, kind=int) == 1
    assert await (await take_over(store, clock)).step("s", work, kind=int) == 1
    assert (work.times, work.befores) == (1, [])


async def test_results_are_kept_with_all_their_parts(run: Run, store: InlineStore, clock: SteppedClock) -> None:
    result = Result(ok=True, says="rolled back", undo={"image": "a:1"}, data={"bytes": 7})

    class Act(Counter):
        async def do(self, key: str) -> Result:  # type: ignore[override]
            return result

    assert await run.step("s", Act(), kind=Result) == result
    later = await take_over(store, clock)
    assert await later.step("s", Act(), kind=Result) == result


async def kill_in_step(store: InlineStore, clock: SteppedClock, work: Counter, *, at: str) -> Run:
    """Begin a step, be killed at a boundary, and return the next life's run."""

    def boundary(name: str) -> None:
        if name == at:
            raise Killed

    await enqueue(store)
    first = await take(store, clock, boundary=boundary)
    with pytest.raises(Killed):
        await first.step("s", work, kind=int)
    return await take_over(store, clock)


@pytest.mark.parametrize(("at", "times"), [("begin s", 1), ("begun s", 1)])
async def test_a_step_that_surely_did_not_take_place_is_done(
    store: InlineStore, clock: SteppedClock, at: str, times: int
) -> None:
    work = Counter(seen=None)
    later = await kill_in_step(store, clock, work, at=at)
    assert await later.step("s", work, kind=int) == 1
    assert work.times == times


@pytest.mark.parametrize("at", ["did s", "end s"])
async def test_a_step_that_took_place_but_was_not_written_is_recognised_and_not_done_again(
    store: InlineStore, clock: SteppedClock, at: str
) -> None:
    work = Counter(seen=99)
    later = await kill_in_step(store, clock, work, at=at)
    assert await later.step("s", work, kind=int) == 99
    assert await later.step("s", work, kind=int) == 99
    assert (work.times, work.befores) == (1, ['"0 before"'])


async def test_what_was_known_before_the_first_beginning_is_what_is_compared(
    store: InlineStore, clock: SteppedClock
) -> None:
    work = Counter(seen=None)
    later = await kill_in_step(store, clock, work, at="did s")
    assert await later.step("s", work, kind=int) == 2
    assert work.befores == ['"0 before"']


async def test_a_step_has_the_same_key_in_every_life_and_no_other_step_has_it(
    store: InlineStore, clock: SteppedClock
) -> None:
    work = Counter(seen=None)
    later = await kill_in_step(store, clock, work, at="did s")
    await later.step("s", work, kind=int)
    await later.step("t", work, kind=int)
    first, again, other = work.keys
    assert first == again == "k/1/s"
    assert other == "k/1/t"


async def test_a_step_that_may_have_taken_place_and_must_not_twice_is_left_to_a_person(
    store: InlineStore, clock: SteppedClock
) -> None:
    work = Counter(unclear=True)
    later = await kill_in_step(store, clock, work, at="did s")
    with pytest.raises(UnclearError, match="cannot tell whether 'count' took place before the crash: it leaves no"):
        await later.step("s", work, kind=int)
    assert work.times == 1


async def test_a_run_that_parks_leaves_and_begins_anew_from_its_top_with_all_that_it_knows(
    run: Run, store: InlineStore, clock: SteppedClock
) -> None:
    await run.record("r", told, kind=int)
    with pytest.raises(ParkedError, match="an answer"):
        await run.park(until=clock.now() + timedelta(seconds=60), waits_on="an answer")
    claim = await store.write(lambda rows: runs.claim(rows, QUEUE, owner="me", now=clock.now(), lease=LEASE))
    assert claim is None
    await clock.advance(60)
    later = await take(store, clock)
    assert await later.record("r", told, kind=int) == 1
    assert await count(store) == 1


async def test_a_finished_run_is_followed_by_one_that_knows_nothing(
    run: Run, store: InlineStore, clock: SteppedClock
) -> None:
    work = Counter()
    await run.step("s", work, kind=int)
    await store.write(lambda rows: runs.finish(rows, run.claim, ok=True, says="", now=clock.now()))
    await enqueue(store)
    assert await (await take(store, clock)).step("s", work, kind=int) == 2


Use = Callable[[Run], Awaitable[object]]
WRITES: dict[str, Use] = {
    "note": lambda run: run.note("n", lambda: decided(1, []), kind=int),
    "record": lambda run: run.record("r", told, kind=int),
    "step": lambda run: run.step("s", Counter(), kind=int),
    "park": lambda run: run.park(until=START, waits_on="x"),
    "renew": lambda run: run.renew(lease=LEASE),
}


@pytest.mark.parametrize("use", WRITES.values(), ids=WRITES)
async def test_who_lost_its_run_writes_nothing(run: Run, store: InlineStore, clock: SteppedClock, use: Use) -> None:
    later = await take_over(store, clock)
    with pytest.raises(StaleError):
        await use(run)
    assert await count(store) == 0
    work = Counter()
    await later.step("s", work, kind=int)
    assert work.times == 1


async def test_who_lost_its_run_does_not_begin_to_act(run: Run, store: InlineStore, clock: SteppedClock) -> None:
    await take_over(store, clock)
    work = Counter()
    with pytest.raises(StaleError):
        await run.step("s", work, kind=int)
    assert work.times == 0


class Lives(RuleBasedStateMachine):
    """Processes that are killed, or only held up and come back late, all working on one run."""

    templates: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.Runner()
        self.clock = SteppedClock()
        self.loop.run(new_database(self.folder / "agent.db", template=self.templates / "template.db"))
        self.store = InlineStore(self.folder / "agent.db")
        self.loop.run(enqueue(self.store))
        self.lives = [self.loop.run(take(self.store, self.clock))]
        self.known: dict[str, int] = {}
        self.written = 0

    def teardown(self) -> None:
        self.loop.run(self.store.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def attempt(self, life: int, use: Use) -> object:
        """Let a life do something; only the last one may."""
        run = self.lives[life % len(self.lives)]
        if run is self.lives[-1]:
            return self.loop.run(_awaited(use(run)))
        with pytest.raises(StaleError):
            self.loop.run(_awaited(use(run)))
        return None

    @rule()
    @precondition(lambda self: len(self.lives) < 6)
    def take_over(self) -> None:
        self.lives.append(self.loop.run(take_over(self.store, self.clock)))

    @rule(life=st.integers(0, 5), name=st.sampled_from("abc"), value=st.integers(0, 9))
    def note(self, life: int, name: str, value: int) -> None:
        if f"n{name}" in self.known:
            # What is written may be read by anybody: reading does no harm.
            run = self.lives[life % len(self.lives)]
            assert self.loop.run(run.note(f"n{name}", lambda: decided(value, []), kind=int)) == self.known[f"n{name}"]
            return
        found = self.attempt(life, lambda run: run.note(f"n{name}", lambda: decided(value, []), kind=int))
        if found is not None:
            self.known[f"n{name}"] = int(str(found))

    @rule(life=st.integers(0, 5), name=st.sampled_from("abc"))
    def record(self, life: int, name: str) -> None:
        run = self.lives[life % len(self.lives)]
        if f"r{name}" in self.known:
            assert self.loop.run(run.record(f"r{name}", told, kind=int)) == self.known[f"r{name}"]
            return
        found = self.attempt(life, lambda run: run.record(f"r{name}", told, kind=int))
        if found is not None:
            self.written += 1
            self.known[f"r{name}"] = int(str(found))

    @rule(life=st.integers(0, 5), name=st.sampled_from("abc"), seen=st.sampled_from([None, 7]))
    def step(self, life: int, name: str, seen: int | None) -> None:
        if f"s{name}" not in self.known:
            found = self.attempt(life, lambda run: run.step(f"s{name}", Counter(seen=seen), kind=int))
            if found is not None:
                self.known[f"s{name}"] = int(str(found))

    @rule(life=st.integers(0, 5))
    def renew(self, life: int) -> None:
        self.attempt(life, lambda run: run.renew(lease=LEASE))

    @invariant()
    def nothing_was_written_twice_or_by_the_wrong_one(self) -> None:
        assert self.loop.run(count(self.store)) == self.written


async def _awaited(wanted: Awaitable[object]) -> object:
    return await wanted


def test_no_sequence_of_lives_writes_anything_twice_or_out_of_turn(tmp_path: Path) -> None:
    Lives.templates = tmp_path
    run_state_machine_as_test(Lives, settings=settings(max_examples=examples(40), stateful_step_count=25))
