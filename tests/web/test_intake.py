"""Taking alerts."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from devops_agent.config.settings import Settings, Web
from devops_agent.store import alerts, heartbeats, incidents
from tests.plugins.posted import sample
from tests.web.serving import SETTINGS, TARGETS, Answer, Running, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from devops_agent.model.alert import Alert
    from devops_agent.model.incident import Incident
    from devops_agent.store.rows import Rows

JSON = {"Content-Type": "application/json"}


async def post(
    web: Running, body: bytes | dict[str, Any], path: str = "/webhook/alerts", scope: str = "alerts"
) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await web.post(path, data=raw, scope=scope, headers=JSON)


def hook(*numbers: int, **more: object) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "ServiceDown", "service": "checkout", "n": str(number)},
                "startsAt": "2026-11-21T10:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "fingerprint": f"{number:016x}",
            }
            for number in numbers
        ],
        **more,
    }


async def kept(web: Running) -> list[tuple[Alert, str]]:
    return await web.store.read(lambda rows: alerts.latest(rows, limit=1000))


async def all_incidents(web: Running) -> list[Incident]:
    return await web.store.read(incidents.page)


@pytest.mark.parametrize(
    "path", ["/webhook/alerts", "/webhook/alert", "/webhook/alertmanager", "/api/v1/alerts", "/api/v2/alerts"]
)
async def test_a_posted_alert_is_on_the_disk_and_in_an_incident_when_it_is_answered(web: Running, path: str) -> None:
    answer = await post(web, sample("alertmanager_firing"), path)
    assert answer.status == 202
    assert answer.json() == {"accepted": True, "new": 1, "repeats": 0, "incidents": ["INC-1"]}
    ((alert, incident),) = await kept(web)
    assert (alert.fingerprint, incident) == ("151ab86b6d5756ec", "INC-1")


async def test_the_same_delivery_again_changes_nothing(web: Running) -> None:
    for _ in range(5):
        answer = await post(web, sample("alertmanager_firing"))
    assert answer.json() == {"accepted": True, "new": 0, "repeats": 1, "incidents": []}
    assert len(await kept(web)) == 1
    assert len(await all_incidents(web)) == 1


async def test_the_same_alert_in_another_delivery_is_a_repeat_too(web: Running) -> None:
    await post(web, hook(1, 2))
    answer = await post(web, hook(2, 3))
    assert answer.json() == {"accepted": True, "new": 1, "repeats": 1, "incidents": ["INC-1"]}


async def test_a_resolved_alert_closes_its_incident(web: Running) -> None:
    await post(web, sample("alertmanager_firing"))
    await post(web, sample("alertmanager_resolved"))
    (incident,) = await all_incidents(web)
    assert incident.closed


async def test_repeats_reach_the_store_again_after_a_while_so_that_they_do_not_go_stale(web: Running) -> None:
    body = sample("alertmanager_firing")
    await post(web, body)
    web.clock.ahead += timedelta(minutes=6)
    await post(web, body)
    stale = await web.store.read(lambda rows: alerts.stale(rows, seen_before=web.clock.now() - timedelta(minutes=1)))
    assert stale == []


async def test_the_alert_that_always_fires_is_a_sign_of_life_each_time(web: Running) -> None:
    body = {"version": "4", "alerts": [{"labels": {"alertname": "Watchdog"}, "startsAt": "2026-11-21T10:00:00Z"}]}
    await post(web, body)
    first = (await web.store.read(heartbeats.all_))["watchdog"].at
    await post(web, body)
    assert (await web.store.read(heartbeats.all_))["watchdog"].at > first
    assert await all_incidents(web) == []


async def test_alerts_that_were_left_out_are_fetched_later(web: Running) -> None:
    await post(web, hook(1, truncatedAlerts=5, groupLabels={"alertname": "ServiceDown"}))

    def queued(rows: Rows) -> list[dict[str, Any]]:
        return [dict(row) for row in rows.all("SELECT job, key, args_json FROM runs WHERE queue = 'complete'")]

    (run,) = await web.store.read(queued)
    assert run["job"] == "alertmanager"
    assert json.loads(run["args_json"]) == {"group_key": "{}:{}", "group_labels": {"alertname": "ServiceDown"}}


async def test_grafana_and_others_have_their_own_paths(web: Running) -> None:
    assert (await post(web, sample("grafana_firing"), "/webhook/grafana")).json()["new"] == 2
    assert (await post(web, {"name": "BackupFailed", "target": "db"}, "/webhook/generic")).json()["new"] == 1
    assert {alert.source for alert, _ in await kept(web)} == {"grafana", "generic"}


async def test_a_sender_that_says_no_beginning_repeats_and_ends_one_firing(web: Running) -> None:
    body = {"name": "BackupFailed", "target": "db"}
    await post(web, body, "/webhook/generic")
    await post(web, body, "/webhook/generic")
    assert len(await kept(web)) == 1
    await post(web, {**body, "status": "resolved"}, "/webhook/generic")
    assert [incident.closed for incident in await all_incidents(web)] == [True]
    assert (await post(web, body, "/webhook/generic")).json()["new"] == 1, "it fires anew"


async def test_an_unknown_receiver_is_told_with_the_known_ones(web: Running) -> None:
    answer = await post(web, hook(1), "/webhook/nagios")
    assert answer.status == 404
    assert "/webhook/generic" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b"\x00\xff", b"[" * 100_000, b'{"alerts": {}}'])
async def test_garbage_is_refused_as_a_problem(web: Running, body: bytes) -> None:
    answer = await post(web, body)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("cannot")


async def test_huge_bodies_are_refused_whether_announced_or_not(web: Running) -> None:
    body = io.BytesIO(b" " * 2_000_001)
    assert (await web.post("/webhook/alerts", data=body, scope="alerts", headers=JSON)).status == 413

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 100_000

    answer = await web.post("/webhook/alerts", data=pieces(), scope="alerts", headers=JSON)
    assert answer.status == 413


async def test_large_deliveries_within_the_limit_are_taken(web: Running) -> None:
    body = io.BytesIO(json.dumps(hook(*range(6_000))).encode())
    assert len(body.getvalue()) > 1_000_000
    answer = await web.post("/webhook/alerts", data=body, scope="alerts", headers=JSON)
    assert answer.json()["new"] == 6_000


async def test_chunked_bodies_are_taken(web: Running) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        raw = sample("alertmanager_firing")
        yield raw[:100]
        yield raw[100:]

    assert (await web.post("/webhook/alerts", data=pieces(), scope="alerts", headers=JSON)).status == 202


async def test_compressed_bodies_are_refused(web: Running) -> None:
    answer = await web.post("/webhook/alerts", data=b"x", scope="alerts", headers={**JSON, "Content-Encoding": "gzip"})
    assert answer.status == 415


async def test_a_sender_that_hangs_up_leaves_nothing_behind(web: Running) -> None:
    host, port = web.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = ["POST /webhook/alerts HTTP/1.1", "Host: x", "Authorization: Bearer secret-alerts", "Content-Length: 500"]
    writer.write("\r\n".join([*head, "", "{"]).encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await post(web, hook(1))).status == 202
    assert len(await kept(web)) == 1


async def test_an_overloaded_store_is_a_503_and_what_is_sent_again_is_taken(tmp_path: Path) -> None:
    async with running(tmp_path, settings=SETTINGS, max_pending=2) as web:
        assert (await post(web, hook(0))).status == 202
        go_on = threading.Event()
        blocked = [asyncio.create_task(web.store.write(lambda _: go_on.wait(30))) for _ in range(2)]
        await asyncio.sleep(0)
        answer = await post(web, hook(1))
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.json()["status"] == 503
        assert (await web.get("/health", scope="")).status == 200
        go_on.set()
        await asyncio.gather(*blocked)
        assert (await post(web, hook(1))).status == 202
        assert len(await kept(web)) == 2


async def test_a_locked_database_is_a_503_and_nothing_is_lost_after_it(web: Running, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "agent.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert (await post(web, hook(1))).status == 503
    other.execute("ROLLBACK")
    other.close()
    assert (await post(web, hook(1))).status == 202
    assert len(await kept(web)) == 1


async def test_what_was_refused_for_want_of_a_store_is_not_remembered_as_a_repeat(web: Running, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "agent.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await post(web, sample("alertmanager_firing"))
    other.execute("ROLLBACK")
    other.close()
    assert (await post(web, sample("alertmanager_firing"))).json()["new"] == 1


async def test_a_held_back_alert_is_judged_again_with_every_repeat(web: Running) -> None:
    matchers = {"alertname": "ServiceDown"}
    made = await web.post("/api/v1/silences", {"matchers": matchers, "comment": "work", "hours": 1})
    assert (await post(web, hook(1))).json()["incidents"] == []
    await web.ask("DELETE", f"/api/v1/silences/{made.json()['id']}", scope="operate")
    assert (await post(web, hook(1))).json()["incidents"] == ["INC-1"]


async def test_a_flood_is_taken_whole(web: Running) -> None:
    answers = await asyncio.gather(*(post(web, hook(*range(n * 50, n * 50 + 50))) for n in range(20)))
    assert {answer.status for answer in answers} == {202}
    assert sum(answer.json()["new"] for answer in answers) == 1000
    assert len(await kept(web)) == 1000
    assert len(await all_incidents(web)) == 1


async def test_limits_follow_the_settings_in_force(web: Running) -> None:
    web.settings.append(Settings(targets=TARGETS, web=Web(max_body_bytes=1024)))
    assert (await post(web, b" " * 1025)).status == 413
