"""Noise hides nothing: what is worse than all that was told calls people, whatever message it is a line of."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.model.alert import Severity
from devops_agent.model.contact import Route
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.engine.taking_in import one_transaction
from tests.workers.mailroom import Mailroom, notify, people

TO = ("slack", "alice")
NAMES = {"slack": "slack", "alice": "alice-sms"}


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Connection]:
    with one_transaction(tmp_path) as rows:
        yield rows


def storm(room: Mailroom, severity: Severity) -> None:
    for number in range(4):
        room.escalate(room.open(f"noise-{number}", severity=severity))
    room.turn()


@pytest.mark.parametrize("to", TO)
@pytest.mark.parametrize("noise", [Severity.INFO, Severity.WARNING])
def test_what_is_critical_calls_people_although_a_lesser_storm_was_told(rows: Rows, to: str, noise: Severity) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=(to,)),)))
    storm(room, noise)
    room.escalate(room.open("payments"))
    assert room.turn(3) == [f"{NAMES[to]}: storm GRP-1"]
    assert room.got[-1].notice.severity is Severity.CRITICAL
    assert "INC-5" in room.got[-1].notice.message["lines"][0]


@pytest.mark.parametrize("to", TO)
def test_what_is_critical_calls_people_although_lesser_effects_of_its_cause_were_told(rows: Rows, to: str) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=(to,)),)))
    cause = room.open("db", severity=Severity.WARNING)
    room.escalate(cause)
    room.escalate(room.open("api", severity=Severity.WARNING, parent=cause.id))
    room.turn()
    room.escalate(room.open("payments", parent=cause.id))
    assert room.turn(3) == [f"{NAMES[to]}: group GRP-1"]


def test_something_critical_that_is_over_hides_nothing_of_that_kind_that_comes_later(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("alice",)),)))
    first = room.open("cache")
    room.escalate(first)
    storm(room, Severity.WARNING)
    room.heal(first, told=False)
    room.pass_time(31)  # told again, by now without it
    room.got.clear()
    room.escalate(room.open("payments"))
    assert room.turn(1) == ["alice-sms: storm GRP-1"]


@pytest.mark.parametrize("to", TO)
def test_a_message_of_several_calls_people_again_while_one_is_needed(rows: Rows, to: str) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=(to,)),)))
    storm(room, Severity.CRITICAL)
    room.pass_time(95)
    assert [one.kind for one in room.messages(NAMES[to])] == ["storm"] * 4
    assert [one.notice.message.get("calls") for one in room.messages(NAMES[to])] == [True] * 4


def test_a_change_in_place_calls_nobody_when_nothing_is_worse(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("slack",)),)))
    storm(room, Severity.CRITICAL)
    room.escalate(room.open("payments"))
    assert room.turn(3) == ["slack: (changed) storm GRP-1"]
    assert "calls" not in room.got[-1].notice.message


def test_what_is_critical_passes_the_limit_of_an_hour_also_in_a_message_of_several(rows: Rows) -> None:
    given = notify(
        people=people("alice", per_hour=1), routes=(Route(tell=("alice",)),), remind_every=timedelta(hours=9)
    )
    room = Mailroom(rows, given)
    storm(room, Severity.WARNING)
    room.escalate(room.open("payments"))
    assert room.turn(3) == ["alice-sms: storm GRP-1"]


def test_what_waits_for_room_is_told_before_what_comes_later_takes_it(rows: Rows) -> None:
    given = notify(people=people("alice", per_hour=2), routes=(Route(tell=("alice",)),), remind_every=timedelta(days=1))
    room = Mailroom(rows, given)
    for number in range(3):
        room.escalate(room.open(f"first-{number}", severity=Severity.WARNING))
        room.turn(6)
    for number in range(20):
        room.escalate(room.open(f"noise-{number}", severity=Severity.WARNING))
        room.turn(6)
    told = next(one for one in room.got if one.kind == "digest")
    assert told.at - room.got[0].at == timedelta(hours=1)
    assert any("first-2" in line for line in told.notice.message["lines"])


def test_a_notice_that_cannot_be_decided_on_keeps_no_other_from_being_told(
    rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("alice",)),)))
    room.escalate(room.open())
    room.say("", "report", severity=Severity.INFO, tell=[["alice"]])  # nobody writes such, but a later version may
    assert room.turn() == ["alice-sms: escalated INC-1"]
    assert "notices cannot be decided on" in caplog.text
    [told] = rows.all("SELECT says FROM events WHERE kind = 'undeliverable'")
    assert told["says"].startswith("nobody is told of /report/")
    assert room.turn(1) == []


@pytest.mark.parametrize("to", TO)
def test_what_is_critical_calls_people_although_they_were_told_of_a_storm_that_needs_nobody(
    rows: Rows, to: str
) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=(to,)),)))
    room.say("", "storm", severity=Severity.CRITICAL)
    for number in range(4):
        room.say(room.open(f"noise-{number}"), "acted")
    assert room.turn() == [f"{NAMES[to]}: storm GRP-1"]
    room.escalate(room.open("payments"))
    assert room.turn(3) == [f"{NAMES[to]}: storm GRP-1"]
