import fcntl
import os
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta

import click
import pytest

from devops_agent.store import heartbeats
from tests.cli.calling import Caller

INCIDENT_KEYS = {
    "id", "status", "severity", "target", "kind", "title", "opened_at", "changed_at", "resolved_at", "parent",
    "attempts", "reason", "next_steps", "guided", "ordered_json",
}  # fmt: skip


def test_status_tells_roles_targets_incidents_and_what_waits(site: Caller) -> None:
    shown = site.says("status")
    for word in ("agent  alive", "4 well", "INC-4", "INC-3", "1 answer asked of you", "paused: reports"):
        assert word in shown
    status = site.document("status")
    assert set(status) == {
        "roles", "targets", "incidents", "open", "approvals_waiting", "notices_waiting", "flags", "paused", "silences",
    }  # fmt: skip
    assert status["roles"]["agent"]["alive"] is True
    assert status["approvals_waiting"] == 1


def test_status_exits_4_when_the_agent_gives_no_sign_of_life(site: Caller) -> None:
    old = datetime.now(UTC) - timedelta(minutes=5)
    beat = heartbeats.Heartbeat(role="agent", pid=1, version="1", started_at=old, at=old)
    site.rows(lambda rows: heartbeats.beat(rows, beat))
    assert "silent" in site.says("status", code=4)
    assert site.document("status", code=4)["roles"]["agent"]["says"] == "silent"


@pytest.mark.parametrize("words", [["incidents"], ["status"], ["targets"], ["show", "1"], ["audit", "verify"]])
def test_asking_about_a_store_that_is_not_there_makes_none(fresh: Caller, words: list[str]) -> None:
    assert "devops-agent run" in fresh.refuses(*words, code=4)
    assert not fresh.database.parent.exists()


def test_a_store_that_cannot_be_used_is_told_without_traceback(fresh: Caller) -> None:
    fresh.database.parent.mkdir()
    fresh.database.write_bytes(b"this is no database, whatever its name says" * 100)
    assert "cannot use the database" in fresh.refuses("incidents", code=4)


def test_targets_are_listed_with_health_and_whether_they_may_be_acted_on(site: Caller) -> None:
    shown = site.says("targets")
    assert "payments" in shown
    assert "it exited with code 137" in shown
    found = site.document("targets", "--trouble")
    assert {one["target"]["name"] for one in found} == {"payments", "search", "mailer", "ledger"}
    assert set(found[0]) == {"target", "health", "since", "seen_at", "says", "readings", "results", "managed"}


def test_incidents_are_those_that_are_open_unless_all_are_asked_for(site: Caller) -> None:
    assert [one["id"] for one in site.document("incidents")] == ["INC-4", "INC-3", "INC-2"]
    assert [one["id"] for one in site.document("incidents", "--all")] == ["INC-4", "INC-3", "INC-2", "INC-1"]
    assert [one["id"] for one in site.document("incidents", "--status", "escalated")] == ["INC-3"]
    assert [one["id"] for one in site.document("incidents", "--all", "--target", "checkout")] == ["INC-1"]
    assert site.document("incidents", "--target", "nobody") == []
    assert set(site.document("incidents")[0]) == INCIDENT_KEYS
    assert "INC-1" not in site.says("incidents")
    assert "no such incident" in site.says("incidents", "--target", "nobody")


def test_incidents_are_found_by_what_they_say_how_bad_and_of_which_kind(site: Caller) -> None:
    assert [one["id"] for one in site.document("incidents", "--text", "DISK")] == ["INC-2"]
    assert [one["id"] for one in site.document("incidents", "--severity", "critical")] == ["INC-4", "INC-3"]
    assert [one["id"] for one in site.document("incidents", "--all", "--kind", "down")] == ["INC-4", "INC-1"]


def test_an_incident_begins_with_its_story_in_plain_words(site: Caller) -> None:
    shown = site.says("show", "INC-2")
    assert "You are asked to approve or deny APR-1" in shown
    assert shown.index("You are asked") < shown.index("Timeline")
    assert "APR-1" in site.document("show", "INC-2")["story"]["asked"]


def test_show_tells_the_timeline_relative_to_the_opening(site: Caller) -> None:
    shown = site.says("show", "INC-1")
    assert "+6.50 s" in shown
    assert "restarted container checkout-1" in shown
    assert "the container exited with code 1" in shown
    assert "service-down (safe), digest" in shown
    whole = site.document("show", "inc-1")
    assert set(whole) == {"incident", "story", "timeline", "evidence", "insight", "attempts", "approvals", "alerts"}
    assert set(whole["incident"]) == INCIDENT_KEYS
    assert len(whole["attempts"][0]["plan"]["digest"]) == 16


def test_show_tells_a_person_what_to_do_and_what_waits(site: Caller) -> None:
    assert "Look at /etc/resolv.conf" in site.says("show", "3")
    assert "APR-1 pending" in site.says("show", "2")


def test_why_marks_the_rule_that_decided(site: Caller) -> None:
    shown = site.says("why", "INC-2")
    (marked,) = [line for line in shown.splitlines() if line.strip().startswith("→")]
    assert "trust" in marked
    assert "host.clean is risky" in marked
    attempt = site.document("why", "INC-2")["attempts"][0]
    assert attempt["decisive"] == "trust"
    assert {one["rule"] for one in attempt["decision"]["verdicts"]} >= {"mode", "never_touch", "strikes", "trust"}


def test_why_says_so_when_the_guard_was_not_asked(site: Caller) -> None:
    assert "no plan to decide on" in site.says("why", "3")


@pytest.mark.parametrize("word", ["show", "why"])
def test_an_incident_that_there_is_not_is_not_found(site: Caller, word: str) -> None:
    assert "incidents --all" in site.refuses(word, "INC-99", code=3)


def test_statistics_tell_how_often_actions_worked(site: Caller) -> None:
    assert "1 (100%)" in site.says("statistics")
    (one,) = site.document("statistics", "--target", "checkout")
    assert one == {
        "action": "docker.restart", "kind": "down", "target": "checkout", "done": 1, "ok": 1, "verified": 1,
        "undone": 0, "mean_seconds": 0.6,
    }  # fmt: skip


def test_lists_keep_to_a_terminals_width_and_colour_is_for_terminals(site: Caller) -> None:
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
    command = [sys.executable, "-m", "devops_agent", "--config", str(site.config), "incidents"]
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(command, stdout=follower, env=environ, check=False)
    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert done.returncode == 0
    assert "\x1b[31m" in shown
    plain = click.unstyle(shown).replace("\r", "")
    assert all(len(line) <= 60 for line in plain.splitlines())
    assert "ledger cannot be reached from here" in " ".join(plain.split())
    assert "\x1b" not in site.says("incidents")
    assert max(map(len, site.says("incidents").splitlines())) > 60
