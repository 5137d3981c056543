"""The journal's rows: rules, and a search for sequences of calls that break them."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from devops_agent.kit.testing import START
from devops_agent.store import Store, runs
from devops_agent.store.pump import Connection
from devops_agent.store.rows import StaleError, from_us, to_us
from devops_agent.store.runs import Claim
from tests.effort import examples

LEASE = timedelta(seconds=30)
QUEUE = "respond"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.fixture
def rows(connection: Connection) -> Iterator[Connection]:
    connection.begin()
    yield connection
    connection.rollback()


def enqueue(rows: Connection, key: str, *, seconds: float = 0, lock: str = "", later: float | None = None) -> bool:
    due = None if later is None else at(later)
    return runs.enqueue(rows, QUEUE, "job", key=key, now=at(seconds), version="1", lock=lock, not_before=due)


def claim(rows: Connection, seconds: float = 0, owner: str = "me") -> Claim | None:
    return runs.claim(rows, QUEUE, owner=owner, now=at(seconds), lease=LEASE)


def claimed(rows: Connection, seconds: float = 0) -> Claim:
    found = claim(rows, seconds)
    assert found is not None
    return found


def test_runs_are_claimed_in_the_order_in_which_they_became_due(rows: Connection) -> None:
    enqueue(rows, "b", seconds=1)
    enqueue(rows, "a", seconds=2)
    enqueue(rows, "late", seconds=0, later=25)
    assert [claimed(rows, 10).key, claimed(rows, 10).key, claim(rows, 10)] == ["b", "a", None]
    assert claimed(rows, 25).key == "late"


def test_a_claim_holds_what_was_enqueued(rows: Connection) -> None:
    runs.enqueue(rows, QUEUE, "respond", key="INC-1", now=START, version="2.1", args_json='{"a":1}', lock="api")
    run = claimed(rows)
    assert (run.queue, run.job, run.key, run.lock, run.args_json) == (QUEUE, "respond", "INC-1", "api", '{"a":1}')
    assert (run.version, run.claims, run.fence) == ("2.1", 1, 1)


def test_queues_do_not_see_each_other(rows: Connection) -> None:
    runs.enqueue(rows, "notify", "job", key="k", now=START, version="1")
    assert claim(rows) is None
    assert runs.next_due(rows, QUEUE) is None


def test_the_same_key_is_under_way_once_and_may_come_again_when_it_is_over(rows: Connection) -> None:
    assert enqueue(rows, "k")
    assert not enqueue(rows, "k")
    run = claimed(rows)
    assert not enqueue(rows, "k")
    runs.finish(rows, run, ok=True, says="", now=at(1))
    assert enqueue(rows, "k", seconds=2)
    assert claimed(rows, 2).id != run.id


def test_enqueueing_what_is_under_way_wakes_it(rows: Connection) -> None:
    enqueue(rows, "k", later=3600)
    assert claim(rows) is None
    assert not enqueue(rows, "k", seconds=1)
    assert claimed(rows, 1).key == "k"


def test_a_lease_that_ended_lets_another_process_take_the_run_and_refuses_the_first(rows: Connection) -> None:
    enqueue(rows, "k")
    first = claimed(rows)
    assert claim(rows, 30) is None
    second = claimed(rows, 31)
    assert (second.id, second.fence, second.claims) == (first.id, first.fence + 1, 2)
    for act in acts(rows, first, 31):
        with pytest.raises(StaleError, match="token 1 is old"):
            act()
    assert runs.step(rows, second, "s") is None
    runs.finish(rows, second, ok=True, says="", now=at(32))


def acts(rows: Connection, run: Claim, seconds: float) -> list[Callable[[], None]]:
    now = at(seconds)
    return [
        lambda: runs.renew(rows, run, now=now, lease=LEASE),
        lambda: runs.begin_step(rows, run, "s", key="key", before_json="{}", now=now),
        lambda: runs.end_step(rows, run, "s", key="key", result_json="{}", now=now),
        lambda: runs.park(rows, run, until=now, waits_on="x"),
        lambda: runs.finish(rows, run, ok=True, says="", now=now),
    ]


@pytest.mark.parametrize("end", ["parked", "finished"])
def test_who_let_go_of_a_run_can_do_nothing_to_it_any_more(rows: Connection, end: str) -> None:
    enqueue(rows, "k")
    run = claimed(rows)
    if end == "parked":
        runs.park(rows, run, until=at(60), waits_on="x")
    else:
        runs.finish(rows, run, ok=True, says="", now=at(1))
    for act in acts(rows, run, 2):
        with pytest.raises(StaleError):
            act()


def test_a_renewed_lease_holds(rows: Connection) -> None:
    enqueue(rows, "k")
    run = claimed(rows)
    runs.renew(rows, run, now=at(20), lease=LEASE)
    assert claim(rows, 50) is None
    assert claimed(rows, 51).fence == 2


def test_a_lease_that_ended_may_be_renewed_while_nobody_took_the_run(rows: Connection) -> None:
    enqueue(rows, "k", lock="api")
    run = claimed(rows)
    runs.renew(rows, run, now=at(100), lease=LEASE)
    assert claim(rows, 110) is None


def test_one_run_at_a_time_holds_a_lock(rows: Connection) -> None:
    enqueue(rows, "a", lock="api")
    enqueue(rows, "b", lock="api", seconds=1)
    enqueue(rows, "c", lock="db", seconds=2)
    first = claimed(rows, 3)
    assert (first.key, claimed(rows, 3).key, claim(rows, 3)) == ("a", "c", None)
    assert claim(rows, 33) is None, "the lease holds to its very end"
    runs.park(rows, first, until=at(600), waits_on="x")
    assert claimed(rows, 3).key == "b"
    runs.wake(rows, QUEUE, "a", now=at(4))
    assert claim(rows, 4) is None


def test_who_lost_its_lock_with_its_lease_cannot_go_on_beside_the_next(rows: Connection) -> None:
    enqueue(rows, "a", lock="api")
    first = claimed(rows)
    enqueue(rows, "b", lock="api", later=-1)
    second = claimed(rows, 31)
    assert second.key == "b"
    with pytest.raises(StaleError):
        runs.renew(rows, first, now=at(32), lease=LEASE)
    with pytest.raises(StaleError):
        runs.begin_step(rows, first, "s", key="k", before_json="{}", now=at(32))
    runs.end_step(rows, first, "s", key="k", result_json="1", now=at(32))  # what was done is still worth knowing
    runs.finish(rows, second, ok=True, says="", now=at(33))
    runs.begin_step(rows, first, "t", key="k", before_json="{}", now=at(34))


def test_a_parked_run_comes_back_when_its_time_is_over(rows: Connection) -> None:
    enqueue(rows, "k")
    runs.park(rows, claimed(rows), until=at(60), waits_on="approval")
    assert claim(rows, 59) is None
    assert from_us(runs.next_due(rows, QUEUE) or 0) == at(60)
    assert claimed(rows, 60).key == "k"


def test_only_claims_that_failed_in_a_row_are_counted(rows: Connection) -> None:
    enqueue(rows, "k")
    for expected in (1, 2, 3):
        run = claimed(rows, expected)
        assert run.claims == expected
        runs.park(rows, run, until=at(0), waits_on="another try", failed=True)
    runs.park(rows, claimed(rows, 4), until=at(0), waits_on="approval")
    assert claimed(rows, 5).claims == 1


def test_a_parked_run_comes_back_when_it_is_woken(rows: Connection) -> None:
    enqueue(rows, "k")
    runs.park(rows, claimed(rows), until=at(3600), waits_on="approval")
    assert runs.wake(rows, QUEUE, "k", now=at(5))
    assert claimed(rows, 5).key == "k"


def test_a_wake_up_while_it_is_under_way_counts_when_it_parks_and_only_once(rows: Connection) -> None:
    enqueue(rows, "k")
    run = claimed(rows)
    assert not runs.woken(rows, run)
    runs.wake(rows, QUEUE, "k", now=at(1))
    assert runs.woken(rows, run)
    runs.park(rows, run, until=at(3600), waits_on="approval")
    again = claimed(rows, 2)
    assert not runs.woken(rows, again)
    runs.park(rows, again, until=at(3600), waits_on="approval")
    assert claim(rows, 3) is None


def test_what_is_over_cannot_be_woken(rows: Connection) -> None:
    enqueue(rows, "k")
    runs.finish(rows, claimed(rows), ok=False, says="broken", now=at(1))
    assert not runs.wake(rows, QUEUE, "k", now=at(2))
    assert not runs.wake(rows, QUEUE, "never heard of", now=at(2))
    assert claim(rows, 3) is None


def test_the_runs_of_a_dead_owner_are_given_back_at_once(rows: Connection) -> None:
    for key in ("a", "b"):
        enqueue(rows, key)
    first = runs.claim(rows, QUEUE, owner="dead", now=START, lease=LEASE)
    runs.claim(rows, QUEUE, owner="alive", now=START, lease=LEASE)
    assert runs.running(rows, QUEUE, now=at(1)) == 2
    assert runs.release(rows, QUEUE, now=at(1), alive=lambda owner: owner == "alive") == 1
    assert runs.running(rows, QUEUE, now=at(1)) == 1
    again = claimed(rows, 1)
    assert first is not None
    assert (again.key, again.fence) == (first.key, first.fence + 1)


def test_a_step_is_known_as_begun_then_as_done_with_its_result(rows: Connection) -> None:
    enqueue(rows, "k")
    run = claimed(rows)
    runs.begin_step(rows, run, "restart", key="k/1/restart", before_json='{"pid":1}', now=at(1))
    begun = runs.step(rows, run, "restart")
    assert begun is not None
    assert (begun.status, begun.before_json, begun.result_json) == ("started", '{"pid":1}', "")
    runs.end_step(rows, run, "restart", key="k/1/restart", result_json='{"ok":true}', now=at(2))
    done = runs.step(rows, run, "restart")
    assert done is not None
    assert (done.status, done.before_json, done.result_json) == ("done", '{"pid":1}', '{"ok":true}')


def test_forgetting_takes_finished_runs_with_their_steps_and_no_others(rows: Connection) -> None:
    for key in ("old", "new", "alive"):
        enqueue(rows, key)
        run = claimed(rows)
        runs.begin_step(rows, run, "s", key="k", before_json="{}", now=START)
        if key != "alive":
            runs.finish(rows, run, ok=True, says="", now=at(0 if key == "old" else 100))
    assert runs.forget(rows, finished_before=at(50), rounds_before=at(50)) == 1
    assert [row["run"] for row in rows.all("SELECT run FROM steps ORDER BY run")] == [2, 3]


async def test_two_processes_never_claim_the_same_run(store: Store) -> None:
    def fill(rows: object) -> None:
        for number in range(40):
            runs.enqueue(rows, QUEUE, "job", key=str(number), now=START, version="1")  # type: ignore[arg-type]

    await store.write(fill)
    found = await asyncio.gather(
        *(
            store.write(lambda rows, who=who: runs.claim(rows, QUEUE, owner=who, now=START, lease=LEASE))  # type: ignore[misc]
            for who in ("a", "b") * 25
        )
    )
    ids = [run.id for run in found if run is not None]
    assert len(ids) == len(set(ids)) == 40


KEYS = st.sampled_from(["INC-1", "INC-2", "INC-3", "INC-4"])
SECONDS = st.sampled_from([0, 1, 7, 29, 30, 31, 90])


class JournalRows(RuleBasedStateMachine):
    """Processes that claim, crash, wake and come back, in any order."""

    claims = Bundle("claims")

    rows: Connection

    def __init__(self) -> None:
        super().__init__()
        self.rows.begin()
        self.now = START
        self.newest: dict[int, int] = {}
        """Run → the newest token that was given out for it."""
        self.let_go: set[tuple[int, int]] = set()
        """Tokens whose holder parked or finished the run."""
        self.woken: set[str] = set()
        """Keys that were woken and not claimed since."""

    def teardown(self) -> None:
        self.rows.rollback()

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(key=KEYS, lock=st.sampled_from(["", "api", "db"]), later=SECONDS)
    def enqueue(self, key: str, lock: str, later: int) -> None:
        alive = self._alive(key)
        due = self.now + timedelta(seconds=later)
        added = runs.enqueue(self.rows, QUEUE, "job", key=key, now=self.now, version="1", lock=lock, not_before=due)
        assert added is not alive
        if alive:
            self.woken.add(key)

    @rule(key=KEYS)
    def wake(self, key: str) -> None:
        alive = self._alive(key)
        assert runs.wake(self.rows, QUEUE, key, now=self.now) is alive
        if alive:
            self.woken.add(key)

    @rule(target=claims, owner=st.sampled_from(["one", "two"]))
    def claim(self, owner: str) -> Claim | None:
        before = self._held()
        run = runs.claim(self.rows, QUEUE, owner=owner, now=self.now, lease=LEASE)
        if run is None:
            return None
        assert run.id not in {id_ for id_, _ in before}, "it was held under a living lease"
        assert not run.lock or run.lock not in {lock for _, lock in before}, "its lock was held"
        assert run.fence > self.newest.get(run.id, 0)
        self.newest[run.id] = run.fence
        self.woken.discard(run.key)
        assert not runs.woken(self.rows, run)
        return run

    @rule(run=claims)
    def renew(self, run: Claim | None) -> None:
        if run is not None and self._try(run, lambda: runs.renew(self.rows, run, now=self.now, lease=LEASE)):
            assert self._row(run)["lease_until"] == to_us(self.now + LEASE)

    @rule(run=claims)
    def begin_a_step(self, run: Claim | None) -> None:
        if run is not None:
            self._try(run, lambda: runs.begin_step(self.rows, run, "s", key="k", before_json="", now=self.now))

    @rule(run=claims)
    def end_a_step(self, run: Claim | None) -> None:
        if run is not None:
            self._try(run, lambda: runs.end_step(self.rows, run, "s", key="k", result_json="", now=self.now))

    @rule(run=claims, later=SECONDS)
    def park(self, run: Claim | None, later: int) -> None:
        if run is None:
            return
        until = self.now + timedelta(seconds=later)
        if self._try(run, lambda: runs.park(self.rows, run, until=until, waits_on="x")):
            self.let_go.add((run.id, run.fence))
            due = self._row(run)["not_before"]
            assert due <= to_us(self.now) if run.key in self.woken else due == to_us(until)

    @rule(run=claims, ok=st.booleans())
    def finish(self, run: Claim | None, *, ok: bool) -> None:
        if run is not None and self._try(run, lambda: runs.finish(self.rows, run, ok=ok, says="", now=self.now)):
            self.let_go.add((run.id, run.fence))
            self.woken.discard(run.key)

    @rule(owner=st.sampled_from(["one", "two"]))
    def owner_dies(self, owner: str) -> None:
        runs.release(self.rows, QUEUE, now=self.now, alive=lambda other: other != owner)

    @invariant()
    def a_key_is_alive_once(self) -> None:
        for row in self.rows.all("SELECT key, count(*) AS n FROM runs WHERE finished_at IS NULL GROUP BY key"):
            assert row["n"] == 1

    @invariant()
    def a_lock_is_held_once(self) -> None:
        locks = [lock for _, lock in self._held() if lock]
        assert len(locks) == len(set(locks))

    @invariant()
    def who_was_woken_is_due_or_under_way(self) -> None:
        for key in self.woken:
            row = self.rows.one("SELECT * FROM runs WHERE key = :key AND finished_at IS NULL", key=key)
            assert row is not None
            assert row["woken"] == 1
            assert row["status"] == "running" or row["not_before"] <= to_us(self.now)

    @invariant()
    def something_due_is_announced(self) -> None:
        due = runs.next_due(self.rows, QUEUE)
        alive = self.rows.one("SELECT count(*) AS n FROM runs WHERE finished_at IS NULL")
        assert alive is not None
        assert (due is None) is (alive["n"] == 0)

    def _try(self, run: Claim, act: Callable[[], None]) -> bool:
        """Act; an old token, or one that was given back, has to be refused."""
        old = self.newest[run.id] != run.fence or (run.id, run.fence) in self.let_go
        try:
            act()
        except StaleError:
            taken = run.lock in {lock for id_, lock in self._held() if id_ != run.id} if run.lock else False
            assert old or taken, "it held the newest token, and nobody had its lock"
            return False
        assert not old, "an old token was taken"
        return True

    def _held(self) -> list[tuple[int, str]]:
        return [
            (row["id"], row["lock_name"])
            for row in self.rows.all(
                "SELECT id, lock_name FROM runs WHERE status = 'running' AND lease_until >= :now", now=to_us(self.now)
            )
        ]

    def _alive(self, key: str) -> bool:
        return bool(self.rows.all("SELECT id FROM runs WHERE key = :key AND finished_at IS NULL", key=key))

    def _row(self, run: Claim) -> dict[str, int]:
        row = self.rows.one("SELECT not_before, lease_until FROM runs WHERE id = :id", id=run.id)
        assert row is not None
        return dict(row)


def test_no_sequence_of_calls_breaks_the_rules_of_the_journal(connection: Connection) -> None:
    run_state_machine_as_test(
        type("OnThis", (JournalRows,), {"rows": connection}),
        settings=settings(
            max_examples=examples(60), stateful_step_count=40, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )
