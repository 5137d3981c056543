"""A store that looks like a working week: targets in every state, incidents in every status."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from devops_agent.model.action import Proof, Step
from devops_agent.model.alert import Alert, AlertStatus, Severity, fingerprint
from devops_agent.model.attempt import ActionDone, Attempt, Outcome
from devops_agent.model.decision import Decision, Permission, Verdict
from devops_agent.model.evidence import Evidence
from devops_agent.model.incident import Incident, Status
from devops_agent.model.runbook import Plan
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Check, Target
from devops_agent.store import alerts, approvals, attempts, controls, events, evidence, heartbeats, incidents, targets

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows

RESTART = Step(
    name="restart", action="docker.restart", proof=Proof(state="running", healthy=True, within=timedelta(seconds=60))
)
CLEAN = Step(
    name="remove old caches",
    action="host.clean",
    args={"paths": ("/var/cache/checkout",), "older_than": "7d"},
    proof=Proof(below={"disk_percent": 75.0}),
)


def fill(rows: Rows, now: datetime) -> None:
    """Write it all, as seen at `now`."""
    beat = heartbeats.Heartbeat(
        role="agent", pid=4711, version="1.2.3", started_at=now - timedelta(hours=30), at=now,
        data={"rss_bytes": 41_000_000, "lateness_p99_seconds": 0.004},
    )  # fmt: skip
    heartbeats.beat(rows, beat)
    targets.keep(rows, _sightings(now))
    _healed(rows, now - timedelta(hours=3))
    _asking(rows, now - timedelta(minutes=4))
    _escalated(rows, now - timedelta(minutes=41))
    _acting(rows, now - timedelta(seconds=8))
    controls.pause(
        rows, target="reports", reason="month-end run", by="cli:ada", now=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=3),
    )  # fmt: skip
    controls.silence(
        rows, matchers={"alertname": "HighLatency", "service": "search*"}, by="page:ada", comment="reindexing",
        begins_at=now - timedelta(minutes=30), ends_at=now + timedelta(hours=2),
    )  # fmt: skip


def _sightings(now: datetime) -> list[Sighting]:
    check = Check(name="health", url="http://127.0.0.1:8080/health")

    def one(name: str, health: Health, minutes: float, says: str = "", **readings: float) -> Sighting:
        target = Target(name=name, via="docker", ref=f"{name}-1", managed=True, checks=(check,))
        return Sighting(
            target=target, health=health, since=now - timedelta(minutes=minutes), seen_at=now - timedelta(seconds=4),
            says=says, readings=readings,
        )  # fmt: skip

    return [
        one("checkout", Health.WELL, 177, memory_percent=61.0, cpu_percent=12.4, latency_ms=42.0),
        one("payments", Health.DOWN, 0.2, "it exited with code 137 (killed)"),
        one("search", Health.DEGRADED, 4, "disk_percent is 88.2, over 85", disk_percent=88.2, memory_percent=70.1),
        one("market-predictor", Health.WELL, 2_900, memory_percent=48.0, latency_ms=118.0, disk_percent=41.0),
        one("reports", Health.WELL, 8_000, memory_percent=22.0),
        one("mailer", Health.STARTING, 0.1),
        one("db", Health.WELL, 43_000, memory_percent=55.0, disk_percent=63.0, latency_ms=1.3),
        one("ledger", Health.UNREACHABLE, 41, "the name ledger.internal cannot be resolved, and nor can others"),
    ]


def _open(rows: Rows, target: str, kind: str, title: str, at: datetime, severity: Severity) -> Incident:
    incident = incidents.open_(
        rows, target=target, cause_group="service", kind=kind, severity=severity, title=title, now=at
    )
    labels = {"alertname": kind.title(), "service": target, "severity": severity.value, "instance": "10.0.0.4:9100"}
    alert = Alert(
        fingerprint=fingerprint(labels), status=AlertStatus.FIRING, labels=labels, annotations={"summary": title},
        starts_at=at - timedelta(seconds=2), source="alertmanager",
    )  # fmt: skip
    alerts.keep(rows, [alert], target=target, incident=incident.id, now=at)
    _tell(rows, incident, "opened", f"{alert.name} on {target}: {title}", at, actor="alertmanager")
    return incident


def _tell(rows: Rows, incident: Incident, kind: str, says: str, at: datetime, *, actor: str = "agent") -> None:
    events.add(rows, kind, says, at=at, incident=incident.id, target=incident.target, actor=actor)


def _move(rows: Rows, incident: Incident, to: Status, reason: str, at: datetime, *steps: str) -> Incident:
    moved = incidents.move(rows, incident, to, reason=reason, next_steps=steps, now=at)
    _tell(rows, incident, to.value, reason, at)
    return moved


def _attempt(rows: Rows, incident: Incident, decision: Decision, at: datetime, *, step: Step, runbook: str) -> Attempt:
    plan = Plan(incident=incident.id, runbook=runbook, target=incident.target, steps=(step,))
    return attempts.keep(
        rows,
        Attempt(
            incident=incident.id, target=incident.target, kind=incident.kind, risk="safe", plan=plan,
            decision=decision, decided_at=at, outcome=Outcome.ASKED, version="1.2.3",
        ),
    )  # fmt: skip


def _decision(permission: Permission, rule: str, reason: str) -> Decision:
    said = {
        "mode": "automatic remediation is on",
        "paused": "nothing is paused",
        "never_touch": "it is not on the never-touch set",
        "opted_in": "opted in by its label devops-agent.enable",
        "strikes": "0 of 3 strikes in the last hour",
        "cooldown": "nothing was done on it in the last 30 s",
        "blast": "reaches only the target",
        "confidence": "92 % sure, at least 50 % is asked",
        "trust": "safe actions are trusted",
    }
    verdicts = [Verdict(rule=name, permission=Permission.ALLOW, reason=says) for name, says in said.items()]
    verdicts = [Verdict(rule=rule, permission=permission, reason=reason) if v.rule == rule else v for v in verdicts]
    return Decision(permission=permission, rule=rule, reason=reason, verdicts=tuple(verdicts))


def _healed(rows: Rows, at: datetime) -> None:
    incident = _open(rows, "checkout", "down", "checkout is down", at, Severity.CRITICAL)
    moved = _move(rows, incident, Status.INVESTIGATING, "looks into it", at + timedelta(milliseconds=40))
    piece = Evidence(source="docker", name="state", value="exited", at=at, says="the container exited with code 1")
    evidence.keep(
        rows, incident.id,
        [piece, Evidence(source="http", name="health", value=False, query="GET /health", at=at, says="refused")],
    )  # fmt: skip
    decision = _decision(Permission.ALLOW, "trust", "safe actions are trusted")
    attempt = _attempt(rows, incident, decision, at + timedelta(seconds=0.2), step=RESTART, runbook="service-down")
    attempts.start(rows, attempt.id, now=at + timedelta(seconds=0.3))
    moved = _move(rows, moved, Status.REMEDIATING, "carries out service-down", at + timedelta(seconds=0.3))
    _tell(rows, incident, "step", "restart: restarted container checkout-1 in 0.6 s", at + timedelta(seconds=0.9))
    moved = _move(rows, moved, Status.VERIFYING, "watches whether it stays well", at + timedelta(seconds=1.4))
    says = "running and healthy since 12:00:01, stayed so for 5 s"
    attempts.end(rows, attempt.id, Outcome.HEALED, says=says, now=at + timedelta(seconds=6.5))
    attempts.record_action(
        rows,
        ActionDone(
            key="k1", attempt=attempt.id, incident=incident.id, target="checkout", kind="down",
            action="docker.restart", step="restart", started_at=at, ended_at=at + timedelta(seconds=0.6), ok=True,
            verified=True, says="restarted",
        ),
    )  # fmt: skip
    _move(rows, moved, Status.RESOLVED, says, at + timedelta(seconds=6.5))


def _asking(rows: Rows, at: datetime) -> None:
    incident = _open(rows, "search", "disk_filling", "search: 88 % of its disk is used", at, Severity.WARNING)
    moved = _move(rows, incident, Status.INVESTIGATING, "looks into it", at + timedelta(seconds=0.1))
    reason = "host.clean is risky: a person has to agree"
    decision = _decision(Permission.ASK, "trust", reason)
    attempt = _attempt(rows, incident, decision, at + timedelta(seconds=1), step=CLEAN, runbook="disk-filling")
    _tell(rows, incident, "decision", f"ask: {reason}", at + timedelta(seconds=1))
    approvals.ask(
        rows, incident=incident.id, digest=attempt.plan.digest, summary="disk-filling on search: host.clean",
        now=at, expires_at=at + timedelta(hours=1),
    )  # fmt: skip
    _move(rows, moved, Status.AWAITING_APPROVAL, f"asks for approval APR-1: {reason}", at + timedelta(seconds=1))


def _escalated(rows: Rows, at: datetime) -> None:
    incident = _open(rows, "ledger", "unreachable", "ledger cannot be reached from here", at, Severity.CRITICAL)
    moved = _move(rows, incident, Status.INVESTIGATING, "looks into it", at + timedelta(seconds=0.1))
    reason = "Names cannot be resolved on this machine: the trouble is between us and ledger, not in it"
    _move(
        rows, moved, Status.ESCALATED, reason, at + timedelta(seconds=2),
        "Look at /etc/resolv.conf and at the name server 10.0.0.2", "devops-agent guide INC-3 RUNBOOK",
    )  # fmt: skip


def _acting(rows: Rows, at: datetime) -> None:
    incident = _open(rows, "payments", "down", "payments exited with code 137", at, Severity.CRITICAL)
    moved = _move(rows, incident, Status.INVESTIGATING, "looks into it", at + timedelta(seconds=0.1))
    decision = _decision(Permission.ALLOW, "trust", "safe actions are trusted")
    attempt = _attempt(rows, incident, decision, at + timedelta(seconds=0.4), step=RESTART, runbook="service-down")
    attempts.start(rows, attempt.id, now=at + timedelta(seconds=0.5))
    _move(rows, moved, Status.REMEDIATING, "carries out service-down", at + timedelta(seconds=0.5))
