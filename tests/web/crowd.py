"""A store that looks like years of a large site: hundreds of targets, thousands of incidents with their stories."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from devops_agent.model.action import Proof, Step
from devops_agent.model.alert import Alert, AlertStatus, Severity, fingerprint
from devops_agent.model.attempt import ActionDone, Attempt, Outcome
from devops_agent.model.decision import Decision, Permission, Verdict
from devops_agent.model.evidence import Evidence
from devops_agent.model.incident import Incident, Status
from devops_agent.model.learning import Tried
from devops_agent.model.reading import FIVE_MINUTES, Bucket, floor
from devops_agent.model.runbook import Plan
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Check, Target
from devops_agent.store import (
    alerts,
    approvals,
    attempts,
    events,
    evidence,
    heartbeats,
    incidents,
    learning,
    readings,
    targets,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devops_agent.store import Store
    from devops_agent.store.rows import Rows

_AT_ONCE = 500
_DECISION = Decision(
    permission=Permission.ALLOW,
    rule="trust",
    reason="safe actions are trusted",
    verdicts=tuple(
        Verdict(rule=rule, permission=Permission.ALLOW, reason="nothing speaks against it")
        for rule in ("mode", "paused", "never_touch", "opted_in", "strikes", "cooldown", "blast", "confidence", "trust")
    ),
)
_RESTART = Step(
    name="restart", action="docker.restart", proof=Proof(state="running", healthy=True, within=timedelta(seconds=60))
)
_KINDS = ("down", "memory_high", "disk_filling", "latency_high", "errors")
_HEALED = 0.8


async def fill(store: Store, now: datetime, *, targets_: int = 500, incidents_: int = 10_000) -> None:
    """Write it all, as seen at `now`; every time the same."""
    chance = random.Random(7)  # noqa: S311 — the same crowd every time
    names = [f"service-{number:03}" for number in range(targets_)]
    await store.write(lambda rows: _see(rows, names, chance, now))
    for first in range(0, incidents_, _AT_ONCE):
        ages = [
            timedelta(days=90) * (incidents_ - number) / incidents_
            for number in range(first, min(first + _AT_ONCE, incidents_))
        ]
        await store.write(lambda rows: _tell(rows, names, chance, now, ages))  # noqa: B023 — awaited at once
    history = list(_history(names[0], chance, now))
    await store.write(lambda rows: readings.add(rows, history))


def _see(rows: Rows, names: list[str], chance: random.Random, now: datetime) -> None:
    for role in ("agent", "web", "notify"):
        heartbeats.beat(
            rows,
            heartbeats.Heartbeat(
                role=role, pid=4711, version="1.2.3", started_at=now - timedelta(days=30), at=now,
                data={"rss_bytes": 41_000_000},
            ),
        )  # fmt: skip
    targets.keep(rows, (_sighting(name, number, chance, now) for number, name in enumerate(names)))


def _sighting(name: str, number: int, chance: random.Random, now: datetime) -> Sighting:
    health, says = Health.WELL, ""
    if number % 71 == 3:
        health, says = Health.DOWN, "it exited with code 137 (killed)"
    elif number % 37 == 5:
        health, says = Health.DEGRADED, "memory_percent is 91.4, over 80"
    return Sighting(
        target=Target(
            name=name, via="docker", ref=f"{name}-1", managed=True,
            depends_on=(f"service-{number // 7:03}",) if number else (),
            checks=(Check(name="health", url=f"http://10.0.0.{number % 250}:8080/health"),), labels={"team": "shop"},
            objective=None if number else 0.995,
        ),
        health=health,
        since=now - timedelta(minutes=chance.randrange(1, 90_000)),
        seen_at=now - timedelta(seconds=chance.random() * 5),
        says=says,
        readings={
            "memory_percent": round(chance.uniform(20, 75), 1), "cpu_percent": round(chance.uniform(1, 60), 1),
            "latency_ms": round(chance.uniform(2, 300), 1), "disk_percent": round(chance.uniform(20, 80), 1),
        },
    )  # fmt: skip


def _tell(rows: Rows, names: list[str], chance: random.Random, now: datetime, ages: list[timedelta]) -> None:
    for age in ages:
        late = age < timedelta(hours=9)
        _live_through(rows, chance.choice(names), chance.choice(_KINDS), now - age, chance, late=late)


def _live_through(rows: Rows, target: str, kind: str, at: datetime, chance: random.Random, *, late: bool) -> None:
    incident = incidents.open_(
        rows, target=target, cause_group=kind, kind=kind, severity=Severity.CRITICAL, title=f"{target}: {kind}", now=at
    )

    def say(kind: str, says: str, after: float) -> None:
        moment = at + timedelta(seconds=after)
        events.add(rows, kind, says, at=moment, incident=incident.id, target=target, actor="agent")

    labels = {"alertname": kind, "service": target, "severity": "critical", "instance": "10.0.0.4:9100"}
    alert = Alert(fingerprint=fingerprint({**labels, "n": incident.id}), status=AlertStatus.FIRING, labels=labels,
                  annotations={"summary": f"{target} is not well"}, starts_at=at, source="alertmanager")  # fmt: skip
    alerts.keep(rows, [alert], target=target, incident=incident.id, now=at)
    say("opened", f"{kind} on {target}", 0)
    moved = incidents.move(
        rows, incident, Status.INVESTIGATING, reason="looks into it", next_steps=(), now=at + timedelta(seconds=1)
    )
    say("investigating", "looks into it", 1)
    seen = [
        Evidence(source="prometheus", name=name, value=90.0, at=at, query=f"{name}{{}}", says=f"{name} is high")
        for name in ("memory_percent", "cpu_percent", "latency_ms", "error_percent", "disk_percent", "restarts")
    ]
    evidence.keep(rows, incident.id, seen)
    for piece in seen:
        say("evidence", piece.says, 1.5)
    if late and chance.random() < 0.3:
        incidents.move(rows, moved, Status.ESCALATED, reason="nothing helped", next_steps=("look",), now=at)
        say("escalated", "nothing helped", 9)
        return
    made = _attempt(rows, moved, at)
    if late and chance.random() < 0.3:
        approvals.ask(
            rows, incident=incident.id, digest=made.plan.digest, summary=f"restart {target}",
            now=at + timedelta(seconds=2), expires_at=at + timedelta(days=2),
        )  # fmt: skip
        incidents.move(rows, moved, Status.AWAITING_APPROVAL, reason="asks", next_steps=(), now=at)
        say("awaiting_approval", "asks", 2)
        return
    healed = chance.random() < _HEALED
    _carry_out(rows, moved, made, at, healed=healed)
    say("step", "restart: restarted in 0.6 s", 3)
    say("resolved", "running and healthy", 9)


def _attempt(rows: Rows, incident: Incident, at: datetime) -> Attempt:
    plan = Plan(incident=incident.id, runbook="service-down", target=incident.target, steps=(_RESTART,))
    return attempts.keep(
        rows,
        Attempt(
            incident=incident.id, target=incident.target, kind=incident.kind, risk="safe", plan=plan,
            decision=_DECISION, decided_at=at + timedelta(seconds=2), outcome=Outcome.ASKED, version="1.2.3",
        ),
    )  # fmt: skip


def _carry_out(rows: Rows, incident: Incident, made: Attempt, at: datetime, *, healed: bool) -> None:
    began, ended = at + timedelta(seconds=2), at + timedelta(seconds=9)
    attempts.start(rows, made.id, now=began)
    outcome = Outcome.HEALED if healed else Outcome.FAILED
    attempts.end(rows, made.id, outcome, says="running and healthy", now=ended)
    attempts.record_action(
        rows,
        ActionDone(
            key=f"k-{incident.id}", attempt=made.id, incident=incident.id, target=incident.target, kind=incident.kind,
            action="docker.restart", step="restart", started_at=began, ended_at=ended, ok=healed, verified=healed,
            says="restarted",
        ),
    )  # fmt: skip
    learning.keep_trial(
        rows,
        made.id,
        Tried(
            at=ended, incident=incident.id, target=incident.target, kind=incident.kind, runbook="service-down",
            actions=("docker.restart",), version="1.2.3", outcome=outcome,
        ),
    )  # fmt: skip
    moved = incidents.move(rows, incident, Status.REMEDIATING, reason="acts", next_steps=(), now=began)
    moved = incidents.move(rows, moved, Status.VERIFYING, reason="watches", next_steps=(), now=began)
    incidents.move(rows, moved, Status.RESOLVED, reason="running and healthy", next_steps=(), now=ended)


def _history(name: str, chance: random.Random, now: datetime) -> Iterator[tuple[str, Bucket]]:
    """Yield two days of readings with a gap and a bad hour."""
    end = floor(now, FIVE_MINUTES)
    memory, latency = 55.0, 40.0
    for index in range(2 * 24 * 12, 0, -1):
        if 130 <= index < 142:
            continue
        bad = 60 <= index < 66
        memory = min(max(memory + chance.uniform(-1.5, 1.5), 30), 78)
        latency = min(max(latency + chance.uniform(-4, 4), 8), 120)
        spreads = {
            "memory_percent": (memory - 1, memory, memory + 2), "disk_percent": (41.0, 41.0 + index / 300, 44.0),
            "latency_ms": (latency - 4, latency * (20 if bad else 1), latency * (40 if bad else 1.6)),
            "cpu_percent": (2.0, 12.0 + chance.random() * 8, 60.0), "error_percent": (0.0, 4.0 * bad, 9.0 * bad),
        }  # fmt: skip
        yield name, Bucket(
            at=end - FIVE_MINUTES * index, lasts=FIVE_MINUTES, well_seconds=90.0 if bad else 300.0, seen_seconds=300.0,
            readings=spreads, looks=dict.fromkeys(spreads, 60),
        )  # fmt: skip
