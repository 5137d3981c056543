"""Our own metrics."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from devops_agent.config.settings import Breaker
from devops_agent.model.alert import Severity
from devops_agent.model.attempt import Attempt, Outcome
from devops_agent.model.decision import Decision, Permission
from devops_agent.model.notice import Delivery, Notice, Receipt, Stage
from devops_agent.model.runbook import Plan
from devops_agent.store import deliveries, events, heartbeats, incidents, outbox
from devops_agent.web.docs import measured, metrics_as_markdown
from devops_agent.web.metrics import open_circuits
from tests.plugins.posted import NOW, sample
from tests.web import seed
from tests.web.serving import SECRETS, Running

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(web: Running) -> Values:
    answer = await web.get("/metrics", scope="")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


def of(values: Values, name: str, **labels: str) -> float | None:
    return values.get((f"devops_agent_{name}", tuple(sorted(labels.items()))))


async def test_alerts_are_counted_by_receiver(web: Running) -> None:
    headers = {"Authorization": f"Bearer {SECRETS['alerts']}", "Content-Type": "application/json"}
    for _ in range(3):
        await web.post("/webhook/alerts", data=sample("alertmanager_firing"), scope="", headers=headers)
    await web.post("/webhook/alerts", data=b"{", scope="", headers=headers)
    values = await scrape(web)
    assert of(values, "alerts_received_total", receiver="alertmanager") == 3
    assert of(values, "alerts_repeated_total", receiver="alertmanager") == 2
    assert of(values, "intake_refused_total", status="422") == 1


async def test_everything_that_the_rows_tell_is_exposed(web: Running) -> None:
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()))
    values = await scrape(web)
    assert of(values, "actions_total", action="docker.restart", result="verified") == 1
    assert of(values, "incidents", status="escalated") == 1
    assert of(values, "targets", health="down") == 1
    assert of(values, "paused", target="") == 0
    assert of(values, "paused", target="reports") == 1
    assert of(values, "approvals_waiting") == 1
    assert of(values, "outbox_pending") == 0
    assert of(values, "health_check_seconds", target="checkout") == 0.042
    assert of(values, "poll_lateness_seconds", role="agent") == 0.004
    assert of(values, "role_resident_memory_bytes", role="agent") == 41_000_000
    assert (of(values, "heartbeat_timestamp_seconds", role="agent") or 0) > 1.7e9
    assert of(values, "build_info", version="1.2.3") == 1


async def test_messages_are_counted_by_channel_and_what_became_of_them(web: Running) -> None:
    now = web.clock.now()

    def write(rows: Rows) -> None:
        for key in ("a", "b", "c"):
            outbox.put(
                rows,
                Notice(key=key, incident="", kind="storm", severity=Severity.INFO, message={}, created_at=now),
            )
        first, second, _ = outbox.unrouted(rows)
        chat = Delivery(notice=first.id, channel="chat", not_before=now, created_at=now)
        deliveries.plan(rows, [chat, chat.with_(notice=second.id), chat.with_(channel="sms", stage=Stage.DROPPED)])
        begun, later = deliveries.begin(rows, deliveries.waiting(rows, "chat"))
        deliveries.end(rows, begun, now=now, receipt=Receipt())
        deliveries.put_off(rows, later, until=now, says="503", unclear=False)
        outbox.mark_routed(rows, [first.id, second.id], now=now)

    await web.store.write(write)
    values = await scrape(web)
    assert of(values, "notifications_total", channel="chat", result="sent") == 1
    assert of(values, "notifications_total", channel="chat", result="retried") == 1
    assert of(values, "notifications_total", channel="sms", result="dropped") == 1
    assert of(values, "outbox_pending") == 2


async def test_decisions_and_times_are_counted_from_the_timeline(web: Running) -> None:
    await scrape(web)
    opened = web.clock.now() - timedelta(seconds=20)

    def respond(rows: Rows) -> None:
        one = incidents.open_(
            rows, target="checkout", cause_group="service", kind="down", severity=Severity.CRITICAL,
            title="down", now=opened,
        )  # fmt: skip
        at = opened + timedelta(seconds=4)
        events.add(rows, "decision", "allow: trusted", at=at, incident=one.id, rule="trust")
        events.add(rows, "resolved", "well again", at=opened + timedelta(seconds=20), incident=one.id)

    await web.store.write(respond)
    for _ in range(2):  # a second scrape counts nothing twice
        values = await scrape(web)
    assert of(values, "decisions_total", decision="allow", rule="trust") == 1
    assert of(values, "incident_seconds_count", phase="decision") == 1
    assert of(values, "incident_seconds_sum", phase="decision") == 4
    assert of(values, "time_to_resolution_seconds_count", **{"class": "down"}) == 1
    assert of(values, "time_to_resolution_seconds_sum", **{"class": "down"}) == 20


async def test_figures_that_make_no_sense_are_left_out(web: Running) -> None:
    now = web.clock.now()
    beat = heartbeats.Heartbeat(role="agent", pid=1, version="1", started_at=now, at=now, data={"polls": "many"})
    await web.store.write(lambda rows: heartbeats.beat(rows, beat))
    assert of(await scrape(web), "polls", role="agent") is None


def attempt(outcome: Outcome, *, ended: datetime | None = NOW) -> Attempt:
    return Attempt(
        incident="INC-1",
        target="checkout",
        kind="down",
        risk="safe",
        plan=Plan(incident="INC-1", runbook="service-down", target="checkout", steps=()),
        decision=Decision(permission=Permission.ALLOW, rule="trust", reason="", verdicts=()),
        decided_at=NOW,
        ended_at=ended,
        outcome=outcome,
        version="1",
    )


def test_a_circuit_is_open_after_so_many_failures_in_a_row() -> None:
    failed, healed, running = attempt(Outcome.FAILED), attempt(Outcome.HEALED), attempt(Outcome.STARTED, ended=None)
    assert open_circuits([failed, failed, running], Breaker(failures=3)) == []
    assert open_circuits([failed, failed, running, failed], Breaker(failures=3)) == [("checkout", "service-down")]
    assert open_circuits([failed, failed, healed, failed], Breaker(failures=3)) == []


PROMISED = {
    "alerts_received_total": ("receiver",),
    "actions_total": ("action", "result"),
    "decisions_total": ("decision", "rule"),
    "incident_seconds": ("phase",),
    "health_check_seconds": ("target",),
    "time_to_resolution_seconds": ("class",),
    "notifications_total": ("channel", "result"),
    "circuit_open": ("target", "runbook"),
    "paused": ("target",),
    "outbox_pending": (),
    "poll_lateness_seconds": ("role",),
    "heartbeat_timestamp_seconds": ("role",),
}
"""Names without prefix, and labels, that dashboards and alert rules of others rest on."""


async def test_the_metrics_page_tells_what_is_served(web: Running) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text()
    assert page == metrics_as_markdown(await measured()), "run `python -m devops_agent.web.docs`"
    text = (await web.get("/metrics", scope="")).text
    named = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(text)
    }
    assert named == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


async def test_metrics_that_others_rest_on_keep_their_names_and_labels() -> None:
    page = metrics_as_markdown(await measured())
    for name, labels in PROMISED.items():
        shown = ", ".join(f"`{label}`" for label in labels) or "–"
        assert re.search(rf"^\| `devops_agent_{name}` \| \w+ \| {re.escape(shown)} \|", page, re.MULTILINE), name
