"""Who is called, over the API: duty, taking, handing over, muting."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Notify, Person, Schedule
from devops_agent.store import events, incidents, runs
from tests.web.serving import SETTINGS, Running

if TYPE_CHECKING:
    from pathlib import Path

NOTIFY = Notify(
    channels=(Channel(name="ops", via="webhook"),),
    people=(Person(name="alice", channels=("ops",)), Person(name="bob", channels=("ops",))),
    schedules=(Schedule(name="on-call", people=("alice", "bob")),),
)


@pytest.fixture
async def called(web: Running) -> Running:
    """A service is down, and there are people."""
    web.settings.append(SETTINGS.with_(notify=NOTIFY))
    now = web.clock.now()
    await web.store.write(
        lambda rows: incidents.open_(
            rows, target="checkout", cause_group="service", kind="down", severity=Severity.CRITICAL, title="down",
            now=now,
        )
    )  # fmt: skip
    return web


async def test_who_takes_an_incident_is_told_in_its_timeline(called: Running) -> None:
    answer = await called.post("/api/v1/incidents/INC-1/acknowledge", {"comment": "on it"})
    assert (answer.status, answer.json()["state"], answer.json()["by"]) == (200, "acknowledged", "api:operate")
    said = await called.store.read(lambda rows: events.last_said(rows, "INC-1", "acknowledged"))
    assert said == "api:operate has taken it: on it"


async def test_handing_over_names_a_known_person(called: Running) -> None:
    answer = await called.post("/api/v1/incidents/INC-1/handover", {"to": "eve"})
    assert (answer.status, answer.json()["detail"]) == (
        404,
        "no person 'eve'; known: alice, bob (agent.yaml: notify.people)",
    )
    answer = await called.post("/api/v1/incidents/INC-1/handover", {"to": "bob"})
    assert (answer.status, answer.json()["handed_to"]) == (200, "bob")
    [waiting] = (await called.get("/api/v1/escalations")).json()["items"]
    assert (waiting["incident"], waiting["state"]) == ("INC-1", "handed")
    assert await called.store.read(lambda rows: runs.next_due(rows, "notify"))


async def test_everything_that_waits_can_be_taken_at_once(called: Running) -> None:
    await called.post("/api/v1/incidents/INC-1/handover", {"to": "bob"})
    answer = await called.post("/api/v1/escalations/acknowledge", {})
    assert [one["state"] for one in answer.json()["items"]] == ["acknowledged"]
    assert (await called.get("/api/v1/escalations")).json()["items"] == []
    assert len((await called.get("/api/v1/escalations?waiting=false")).json()["items"]) == 1


async def test_a_mute_is_listed_and_ended(called: Running) -> None:
    answer = await called.post("/api/v1/incidents/INC-1/mute", {"hours": 2, "comment": "known"})
    assert (answer.status, answer.json()["id"]) == (201, "MUT-1")
    answer = await called.post("/api/v1/mutes", {"target": "db", "kind": "disk_filling", "hours": 1, "person": "bob"})
    assert (answer.status, answer.json()["person"]) == (201, "bob")
    assert [one["id"] for one in (await called.get("/api/v1/mutes")).json()["items"]] == ["MUT-2", "MUT-1"]
    assert (await called.ask("DELETE", "/api/v1/mutes/MUT-1", scope="operate")).status == 204
    assert (await called.ask("DELETE", "/api/v1/mutes/MUT-1", scope="operate")).status == 404
    assert [one["id"] for one in (await called.get("/api/v1/mutes")).json()["items"]] == ["MUT-2"]


async def test_who_is_on_call_is_told_for_two_weeks(called: Running, tmp_path: Path) -> None:
    [duty] = (await called.get("/api/v1/oncall")).json()["items"]
    assert duty["schedule"] == "on-call"
    assert duty["person"] == duty["turns"][0]["person"]
    assert {turn["person"] for turn in duty["turns"]} == {"alice", "bob"}
    missing = str(tmp_path / "none.ics")
    broken = NOTIFY.with_(schedules=(NOTIFY.schedules[0].with_(calendar_file=missing),))
    called.settings.append(SETTINGS.with_(notify=broken))
    [duty] = (await called.get("/api/v1/oncall")).json()["items"]
    assert duty["trouble"] == f"cannot read {missing}: No such file or directory"
    assert duty["person"] in ("alice", "bob")


async def test_a_calendar_is_read_once_however_often_somebody_asks(called: Running, tmp_path: Path) -> None:
    file = tmp_path / "duty.ics"
    begins = called.clock.now() - timedelta(hours=1)

    def write(person: str) -> None:
        """Write another file that looks like the same."""
        file.write_bytes(
            "\r\n".join(
                (
                    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1",
                    f"DTSTART:{begins:%Y%m%dT%H%M%SZ}\r\nDURATION:PT8H\r\nSUMMARY:{person:<9}",
                    "END:VEVENT\r\nEND:VCALENDAR\r\n",
                )
            ).encode()
        )
        os.utime(file, (0, 0))

    with_file = NOTIFY.with_(schedules=(NOTIFY.schedules[0].with_(calendar_file=str(file)),))
    called.settings.append(SETTINGS.with_(notify=with_file))
    for person in ("alice", "bob"):
        write(person)
        [duty] = (await called.get("/api/v1/oncall")).json()["items"]
        assert (duty["person"], duty["trouble"]) == ("alice", "")
    called.settings.append(SETTINGS.with_(notify=with_file.with_(time_zone="Europe/Berlin")))
    assert (await called.get("/api/v1/oncall")).json()["items"][0]["person"] == "bob"


async def test_what_is_over_is_taken_by_nobody(called: Running) -> None:
    await called.post("/api/v1/incidents/INC-1/resolve", {"comment": "mended"})
    for order, body in (("acknowledge", {}), ("handover", {"to": "bob"}), ("mute", {"hours": 1})):
        assert (await called.post(f"/api/v1/incidents/INC-1/{order}", body)).status == 409
        assert (await called.post(f"/api/v1/incidents/INC-9/{order}", body)).status == 404


@pytest.mark.parametrize("scope", ["", "read", "alerts"])
async def test_only_operators_say_who_is_called(called: Running, scope: str) -> None:
    refused = 403 if scope else 401
    for path in ("incidents/INC-1/acknowledge", "incidents/INC-1/handover", "incidents/INC-1/mute", "mutes"):
        body = {"to": "bob"} if path.endswith("handover") else {"hours": 1, "target": "db"}
        assert (await called.post(f"/api/v1/{path}", body, scope=scope)).status == refused
    assert (await called.ask("DELETE", "/api/v1/mutes/MUT-1", scope=scope)).status == refused


async def test_a_mute_ends_by_itself(called: Running) -> None:
    await called.post("/api/v1/incidents/INC-1/mute", {"hours": 1})
    called.clock.ahead = timedelta(hours=1, seconds=1)
    assert (await called.get("/api/v1/mutes")).json()["items"] == []
