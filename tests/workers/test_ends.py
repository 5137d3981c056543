"""What is over stays over: no end waits for ever to be told, no late word opens a story again, no digest is a grave."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.engine import escalation
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Route
from devops_agent.store import gatherings
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.engine.taking_in import one_transaction
from tests.workers.mailroom import Mailroom, notify

LEFT_OUT = "nobody looks again at an end that is told to nobody"


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Connection]:
    with one_transaction(tmp_path) as rows:
        yield rows


def test_an_end_that_is_told_to_nobody_because_of_a_mute_is_settled(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("alice",)),)))
    incident = room.open()
    room.escalate(incident)
    room.turn()
    until = room.now + timedelta(hours=2)
    escalation.mute(rows, incident=incident.id, by="bob", until=until, notify=room.notify, now=room.now)
    room.heal(incident, told=False)
    assert room.turn(1) == []
    assert gatherings.over_untold(rows) == [], LEFT_OUT


def test_an_end_for_a_channel_that_is_gone_is_settled(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("alice", "bob")),)))
    incident = room.open()
    room.escalate(incident)
    room.turn()
    left = tuple(one for one in room.notify.channels if one.name != "bob-sms")
    room.settings = room.settings.with_(notify=room.notify.with_(channels=left))
    room.heal(incident, told=False)
    assert room.turn(1) == ["alice-sms: resolved INC-1"]
    assert gatherings.over_untold(rows) == [], LEFT_OUT


def test_what_is_found_out_after_the_end_does_not_change_the_message_that_tells_the_end(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("slack",)),)))
    incident = room.open()
    room.escalate(incident)
    room.turn()
    room.heal(incident)
    assert room.turn(1) == ["slack: (changed) healed INC-1"]
    room.say(incident, "found")
    assert room.turn(1) == []
    assert gatherings.over_untold(rows) == [], LEFT_OUT


def test_a_digest_whose_channel_was_off_in_the_morning_keeps_no_later_ones_from_being_told(rows: Rows) -> None:
    given = notify(
        channels=(Channel(name="pam", via="pam"),),
        people=(),
        routes=(Route(tell=("pam",), digest=True),),
    )
    room = Mailroom(rows, given)
    room.settings = room.settings.with_(flags=room.settings.flags.with_(PAM_INTEGRATION_ENABLED=True))
    room.say(room.open("old", severity=Severity.WARNING), "found")
    room.turn()
    room.settings = room.settings.with_(flags=room.settings.flags.with_(PAM_INTEGRATION_ENABLED=False))
    assert room.pass_time(24 * 60) == []
    room.settings = room.settings.with_(flags=room.settings.flags.with_(PAM_INTEGRATION_ENABLED=True))
    room.say(room.open("new", severity=Severity.WARNING), "found")
    assert [text.split(" ")[1] for text in room.pass_time(24 * 60)] == ["digest"]
