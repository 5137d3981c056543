"""The only writer of an incident's status: legal moves, one event for each, and nobody loses in silence."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from devops_agent.engine import lifecycle
from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.incident import MOVES, Incident, Status
from devops_agent.store import events, incidents
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows, StaleError
from tests.effort import examples
from tests.engine.taking_in import kinds, one_transaction, timeline

STATUSES = list(Status)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Connection]:
    with one_transaction(tmp_path) as rows:
        yield rows


def opened(rows: Rows) -> Incident:
    return incidents.open_(
        rows, target="api", cause_group="service", kind="down", severity=Severity.INFO, title="t", now=START
    )


def in_status(rows: Rows, status: Status) -> Incident:
    """Return an incident that was put into a status by the store alone, telling nobody."""
    incident = opened(rows)
    if status is Status.OPEN:
        return incident
    return incidents.move(rows, incident, status, reason="", next_steps=[], now=START)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("to", STATUSES)
def test_only_the_moves_of_the_table_can_be_made(rows: Rows, status: Status, to: Status) -> None:
    incident = in_status(rows, status)
    if to is status:
        assert lifecycle.move(rows, incident, to, reason="again", now=START) == incident
        assert kinds(rows) == []
    elif to in MOVES[status]:
        assert lifecycle.move(rows, incident, to, reason="why", now=START).status is to
        assert kinds(rows) == [to.value]
    else:
        with pytest.raises(
            lifecycle.IllegalMoveError, match=f"INC-1 cannot go from {status.value} to {to.value}; from"
        ):
            lifecycle.move(rows, incident, to, reason="why", now=START)
        assert kinds(rows) == []
        assert incidents.get(rows, incident.id) == incident


def test_a_move_tells_why_who_and_what_to_do_next(rows: Rows) -> None:
    moved = lifecycle.move(
        rows,
        opened(rows),
        Status.ESCALATED,
        reason="three attempts failed",
        now=START + timedelta(minutes=1),
        actor="cli:alice",
        next_steps=["look at the log"],
        attempts=3,
    )
    assert (moved.reason, moved.next_steps) == ("three attempts failed", ("look at the log",))
    (event,) = timeline(rows)
    assert (event.kind, event.says, event.actor) == ("escalated", "three attempts failed", "cli:alice")
    assert (event.incident, event.target, event.at) == ("INC-1", "api", moved.changed_at)
    assert event.data == {"was": "open", "next_steps": ["look at the log"], "attempts": 3}


def test_staying_where_somebody_else_has_moved_it_from_is_no_permission(rows: Rows) -> None:
    seen = opened(rows)
    lifecycle.move(rows, seen, Status.RESOLVED, reason="closed by hand", now=START)
    with pytest.raises(StaleError):
        lifecycle.move(rows, seen, Status.OPEN, reason="still open", now=START)


class Movers(RuleBasedStateMachine):
    """Several who each hold what they saw of one incident at some time, and move it."""

    rows: Connection
    seen = Bundle("seen")

    def __init__(self) -> None:
        super().__init__()
        self.rows.run("SAVEPOINT example")
        self.moves: list[str] = []

    def teardown(self) -> None:
        self.rows.run("ROLLBACK TO SAVEPOINT example")

    @initialize(target=seen)
    def open(self) -> Incident:
        return opened(self.rows)

    @rule(target=seen)
    def look(self) -> Incident:
        return self._now()

    @rule(target=seen, incident=seen, to=st.sampled_from(STATUSES))
    def move(self, incident: Incident, to: Status) -> Incident:
        before = self._now()
        current = before.status is incident.status
        legal = to is incident.status or to in MOVES[incident.status]
        try:
            moved = lifecycle.move(self.rows, incident, to, reason="why", now=START)
        except lifecycle.IllegalMoveError:
            assert not legal
        except StaleError:
            assert legal
            assert not current
        else:
            assert legal
            assert current
            assert moved == self._now()
            if to is not incident.status:
                self.moves.append(to.value)
            return moved
        assert self._now() == before
        return before

    @invariant()
    def every_move_left_exactly_one_event(self) -> None:
        assert kinds(self.rows) == self.moves

    @invariant()
    def only_what_is_resolved_has_an_end(self) -> None:
        if found := incidents.get(self.rows, "INC-1"):
            assert (found.resolved_at is not None) is found.closed

    @invariant()
    def the_timeline_is_unbroken(self) -> None:
        assert events.broken_link(self.rows) is None

    def _now(self) -> Incident:
        found = incidents.get(self.rows, "INC-1")
        assert found is not None
        return found


def test_no_sequence_of_moves_breaks_the_rules(rows: Connection) -> None:
    run_state_machine_as_test(
        type("OnThis", (Movers,), {"rows": rows}),
        settings=settings(max_examples=examples(60), stateful_step_count=30, suppress_health_check=list(HealthCheck)),
    )
