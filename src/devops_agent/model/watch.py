"""A watch: what repeated looks at one target add up to; decides when a condition begins and ends. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.model.fact import Fact
from devops_agent.model.fault import FAULTS
from devops_agent.model.target import Target
from devops_agent.model.view import Condition, View

ALERTNAMES = {
    "down": "TargetDown",
    "unhealthy": "TargetUnhealthy",
    "unreachable": "TargetUnreachable",
    "out_of_memory": "TargetOutOfMemory",
    "memory_pressure": "MemoryPressure",
    "disk_filling": "DiskFilling",
    "high_cpu": "HighCpu",
    "high_error_rate": "HighErrorRate",
    "high_latency": "HighLatency",
    "log_growth": "LogGrowth",
    "certificate_expiry": "CertificateExpiry",
    "flapping": "TargetFlapping",
}
"""What our own alerts are called, by fault class."""

SOURCE = "poller"
"""Who raises them."""


class Streak(Fact, kw_only=True):
    """One condition, as far as it has been seen."""

    bad: int = 0
    good: int = 0
    firing_since: datetime | None = None


class Watch(Fact, kw_only=True):
    """What is remembered of a target between looks."""

    streaks: dict[str, Streak] = {}
    """Fault class → streak."""
    turns: tuple[datetime, ...] = ()
    """When it changed between well and unwell, within the window of flapping."""
    unwell: bool = False

    @property
    def in_trouble(self) -> bool:
        """Whether anything is, or may be, wrong: look more often."""
        return any(streak.bad or streak.firing_since for streak in self.streaks.values())


class Patience(Fact, kw_only=True):
    """How often something has to be seen."""

    rise: int
    fall: int
    flapping_changes: int
    flapping_window: timedelta


def advance(
    watch: Watch, view: View, *, target: Target, patience: Patience, now: datetime
) -> tuple[Watch, list[Alert]]:
    """Add one look; return the new watch and the alerts that begin, go on (repeated) or end by it."""
    if view.starting and not view.conditions:
        return watch, []
    seen = {condition.kind: condition for condition in view.conditions}
    turns = watch.turns
    unwell = bool(seen)
    if unwell != watch.unwell:
        turns = (*turns, now)
    turns = tuple(turn for turn in turns if now - turn < patience.flapping_window)
    if len(turns) >= patience.flapping_changes:
        says = f"changed {len(turns)} times between well and unwell within {patience.flapping_window}"
        seen["flapping"] = Condition(kind="flapping", severity=FAULTS["flapping"].severity, says=says, at_once=True)
    streaks: dict[str, Streak] = {}
    alerts: list[Alert] = []
    for kind in sorted(seen.keys() | watch.streaks.keys()):
        streak, alert = _advance_one(watch.streaks.get(kind, Streak()), seen.get(kind), kind, target, patience, now)
        if streak.bad or streak.firing_since:
            streaks[kind] = streak
        if alert is not None:
            alerts.append(alert)
    return Watch(streaks=streaks, turns=turns, unwell=unwell), alerts


def begin_again(watch: Watch, kinds: frozenset[str], *, now: datetime) -> Watch:
    """Let firings whose incident was closed meanwhile begin anew: the condition holds again, or still."""
    streaks = {
        kind: streak.with_(firing_since=now) if kind in kinds and streak.firing_since else streak
        for kind, streak in watch.streaks.items()
    }
    return watch.with_(streaks=streaks)


def recalled(watch: Watch, alert: Alert) -> Watch:
    """Return the watch with a firing that an earlier run of the agent began, so that it goes on, or ends, as that."""
    kind = alert.labels["devops_agent_kind"]
    since = max(alert.starts_at, watch.streaks.get(kind, Streak()).firing_since or alert.starts_at)
    return watch.with_(streaks={**watch.streaks, kind: Streak(firing_since=since)}, unwell=True)


def alert_of(target: Target, condition: Condition, *, since: datetime) -> Alert:
    """Return the alert that says that this condition holds since then."""
    labels = {
        "alertname": ALERTNAMES[condition.kind],
        "devops_agent_target": target.name,
        "devops_agent_kind": condition.kind,
        "severity": condition.severity.value,
    }
    return Alert(
        fingerprint=fingerprint(labels),
        status=AlertStatus.FIRING,
        labels=labels,
        annotations={"summary": condition.says},
        starts_at=since,
        source=SOURCE,
    )


def _advance_one(
    streak: Streak, condition: Condition | None, kind: str, target: Target, patience: Patience, now: datetime
) -> tuple[Streak, Alert | None]:
    if condition is not None:
        bad = streak.bad + 1
        since = streak.firing_since
        if since is None and (condition.at_once or bad >= patience.fall):
            since = now
        return Streak(bad=bad, firing_since=since), alert_of(target, condition, since=since) if since else None
    good = streak.good + 1
    if streak.firing_since is None:
        return Streak(), None
    if good < patience.rise:
        return Streak(good=good, firing_since=streak.firing_since), None
    ended = Condition(kind=kind, severity=FAULTS[kind].severity, says=f"{FAULTS[kind].says}: no longer")
    alert = alert_of(target, ended, since=streak.firing_since)
    return Streak(), alert.with_(status=AlertStatus.RESOLVED, ends_at=now)
