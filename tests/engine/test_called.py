"""What people say to being called: taken, handed over, muted; and how long a question waits."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.config.settings import Guard, Settings
from devops_agent.engine import escalation, lifecycle
from devops_agent.engine.commands import NotFoundError, RefusedError
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Notify, Person, Policy, Route, Rung
from devops_agent.model.incident import Incident, Status
from devops_agent.model.routing import Recipient
from devops_agent.store import escalations, events, gatherings, incidents, outbox, runs
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.engine.taking_in import alert, at, deliver, one_transaction

NOTIFY = Notify(
    channels=(Channel(name="room", via="webhook"),),
    people=(Person(name="alice", channels=("room",)), Person(name="bob", channels=("room",))),
)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Connection]:
    with one_transaction(tmp_path) as rows:
        yield rows


def down(rows: Rows, target: str = "api", *, parent: str = "") -> Incident:
    return incidents.open_(
        rows, target=target, cause_group="service", kind="down", severity=Severity.CRITICAL, title="down", now=at(0),
        parent=parent,
    )  # fmt: skip


def woken(rows: Rows) -> bool:
    return runs.next_due(rows, outbox.QUEUE) is not None


def test_taking_an_incident_takes_what_it_explains(rows: Rows) -> None:
    cause = down(rows, "db")
    effect = down(rows, "api", parent=cause.id)
    escalation.hand_over(rows, effect.id, to="bob", by="alice", notify=NOTIFY, now=at(0))
    escalation.acknowledge(rows, cause.id, by="alice", now=at(1))
    assert escalations.every_living(rows) == []
    last = escalations.latest(rows, effect.id)
    assert last
    assert (last.state.value, last.by) == ("acknowledged", "alice")


def test_handing_over_calls_one_person_and_wakes_the_postman(rows: Rows) -> None:
    incident = down(rows)
    escalation.acknowledge(rows, incident.id, by="alice", now=at(0))
    assert not woken(rows)
    handed = escalation.hand_over(rows, incident.id, to="bob", by="alice", comment="lunch", notify=NOTIFY, now=at(1))
    assert (handed.handed_to, handed.climb_at) == ("bob", at(31))
    assert events.last_said(rows, incident.id, "handed_over") == "alice handed it over to bob: lunch"
    [notice] = outbox.unrouted(rows)
    assert notice.message["tell"] == ["bob"]
    assert woken(rows)


def test_nobody_unknown_is_handed_anything(rows: Rows) -> None:
    incident = down(rows)
    with pytest.raises(NotFoundError, match="no person 'eve'; known: alice, bob"):
        escalation.hand_over(rows, incident.id, to="eve", by="alice", notify=NOTIFY, now=at(0))
    with pytest.raises(NotFoundError, match="no incident 'INC-9'"):
        escalation.acknowledge(rows, "INC-9", by="alice", now=at(0))


def test_a_mute_is_about_one_thing_and_ends_in_the_future(rows: Rows) -> None:
    incident = down(rows)
    for about in ({}, {"incident": incident.id, "target": "api"}):
        with pytest.raises(RefusedError, match="name one of them"):
            escalation.mute(rows, **about, by="alice", until=at(9), notify=NOTIFY, now=at(0))
    with pytest.raises(RefusedError, match="in the future"):
        escalation.mute(rows, incident=incident.id, by="alice", until=at(0), notify=NOTIFY, now=at(0))
    with pytest.raises(NotFoundError, match="no person 'eve'"):
        escalation.mute(rows, target="api", person="eve", by="alice", until=at(9), notify=NOTIFY, now=at(0))
    escalation.mute(rows, target="api", kind="down", by="alice", until=at(9), notify=NOTIFY, now=at(0))
    assert woken(rows)
    with pytest.raises(NotFoundError, match="no mute 'MUT-7' holds"):
        escalation.unmute(rows, "MUT-7", by="alice", now=at(1))


def test_what_is_over_calls_nobody_any_more(rows: Rows) -> None:
    incident = down(rows)
    lifecycle.move(rows, incident, Status.RESOLVED, reason="well", now=at(1))
    with pytest.raises(RefusedError, match="INC-1 is resolved"):
        escalation.acknowledge(rows, incident.id, by="alice", now=at(2))


def test_the_end_of_what_people_know_wakes_the_postman(rows: Rows) -> None:
    known, unknown = down(rows, "api"), down(rows, "db")
    to = Recipient(channel="room")
    gatherings.note_told(rows, known.id, to, thread=known.id, troubled=True, rings=True, now=at(0))
    lifecycle.move(rows, unknown, Status.RESOLVED, reason="well", now=at(1))
    assert not woken(rows)
    lifecycle.move(rows, known, Status.RESOLVED, reason="well", now=at(1))
    assert woken(rows)


def test_a_question_waits_until_the_whole_ladder_of_its_policy_was_told(rows: Rows) -> None:
    deliver(rows, alert(team="shop"))
    [incident] = incidents.open_ones(rows)
    steps = (Rung(tell=("alice",), wait=timedelta(hours=1)), Rung(tell=("bob",), wait=timedelta(hours=2)))
    route = Route(kinds=("approval",), labels={"team": "shop"}, policy="slow")
    notify = NOTIFY.with_(policies=(Policy(name="slow", rungs=steps),), routes=(route,))

    def expiry(settings: Settings) -> timedelta:
        return escalation.approval_expiry(rows, incident, settings=settings, now=at(0))

    assert expiry(Settings(notify=notify)) == timedelta(hours=3)
    assert expiry(Settings(notify=notify, guard=Guard(approval_expiry=timedelta(hours=4)))) == timedelta(hours=4)
    elsewhere = notify.with_(routes=(route.with_(labels={"team": "web"}),))
    assert expiry(Settings(notify=elsewhere)) == timedelta(hours=1)
