"""The API: what programs read and order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.config.settings import Settings
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Delivery, Notice, Receipt, Stage
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Check, Target
from devops_agent.store import deliveries, events, incidents, outbox, targets
from tests.web import seed
from tests.web.serving import Running

if TYPE_CHECKING:
    from pathlib import Path

    from devops_agent.model.incident import Incident
    from devops_agent.store.rows import Rows


@pytest.fixture
async def full(web: Running) -> Running:
    """A store that looks like a working week."""
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()), tell=("events",))
    return web


async def incident(web: Running, id_: str) -> Incident:
    found = await web.store.read(lambda rows: incidents.get(rows, id_))
    assert found
    return found


async def test_health_tells_of_the_agent_without_failing_for_it(web: Running) -> None:
    answer = await web.get("/health", scope="")
    assert answer.status == 200
    assert answer.json()["agent"] == "never seen"
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()))
    assert (await web.get("/health", scope="")).json()["agent"] == "alive"
    web.clock.ahead = timedelta(minutes=5)
    answer = await web.get("/health", scope="")
    assert answer.status == 200
    assert answer.json()["agent"] == "silent"


async def test_health_fails_when_the_store_cannot_be_used(web: Running) -> None:
    await web.store.write(lambda rows: rows.run("DROP TABLE heartbeats"))
    answer = await web.get("/health", scope="")
    assert answer.status == 503
    assert answer.json()["status"] == "unhealthy"
    assert "heartbeats" in answer.json()["store"]


async def test_a_broken_store_is_a_503_and_never_a_trace(web: Running) -> None:
    await web.store.write(lambda rows: rows.run("DROP TABLE incidents"))
    answer = await web.get("/api/v1/incidents")
    assert answer.status == 503
    assert "Traceback" not in answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_what_nobody_foresaw_is_logged_once_and_answered_without_a_trace(
    web: Running, caplog: pytest.LogCaptureFixture
) -> None:
    await web.store.write(
        lambda rows: rows.run(
            "INSERT INTO alerts (fingerprint, starts_at, status, name, alert_json, target, incident, received_at,"
            " seen_at) VALUES ('f', 1, 'firing', 'a', '{}', '', '', 1, 1)"
        )
    )
    answer = await web.get("/api/v1/alerts")
    assert answer.status == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["request failed"]


async def test_status_tells_everything_at_a_glance(full: Running) -> None:
    said = (await full.get("/status")).json()
    assert said["version"] == "1.2.3"
    assert said["targets"] == {"well": 4, "down": 1, "degraded": 1, "starting": 1, "unreachable": 1}
    assert said["incidents"] == {"resolved": 1, "awaiting_approval": 1, "escalated": 1, "remediating": 1}
    assert said["approvals_waiting"] == 1
    assert said["flags"]["AUTO_REMEDIATION_ENABLED"] is True
    assert [role["alive"] for role in said["roles"]] == [True]


async def test_incidents_come_in_parts(full: Running) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        part = (await full.get(f"/api/v1/incidents?limit=1&cursor={cursor}")).json()
        seen += [one["id"] for one in part["items"]]
        cursor = part["next"]
    assert seen == ["INC-4", "INC-3", "INC-2", "INC-1"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("status=escalated", ["INC-3"]),
        ("status=unresolved", ["INC-4", "INC-3", "INC-2"]),
        ("target=checkout", ["INC-1"]),
        ("target=nobody", []),
    ],
)
async def test_incidents_can_be_asked_for_by_status_and_target(full: Running, query: str, ids: list[str]) -> None:
    assert [one["id"] for one in (await full.get(f"/api/v1/incidents?{query}")).json()["items"]] == ids


async def test_an_incident_tells_its_story_evidence_alerts_and_why(full: Running) -> None:
    told = (await full.get("/api/v1/incidents/INC-1/timeline")).json()["items"]
    assert [one["kind"] for one in told] == [
        "opened", "investigating", "remediating", "step", "verifying", "resolved"
    ]  # fmt: skip
    assert [one["id"] for one in (await full.get("/api/v1/incidents/INC-1/evidence")).json()["items"]] == [
        "EV-1",
        "EV-2",
    ]
    assert [one["name"] for one in (await full.get("/api/v1/incidents/INC-1/alerts")).json()["items"]] == ["Down"]
    (attempt,) = (await full.get("/api/v1/incidents/INC-1/attempts")).json()["items"]
    assert attempt["outcome"] == "healed"
    assert {verdict["rule"] for verdict in attempt["decision"]["verdicts"]} >= {"trust", "paused", "strikes"}
    assert attempt["plan"]["steps"][0]["proof"]["within"] == 60.0


async def test_the_timeline_comes_in_parts(full: Running) -> None:
    part = (await full.get("/api/v1/incidents/INC-1/timeline?limit=4")).json()
    rest = (await full.get(f"/api/v1/incidents/INC-1/timeline?limit=4&cursor={part['next']}")).json()
    assert [len(part["items"]), len(rest["items"]), rest["next"]] == [4, 2, None]


@pytest.mark.parametrize("path", ["", "/timeline", "/evidence", "/alerts", "/attempts"])
async def test_an_unknown_incident_is_not_found(web: Running, path: str) -> None:
    answer = await web.get(f"/api/v1/incidents/INC-9{path}")
    assert answer.status == 404
    assert "/api/v1/incidents" in answer.json()["detail"]


async def test_an_approval_answers_exactly_the_plan_that_was_looked_at(full: Running) -> None:
    asked = (await full.get("/api/v1/approvals/APR-1")).json()
    assert asked["plan"]["steps"][0]["action"] == "host.clean"
    other = await full.post("/api/v1/approvals/APR-1/approve", {"digest": "0" * 16})
    assert other.status == 409
    assert asked["digest"] in other.json()["detail"]
    answer = await full.post("/api/v1/approvals/APR-1/approve", {"digest": asked["digest"], "comment": "go"})
    assert answer.status == 200
    assert (answer.json()["answer"], answer.json()["by"], answer.json()["comment"]) == ("approved", "api:operate", "go")
    again = await full.post("/api/v1/approvals/APR-1/deny", {"digest": asked["digest"]})
    assert again.status == 409
    assert "approved" in again.json()["detail"]


async def test_a_denial_needs_the_same_care(full: Running) -> None:
    digest = (await full.get("/api/v1/approvals")).json()["items"][0]["digest"]
    assert (await full.post("/api/v1/approvals/APR-1/deny", {"digest": digest})).json()["answer"] == "denied"
    assert (await full.get("/api/v1/approvals")).json()["items"] == []
    assert len((await full.get("/api/v1/approvals?waiting=false")).json()["items"]) == 1
    assert (await full.post("/api/v1/approvals/APR-7/deny", {"digest": digest})).status == 404


async def test_a_restart_is_an_order_that_the_guard_still_judges(full: Running) -> None:
    answer = await full.post("/actions/restart", {"target": "checkout", "reason": "new certificate"})
    assert answer.status == 202
    ordered = await incident(full, answer.json()["id"])
    assert ordered.kind == "order"
    assert "docker.restart" in ordered.ordered_json
    assert "api:operate" in ordered.title


async def test_a_restart_of_something_unknown_names_what_is_known(full: Running) -> None:
    answer = await full.post("/actions/restart", {"target": "chekout"})
    assert answer.status == 404
    assert "checkout" in answer.json()["known"]


async def test_a_restart_needs_somebody_who_can_act(web: Running) -> None:
    answer = await web.post("/actions/restart", {"target": "watched"})
    assert answer.status == 409
    assert "targets[].via" in answer.json()["detail"]


async def test_the_same_idempotency_key_is_the_same_order(full: Running) -> None:
    headers = {"Idempotency-Key": "k-1"}
    asked = {"target": "checkout"}
    answers = await asyncio.gather(*(full.post("/actions/restart", asked, headers=headers) for _ in range(5)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await full.post("/actions/restart", {"target": "db"}, headers=headers)
    assert other.status == 409
    assert (await full.post("/actions/restart", asked, headers={"Idempotency-Key": "k-2"})).json()["id"] not in {
        answer.json()["id"] for answer in answers
    }


async def test_a_person_can_choose_the_runbook(full: Running) -> None:
    answer = await full.post("/api/v1/incidents/INC-3/guide", {"runbook": "service-down", "comment": "try"})
    assert answer.status == 200
    assert answer.json()["guided"] == "service-down"
    unknown = await full.post("/api/v1/incidents/INC-3/guide", {"runbook": "service-up"})
    assert unknown.status == 404
    assert unknown.json()["known"] == ["service-down"]
    assert (await full.post("/api/v1/incidents/INC-1/guide", {"runbook": "service-down"})).status == 409


async def test_a_person_can_close_an_incident_but_not_while_it_is_acted_on(full: Running) -> None:
    assert (await full.post("/api/v1/incidents/INC-3/resolve", {"comment": "DNS was down"})).json()[
        "status"
    ] == "resolved"
    assert (await full.post("/api/v1/incidents/INC-3/resolve", {})).status == 409
    assert (await full.post("/api/v1/incidents/INC-4/resolve", {})).status == 409


async def test_pausing_and_resuming(full: Running) -> None:
    made = await full.post("/api/v1/pauses", {"reason": "deployment", "hours": 2})
    assert made.status == 201
    assert made.json()["by"] == "api:operate"
    assert {one["target"] for one in (await full.get("/status")).json()["paused"]} == {"", "reports"}
    assert (await full.post("/api/v1/pauses", {"target": "nobody", "reason": "x"})).status == 404
    assert (await full.ask("DELETE", "/api/v1/pauses", scope="operate")).status == 204
    assert (await full.ask("DELETE", "/api/v1/pauses", scope="operate")).status == 409
    assert (await full.ask("DELETE", "/api/v1/pauses?target=reports", scope="operate")).status == 204


async def test_silencing(full: Running) -> None:
    made = await full.post("/api/v1/silences", {"matchers": {"alertname": "X*"}, "comment": "known", "hours": 1})
    assert made.status == 201
    assert len((await full.get("/api/v1/silences")).json()["items"]) == 2
    assert (await full.ask("DELETE", f"/api/v1/silences/{made.json()['id']}", scope="operate")).status == 204
    assert (await full.ask("DELETE", f"/api/v1/silences/{made.json()['id']}", scope="operate")).status == 404
    assert (await full.post("/api/v1/silences", {"matchers": {}, "comment": "all", "hours": 1})).status == 422


async def test_flags_can_be_switched_while_running(web: Running) -> None:
    answer = await web.ask("PUT", "/api/v1/flags/AUTO_REMEDIATION_ENABLED", scope="admin", json={"value": False})
    assert answer.json() == {"name": "AUTO_REMEDIATION_ENABLED", "value": False, "switched": True}
    flags = {one["name"]: one for one in (await web.get("/api/v1/flags")).json()["items"]}
    assert flags["AUTO_REMEDIATION_ENABLED"]["value"] is False
    assert flags["AUTONOMOUS_MONITORING_ENABLED"]["switched"] is False
    assert (await web.ask("PUT", "/api/v1/flags/ANY", scope="admin", json={"value": True})).status == 404


async def test_tokens_are_made_used_and_revoked(web: Running) -> None:
    made = await web.post("/api/v1/tokens", {"name": "grafana", "scope": "alerts", "hours": 24}, scope="admin")
    assert made.status == 201
    secret = made.json()["secret"]
    alert = {"name": "A", "target": "db"}
    assert (await web.post("/webhook/generic", alert, scope=secret)).status == 202
    listed = await web.get("/api/v1/tokens", scope="admin")
    assert secret not in listed.text
    assert (await web.post("/api/v1/tokens", {"name": "grafana", "scope": "read"}, scope="admin")).status == 409
    assert (await web.ask("DELETE", "/api/v1/tokens/grafana", scope="admin")).status == 204
    assert (await web.post("/webhook/generic", alert, scope=secret)).status == 401
    assert (await web.ask("DELETE", "/api/v1/tokens/grafana", scope="admin")).status == 404


async def test_targets_and_how_they_are_watched(full: Running) -> None:
    assert len((await full.get("/api/v1/targets")).json()["items"]) == 8
    one = (await full.get("/api/v1/targets/search")).json()
    assert one["health"] == "degraded"
    assert [found["id"] for found in one["incidents"]] == ["INC-2"]
    watched = (await full.get("/monitoring/search")).json()
    assert watched["checks"][0]["url"] == "http://127.0.0.1:8080/health"
    assert watched["thresholds"]["disk_percent"] == 85.0
    assert (await full.get("/monitoring/nobody")).status == 404


async def test_runbooks_actions_and_what_helped(full: Running) -> None:
    assert [one["name"] for one in (await full.get("/api/v1/runbooks")).json()["items"]] == ["service-down"]
    assert (await full.get("/api/v1/runbooks/service-down")).json()["kinds"] == ["down"]
    assert (await full.get("/api/v1/runbooks/none")).status == 404
    assert [one["risk"] for one in (await full.get("/api/v1/actions")).json()["items"]] == ["safe"]
    (row,) = (await full.get("/api/v1/statistics?target=checkout")).json()["items"]
    assert (row["action"], row["kind"], row["done"], row["verified"]) == ("docker.restart", "down", 1, 1)


async def test_the_configuration_hides_secrets_and_has_a_tag(web: Running) -> None:
    check = Check(url="http://ada:s3cret@s3cret@127.0.0.1/health?a=1&api_key=s3cret", headers={"X-Key": "s3cret"})
    target = Target(name="x", checks=(check,), options={"environment": {"A": "s3cret"}, "password": "s3cret"})
    plugins = {"http": {"calls": {"page": {"token_file": "/etc/agent/token", "headers": {"Authorization": "s3cret"}}}}}
    web.settings.append(Settings(targets=(target,), plugins=plugins))
    answer = await web.get("/api/v1/config", scope="admin")
    assert "s3cret" not in answer.text
    assert "/etc/agent/token" in answer.text
    assert answer.json()["polling"]["well"] == "30s"
    again = await web.get("/api/v1/config", scope="admin", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304
    web.settings.append(Settings())
    changed = await web.get("/api/v1/config", scope="admin", headers={"If-None-Match": answer.headers["ETag"]})
    assert changed.status == 200


async def test_the_audit_log_is_read_in_parts_and_proven(full: Running) -> None:
    part = (await full.get("/api/v1/audit?limit=10")).json()
    rest = (await full.get(f"/api/v1/audit?limit=10&cursor={part['next']}")).json()
    seqs = [one["seq"] for one in part["items"] + rest["items"]]
    assert seqs == list(range(len(seqs), 0, -1))
    proof = (await full.get("/api/v1/audit/verify")).json()
    assert (proof["intact"], proof["events"]) == (True, len(seqs))
    await full.store.write(lambda rows: rows.run("UPDATE events SET says = 'nothing' WHERE seq = 3"))
    proof = (await full.get("/api/v1/audit/verify")).json()
    assert (proof["intact"], proof["broken_at"]) == (False, 3)


async def test_every_command_leaves_a_trace_with_who_gave_it(full: Running) -> None:
    before = (await full.store.read(events.head))[0]
    await full.post("/api/v1/pauses", {"reason": "x"})
    await full.post("/actions/restart", {"target": "checkout"})
    await full.post("/api/v1/tokens", {"name": "t", "scope": "read"}, scope="admin")
    told = await full.store.read(lambda rows: events.after(rows, before))
    assert [(one.kind, one.actor) for one in told] == [
        ("paused", "api:operate"), ("ordered", "api:operate"), ("token", "api:admin")
    ]  # fmt: skip


async def test_alerts_and_notices_can_be_read(full: Running) -> None:
    listed = (await full.get("/api/v1/alerts?limit=2")).json()["items"]
    assert len(listed) == 2
    assert {one["incident"] for one in listed} <= {"INC-1", "INC-2", "INC-3", "INC-4"}
    assert (await full.get("/api/v1/outbox")).json()["items"] == []


async def test_notices_are_listed_with_what_became_of_them_on_each_channel(full: Running) -> None:
    now = full.clock.now()
    told = Notice(
        key="k", incident="INC-1", kind="healed", severity=Severity.INFO, message={"title": "well"}, created_at=now
    )

    def write(rows: Rows) -> None:
        outbox.put(rows, told)
        [notice] = outbox.unrouted(rows)
        chat = Delivery(notice=notice.id, channel="chat", thread="INC-1", not_before=now, created_at=now)
        dropped = chat.with_(channel="sms", person="alice", stage=Stage.DROPPED, says="muted")
        deliveries.plan(rows, [chat, dropped])
        [begun] = deliveries.begin(rows, deliveries.due(rows, "chat", now=now, limit=1))
        deliveries.end(rows, begun, now=now, receipt=Receipt(id="1", data={"token": "x"}))
        outbox.mark_routed(rows, [notice.id], now=now)

    await full.store.write(write)
    [one] = (await full.get("/api/v1/outbox")).json()["items"]
    assert (one["key"], one["routed_at"] is not None) == ("k", True)
    shown = [(each["channel"], each["person"], each["stage"], each["says"]) for each in one["deliveries"]]
    assert shown == [("chat", "", "sent", ""), ("sms", "alice", "dropped", "muted")]
    assert "receipt" not in one["deliveries"][0]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PUT", "/status", 405),
        ("GET", "/webhook/alerts", 405),
        ("POST", "/api/v1/pauses", 422),
    ],
)
async def test_every_problem_has_the_same_form(web: Running, method: str, path: str, status: int) -> None:
    answer = await web.ask(method, path, scope="admin")
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


async def test_unknown_members_are_mistakes(web: Running) -> None:
    answer = await web.post("/api/v1/pauses", {"reason": "x", "hour": 3})
    assert answer.status == 422
    assert "hour" in answer.json()["detail"]


async def test_large_commands_are_refused(web: Running) -> None:
    answer = await web.post("/api/v1/pauses", {"reason": "x" * 300_000})
    assert answer.status == 413


async def test_commands_over_a_locked_database_are_told_to_come_again(web: Running, tmp_path: Path) -> None:
    import sqlite3

    other = sqlite3.connect(tmp_path / "agent.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = await web.post("/api/v1/pauses", {"reason": "x"}, headers={"Idempotency-Key": "k"})
    assert answer.status == 503
    other.execute("ROLLBACK")
    other.close()
    again = await web.post("/api/v1/pauses", {"reason": "x"}, headers={"Idempotency-Key": "k"})
    assert again.status == 201


async def test_how_a_target_is_watched_is_told_without_secrets(web: Running) -> None:
    url = "http://ada:s3cret@127.0.0.1/health?page=1&access_token=s3cret"
    check = Check(url=url, headers={"X-Key": "s3cret"}, body="s3cret")
    now = web.clock.now()
    seen = Sighting(target=Target(name="x", checks=(check,)), health=Health.WELL, since=now, seen_at=now)
    await web.store.write(lambda rows: targets.keep(rows, [seen]))
    answer = await web.get("/monitoring/x")
    assert "s3cret" not in answer.text
    assert answer.json()["checks"][0]["url"] == "http://127.0.0.1/health?page=1&access_token=•••"
