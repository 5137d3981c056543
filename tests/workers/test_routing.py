"""Routing over rows: who gets what, when, once; nothing is told that people have not to know."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.engine import escalation
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Policy, Route, Rung, Schedule
from devops_agent.model.incident import Status
from devops_agent.model.notice import Stage
from devops_agent.store import events
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.engine.taking_in import one_transaction
from tests.workers.mailroom import LADDER, Mailroom, channels, notify, people

TO_ALICE = (Route(tell=("alice",)),)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Connection]:
    with one_transaction(tmp_path) as rows:
        yield rows


@pytest.fixture
def room(rows: Rows) -> Mailroom:
    """A mailroom without routes: everybody gets everything."""
    return Mailroom(rows, notify(channels=channels("slack", "alice-sms"), people=people("alice")))


def test_without_routes_every_channel_gets_it(room: Mailroom) -> None:
    room.escalate(room.open())
    assert room.turn() == ["slack: escalated INC-1", "alice-sms: escalated INC-1"]


def test_a_later_word_changes_the_message_where_that_can_be_and_is_kept_from_the_others(room: Mailroom) -> None:
    incident = room.open()
    room.escalate(incident)
    room.turn()
    room.say(incident, "acted")
    assert room.turn(1) == ["slack: (changed) acted INC-1"]
    assert room.dropped() == ["no message of its own: nothing here needs a person"]


def test_the_end_is_told_to_everybody_who_was_told_of_the_trouble(room: Mailroom) -> None:
    incident = room.open()
    room.escalate(incident)
    room.turn()
    room.heal(incident, told=False)
    assert room.turn(1) == ["slack: (changed) resolved INC-1", "alice-sms: resolved INC-1"]
    assert room.turn(1) == []


def test_the_end_is_told_once_although_a_plan_tells_it_too(room: Mailroom) -> None:
    incident = room.open()
    room.escalate(incident)
    room.turn()
    room.heal(incident)
    assert room.turn(1) == ["slack: (changed) healed INC-1", "alice-sms: healed INC-1"]
    assert room.turn(1) == []


def test_what_was_healed_alone_is_one_message(room: Mailroom) -> None:
    room.heal(room.open())
    assert room.turn() == ["slack: healed INC-1", "alice-sms: healed INC-1"]
    assert room.turn(1) == []


def test_what_was_over_before_anybody_was_told_is_told_to_nobody(room: Mailroom) -> None:
    incident = room.open()
    room.escalate(incident)
    room.heal(incident, told=False)
    assert room.turn() == []
    assert set(room.dropped()) == {"it was over before anybody was told"}


def test_two_names_that_lead_to_one_channel_are_told_once(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("alice-sms", "alice")),)))
    room.escalate(room.open())
    assert room.turn() == ["alice-sms: escalated INC-1"]


def test_news_of_one_cause_is_one_message_that_names_it(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=TO_ALICE, group_window=timedelta(seconds=2)))
    cause = room.open("db")
    effect = room.open("api", parent=cause.id)
    room.escalate(cause)
    assert room.turn() == []
    room.escalate(effect)
    assert room.turn(seconds=2) == ["alice-sms: group GRP-1"]
    assert room.got[0].notice.message["title"] == "2 incidents with one cause: db"


def test_an_effect_of_a_known_cause_is_kept_back_unless_it_needs_a_person(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=TO_ALICE))
    cause = room.open("db")
    room.escalate(cause)
    room.turn()
    effect = room.open("api", parent=cause.id)
    room.say(effect, "acted")
    assert room.turn(1) == []
    assert room.dropped() == ["an effect of INC-1, which was told"]
    room.ask(effect)
    assert room.turn(1) == ["alice-sms: approval INC-2"]


def test_many_at_once_are_a_storm_of_which_one_message_tells(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("slack", "alice")),)))
    several = [room.open(f"t{number}") for number in range(20)]
    for incident in several:
        room.escalate(incident)
    assert room.turn() == ["slack: storm GRP-1", "alice-sms: storm GRP-2"]
    for incident in several:
        room.heal(incident)
    assert room.pass_time(1) == ["slack: (changed) storm GRP-1", "alice-sms: storm GRP-2"]
    assert room.got[-1].notice.message["title"] == "over: all 20 incidents"


def test_quiet_hours_leave_one_digest_for_the_morning(rows: Rows) -> None:
    asleep = people("alice", quiet="00:00-07:00")
    room = Mailroom(rows, notify(people=asleep, routes=TO_ALICE, digest_at="08:00"))
    room.now = room.now.replace(hour=1)
    for number in range(3):
        room.escalate(room.open(f"t{number}", severity=Severity.WARNING))
    assert room.turn() == []
    assert room.pass_time(5 * 60 + 59) == []
    assert room.pass_time(61) == ["alice-sms: digest GRP-1"]
    assert len(room.got[0].notice.message["lines"]) == 3


def test_what_is_critical_breaks_quiet_hours(rows: Rows) -> None:
    room = Mailroom(rows, notify(people=people("alice", quiet="00:00-24:00"), routes=TO_ALICE))
    room.escalate(room.open())
    assert room.turn() == ["alice-sms: escalated INC-1"]


def test_nobody_is_woken_because_something_critical_was_healed_alone(rows: Rows) -> None:
    room = Mailroom(rows, notify(people=people("alice", quiet="00:00-24:00"), routes=TO_ALICE))
    room.heal(room.open())
    assert room.turn() == []


def test_above_the_limit_of_an_hour_the_rest_is_one_message(rows: Rows) -> None:
    given = notify(people=people("alice", per_hour=2), routes=TO_ALICE, remind_every=timedelta(days=1))
    room = Mailroom(rows, given)
    for number in range(6):
        room.escalate(room.open(f"t{number}", severity=Severity.WARNING))
        room.turn(6)
    assert [str(one) for one in room.got] == ["escalated INC-1", "escalated INC-2"]
    room.pass_time(30)
    assert [one.kind for one in room.got] == ["escalated", "escalated", "digest"]
    assert room.got[-1].notice.message["title"] == "4 more"


def test_what_needs_a_person_is_told_again_until_one_takes_it(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=TO_ALICE))
    incident = room.open()
    room.escalate(incident)
    room.turn()
    assert room.pass_time(65) == ["alice-sms: reminder INC-1"] * 2
    room.acknowledge(incident)
    assert room.pass_time(600) == []


def test_the_next_rung_is_told_when_nobody_acknowledges(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(policy="ladder"),), policies=(LADDER,)))
    incident = room.open()
    room.escalate(incident)
    assert room.turn() == ["alice-sms: escalated INC-1"]
    assert room.pass_time(5) == ["bob-sms: climbed INC-1"]
    assert room.pass_time(10) == []
    assert room.climb_of(incident) == "exhausted"
    assert room.pass_time(15) == ["alice-sms: reminder INC-1", "bob-sms: reminder INC-1"]


def test_acknowledging_stops_the_climb_and_only_the_end_is_told(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(policy="ladder"),), policies=(LADDER,)))
    incident = room.open()
    room.escalate(incident)
    room.turn()
    room.acknowledge(incident)
    assert room.pass_time(600) == []
    room.heal(incident, told=False)
    assert room.turn(1) == ["alice-sms: resolved INC-1"]


def test_acknowledged_before_anybody_was_told_it_calls_nobody(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=TO_ALICE, group_window=timedelta(seconds=2)))
    incident = room.open()
    room.escalate(incident)
    room.acknowledge(incident)
    assert room.pass_time(120) == []
    assert room.dropped() == ["alice has it already"]


def test_an_answer_stops_the_climb(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(policy="ladder"),), policies=(LADDER,)))
    incident = room.open()
    question = room.ask(incident)
    room.turn()
    room.answer(question)
    assert room.pass_time(600) == []
    assert room.climb_of(incident) == "over"


def test_an_approval_that_expires_goes_on_climbing_the_same_ladder(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(policy="ladder"),), policies=(LADDER,)))
    incident = room.open()
    room.ask(incident, minutes=5)
    room.turn()
    room.escalate(incident)
    assert room.turn(1) == ["alice-sms: escalated INC-1"]
    assert room.pass_time(4) == ["bob-sms: climbed INC-1"]


def test_a_ladder_is_begun_again_as_often_as_the_policy_says(rows: Rows) -> None:
    again = LADDER.with_(repeat=1)
    room = Mailroom(rows, notify(routes=(Route(policy="ladder"),), policies=(again,), remind_every=timedelta(days=1)))
    room.escalate(room.open())
    room.turn()
    assert room.pass_time(300) == ["bob-sms: climbed INC-1", "alice-sms: climbed INC-1", "bob-sms: climbed INC-1"]


def test_who_gets_it_handed_over_is_told_and_the_ladder_goes_on_when_they_are_silent(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(policy="ladder"),), policies=(LADDER,)))
    incident = room.open()
    room.escalate(incident)
    room.turn()
    escalation.hand_over(rows, incident.id, to="carol", by="alice", notify=room.notify, now=room.now)
    assert room.turn(seconds=1) == ["carol-sms: handed_over INC-1"]
    assert room.pass_time(29) == []
    assert room.pass_time(1) == ["bob-sms: climbed INC-1", "carol-sms: reminder INC-1"]


def test_what_was_muted_is_told_once_when_the_mute_ends(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=TO_ALICE))
    incident = room.open()
    escalation.mute(
        rows, incident=incident.id, by="bob", until=room.now + timedelta(hours=2), notify=room.notify, now=room.now
    )
    room.escalate(incident)
    assert room.pass_time(119) == []
    assert room.dropped()[0].startswith("muted until ")
    assert room.pass_time(2) == ["alice-sms: unmuted INC-1"]


def test_a_mute_for_one_person_leaves_the_others_called(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("alice", "bob")),)))
    incident = room.open()
    escalation.mute(
        rows, target="api", kind="down", person="alice", by="alice", until=room.now + timedelta(hours=2),
        notify=room.notify, now=room.now,
    )  # fmt: skip
    room.escalate(incident)
    assert room.turn() == ["bob-sms: escalated INC-1"]


def test_a_mute_that_ends_when_all_is_well_says_nothing(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=TO_ALICE))
    incident = room.open()
    escalation.mute(
        rows, incident=incident.id, by="bob", until=room.now + timedelta(hours=2), notify=room.notify, now=room.now
    )
    room.escalate(incident)
    room.turn()
    room.heal(incident, told=False)
    assert room.pass_time(600) == []


def test_pam_gets_nothing_while_its_flag_is_off(rows: Rows) -> None:
    given = notify(channels=(channels("slack")[0].with_(name="pam", via="pam"),), people=())
    room = Mailroom(rows, given)
    room.escalate(room.open())
    assert room.turn() == []
    assert room.dropped() == ["not told: PAM_INTEGRATION_ENABLED is off"]


def test_a_route_without_anybody_to_tell_keeps_the_reason_out_of_nobodys_way(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(severity=("critical",), tell=("alice",)),)))
    room.escalate(room.open(severity=Severity.WARNING))
    assert room.turn() == []
    assert room.pass_time(100) == []


def test_an_escalation_that_is_taken_up_again_waits_for_nobody(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=TO_ALICE))
    incident = room.open()
    room.escalate(incident)
    room.turn()
    room.move(incident, Status.INVESTIGATING)
    assert room.pass_time(100) == []
    assert room.climb_of(incident) == "over"


def test_a_story_of_several_incidents_is_delivered_as_lines_of_one(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=TO_ALICE))
    for number in range(4):
        room.escalate(room.open(f"t{number}"))
    room.turn()
    stages = [one.stage for one in room.every_delivery()]
    assert stages == [Stage.GATHERED] * 4 + [Stage.SENT]


def test_a_policy_that_is_gone_leaves_those_told_reminded(rows: Rows) -> None:
    settings = notify(routes=(Route(tell=("alice",), policy="ladder"),), policies=(LADDER,))
    room = Mailroom(rows, settings)
    room.escalate(room.open())
    room.turn()
    room.settings = room.settings.with_(notify=settings.with_(policies=(), routes=TO_ALICE))
    assert room.pass_time(31) == ["alice-sms: reminder INC-1"]


def test_without_channels_nothing_waits(rows: Rows) -> None:
    room = Mailroom(rows, notify(channels=(), people=()))
    room.escalate(room.open())
    assert room.turn() == []
    assert room.pass_time(1_000) == []


def test_rungs_of_long_ladders_each_have_their_time(rows: Rows) -> None:
    steps = tuple(Rung(tell=(name,), wait=timedelta(minutes=1)) for name in ("alice", "bob", "carol"))
    policy = Policy(name="ladder", rungs=steps)
    room = Mailroom(rows, notify(routes=(Route(policy="ladder"),), policies=(policy,)))
    room.escalate(room.open())
    room.turn()
    assert room.turn(60) == ["alice-sms: reminder INC-1", "bob-sms: climbed INC-1"]
    assert room.turn(1) == ["carol-sms: climbed INC-1"]


def test_a_schedule_leads_to_who_is_on_call_when_it_is_told(rows: Rows) -> None:
    begins = "2026-01-05 00:00"
    week = Schedule(name="on-call", people=("alice", "bob"), begins=begins, each=timedelta(hours=24))
    room = Mailroom(rows, notify(schedules=(week,), routes=(Route(tell=("on-call",)),)))
    room.now = room.now.replace(day=5, hour=23, minute=50)
    room.escalate(room.open())
    assert room.turn() == ["alice-sms: escalated INC-1"]
    assert room.pass_time(31) == ["bob-sms: reminder INC-1"]


def test_a_calendar_that_cannot_be_used_is_told_once_a_day(rows: Rows, tmp_path: Path) -> None:
    file = str(tmp_path / "none.ics")
    broken = Schedule(name="on-call", people=("alice",), calendar_file=file)
    room = Mailroom(rows, notify(schedules=(broken,), routes=(Route(tell=("on-call",)),)))
    assert room.turn() == ["alice-sms: calendar "]
    assert room.turn(60) == []
    assert room.got[0].notice.message["title"] == "the calendar of on-call cannot be used"
    room.turn(24 * 60)
    assert [one.kind for one in room.got] == ["calendar", "calendar"]


def test_the_end_of_a_ladder_is_in_the_timeline(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(policy="ladder"),), policies=(LADDER,)))
    incident = room.open()
    room.escalate(incident)
    room.turn()
    room.pass_time(15)
    assert events.last_said(rows, incident.id, "climbed") == (
        "nobody has acknowledged, so bob is told (rung 2 of ladder)"
    )
    assert events.last_said(rows, incident.id, "unanswered").startswith(
        "the end of ladder is reached: alice, bob were told and nobody has acknowledged; the safe choice stands"
    )


def test_names_in_a_notice_go_before_all_routes(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=TO_ALICE))
    room.say("", "report", severity=Severity.INFO, tell=["bob"])
    assert room.turn() == ["bob-sms: report "]
