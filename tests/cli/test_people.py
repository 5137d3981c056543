from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from devops_agent.model.alert import Severity
from devops_agent.model.escalation import Escalation
from devops_agent.model.notice import Delivery, Notice, Receipt, Stage
from devops_agent.store import deliveries, escalations, events, outbox
from tests.cli.calling import Caller

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows

NOTIFY = """\
notify:
  channels: [{name: desk, via: webhook, options: {url: "http://127.0.0.1:1/hook"}}]
  people: [{name: ada, channels: desk}, {name: bob, channels: desk}]
  schedules: [{name: ops, people: [ada, bob], begins: "2024-01-01 09:00", each: 7d}]
"""


@pytest.fixture
def crew(site: Caller) -> Caller:
    """A site with a channel, two people and a schedule; INC-3 waits for a person."""
    site.config.write_text(site.config.read_text() + NOTIFY)
    now = datetime.now(UTC)
    waiting = Escalation(incident="INC-3", notice=1, severity=Severity.CRITICAL, remind_at=now, began_at=now)
    site.rows(lambda rows: escalations.add(rows, waiting))
    return site


def test_who_takes_an_incident_is_kept_and_nobody_waits_for_it_any_more(crew: Caller) -> None:
    assert "INC-3" in crew.says("oncall")
    assert "you have INC-3" in crew.says("ack", "3", "--comment", "on it")
    assert crew.document("oncall")["waiting"] == []
    (kept,) = crew.rows(lambda rows: events.search(rows, events.Sought(kind="acknowledged")))
    assert kept.actor.startswith("cli:")
    assert "on it" in kept.says


def test_everything_is_taken_at_once(crew: Caller) -> None:
    assert [one["incident"] for one in crew.document("ack", "--all")] == ["INC-3"]
    assert "nothing waits" in crew.says("ack", "--all")
    assert "say which" in crew.refuses("ack", code=2)
    assert "say which" in crew.refuses("ack", "INC-3", "--all", code=2)


def test_an_incident_that_is_over_or_unknown_cannot_be_taken(crew: Caller) -> None:
    assert "is resolved" in crew.refuses("ack", "INC-1", code=1)
    assert "no incident 'INC-99'" in crew.refuses("ack", "INC-99", code=3)


def test_an_incident_is_handed_over_to_a_person_who_is_known(crew: Caller) -> None:
    assert "INC-3 is bob's now" in crew.says("handover", "INC-3", "bob")
    assert crew.document("oncall")["waiting"][0]["handed_to"] == "bob"
    assert "known: ada, bob" in crew.refuses("handover", "INC-3", "eve", code=3)


def test_an_incident_or_a_targets_trouble_is_muted_for_a_while(crew: Caller) -> None:
    assert "INC-3 is muted for all until" in crew.says("mute", "INC-3", "--for", "2h")
    made = crew.document("mute", "checkout", "--kind", "disk_filling", "--for", "1d", "--person", "bob")
    assert (made["target"], made["kind"], made["person"]) == ("checkout", "disk_filling", "bob")
    assert "disk_filling on checkout" in crew.says("mutes")
    assert "ended MUT-2" in crew.says("unmute", "2")
    assert [one["id"] for one in crew.document("mutes")] == ["MUT-1"]


def test_a_mute_of_nothing_that_there_is_says_so(crew: Caller) -> None:
    assert "did you mean 'checkout'" in crew.refuses("mute", "chekout", "--for", "2h", code=3)
    assert "--kind goes with a target" in crew.refuses("mute", "INC-3", "--kind", "down", "--for", "2h", code=2)
    assert "no mute 'MUT-9'" in crew.refuses("unmute", "9", code=3)


def test_who_is_on_call_now_and_next_is_told(crew: Caller) -> None:
    plan = crew.document("oncall", "--ahead", "14d")["schedules"]["ops"]
    assert [one["person"] for one in plan][:3] in (["ada", "bob", "ada"], ["bob", "ada", "bob"])
    shown = crew.says("oncall")
    assert "now" in shown
    assert "rotation" in shown


def test_without_schedules_it_is_said_where_to_write_them(site: Caller) -> None:
    assert "notify.schedules" in site.says("oncall")


def test_what_people_were_told_is_listed_with_what_became_of_it(crew: Caller) -> None:
    now = datetime.now(UTC)

    def tell(rows: Rows) -> None:
        for number, incident in enumerate(("INC-1", "INC-3"), start=1):
            notice = Notice(
                key=f"k{number}", incident=incident, kind="escalated", severity=Severity.CRITICAL,
                message={"title": f"{incident} needs you"}, created_at=now,
            )  # fmt: skip
            outbox.put(rows, notice)
            id_ = outbox.of_incident(rows, incident)[0].id
            ways = [
                Delivery(notice=id_, channel=channel, not_before=now, created_at=now) for channel in ("desk", "phone")
            ]
            deliveries.plan(rows, ways)
            outbox.mark_routed(rows, [id_], now=now)
        (first, *_) = deliveries.begin(rows, deliveries.due(rows, "desk", now=now, limit=10))
        deliveries.end(rows, first, now=now, receipt=Receipt(id="7"))
        (lost, *_) = deliveries.begin(rows, deliveries.due(rows, "phone", now=now, limit=10))
        deliveries.end(rows, lost, now=now, says="the number is no number")

    crew.rows(tell)
    told = crew.document("notices")
    assert [one["incident"] for one in told] == ["INC-3", "INC-1"]
    assert {one["stage"] for one in told[1]["deliveries"]} == {Stage.SENT, Stage.FAILED}
    shown = crew.says("notices", "--incident", "1")
    assert "INC-1 needs you" in shown
    assert "the number is no number" in shown
    assert "INC-3" not in shown
    assert [one["incident"] for one in crew.document("notices", "--stage", "failed")] == ["INC-1"]
    assert "no notice about INC-4" in crew.says("notices", "--incident", "INC-4")


def test_a_channel_is_tried_and_what_came_of_it_is_said(crew: Caller) -> None:
    (tried,) = crew.document("notify", "test", "desk", code=1)
    assert tried["channel"] == "desk"
    assert tried["result"] == "failed"
    assert "refused" in tried["says"]
    assert "known: desk" in crew.refuses("notify", "test", "slack", code=3)
    assert "say which" in crew.refuses("notify", "test", code=2)


def test_a_channel_that_takes_the_message_is_told_and_the_message_asks_for_nothing(crew: Caller) -> None:
    taken: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — its name in the standard library
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        crew.config.write_text(crew.config.read_text().replace("127.0.0.1:1/", f"127.0.0.1:{server.server_port}/"))
        (tried,) = crew.document("notify", "test", "--all")
        server.shutdown()
        thread.join()
    assert (tried["channel"], tried["result"]) == ("desk", "sent")
    (message,) = taken
    assert b"nothing is asked of you" in message


def test_roughly_is_the_largest_unit() -> None:
    from devops_agent.cli import say

    now = datetime.now(UTC)
    assert say.roughly(now - timedelta(minutes=41, seconds=10), now=now) == "41 min ago"
    assert say.roughly(now + timedelta(days=2, hours=3), now=now) == "in 2 d"
