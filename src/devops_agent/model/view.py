"""A view: everything seen of a target in one look, and what it amounts to."""

from __future__ import annotations

import math
from datetime import datetime

from devops_agent.model.alert import Severity
from devops_agent.model.evidence import Evidence, State
from devops_agent.model.fact import Fact
from devops_agent.model.fault import FAULTS
from devops_agent.model.sighting import Health
from devops_agent.model.target import Target, Thresholds

NETWORK_VERDICTS = ("name resolution broken", "our own network down", "host unreachable")
"""What the fallback probes may find that lies between us and the target."""

_LIMITS: tuple[tuple[str, str, str], ...] = (
    ("memory_percent", "memory_percent", "memory_pressure"),
    ("disk_percent", "disk_percent", "disk_filling"),
    ("disk_percent", "disk_cleanup_percent", "disk_filling"),
    ("cpu_percent", "cpu_percent", "high_cpu"),
    ("error_percent", "error_percent", "high_error_rate"),
    ("latency_ms", "latency_ms", "high_latency"),
    ("log_growth_mb_per_minute", "log_growth_mb_per_minute", "log_growth"),
)


_PASSES = (True, "running")
"""What a check finds when nothing is wrong: yes, or a state."""


class Condition(Fact, kw_only=True):
    """Something wrong that was seen."""

    kind: str
    severity: Severity
    says: str
    at_once: bool = False
    """Certain at first sight: need not be seen twice."""


class View(Fact, kw_only=True):
    """A target in one look."""

    target: str
    at: datetime
    state: State | None = None
    evidence: tuple[Evidence, ...] = ()
    readings: dict[str, float] = {}
    failing: tuple[str, ...] = ()
    """A sentence for each vital check that fails."""
    checked: bool = False
    """Whether any vital check was made."""
    network: str = ""
    """One of NETWORK_VERDICTS when that is what keeps us from seeing it."""
    conditions: tuple[Condition, ...] = ()

    @property
    def starting(self) -> bool:
        """Whether it is being started and has time left to become well."""
        return self.state is not None and self.state.starting

    @property
    def well(self) -> bool:
        """Whether it was looked at and nothing is wrong."""
        running = self.state is not None and self.state.running is True
        return not self.conditions and not self.starting and (running or self.checked)

    @property
    def health(self) -> Health:
        """The view in one word."""
        if self.network:
            return Health.UNREACHABLE
        if self.starting:
            return Health.STARTING
        if any(FAULTS[condition.kind].rank >= FAULTS["unhealthy"].rank for condition in self.conditions):
            return Health.DOWN
        if self.conditions:
            return Health.DEGRADED
        return Health.WELL if self.well else Health.UNKNOWN

    def results(self, target: Target) -> dict[str, str]:
        """Return check of `target` → what was wrong in this look (empty: it passed), of those that were made."""
        named = {check.name for check in target.checks}
        return {
            piece.name: "" if piece.value in _PASSES else piece.says or f"it is {piece.shown}"
            for piece in self.evidence
            if piece.name in named and isinstance(piece.value, bool | str)
        }

    @property
    def says(self) -> str:
        """The view in one sentence."""
        if self.network:
            return self.network
        if self.conditions:
            return "; ".join(condition.says for condition in self.conditions)
        if self.starting:
            return "starting"
        if self.well:
            return "well"
        return next((piece.says for piece in self.evidence if piece.value == "unknown" and piece.says), "not looked at")


def view_of(target: Target, *, state: State | None, evidence: tuple[Evidence, ...], at: datetime) -> View:
    """Put together what plugins saw of `target` and say what is wrong."""
    vital = {check.name for check in target.checks if check.vital}
    failing = tuple(
        piece.says or f"{piece.name} fails" for piece in evidence if piece.name in vital and piece.value is False
    )
    readings = {
        piece.name: float(piece.value)
        for piece in evidence
        if isinstance(piece.value, int | float) and not isinstance(piece.value, bool) and _is_figure(piece.value)
        if not _of_the_one_before(piece, state)
    }
    network = next((str(p.value) for p in evidence if p.name == "verdict" and p.value in NETWORK_VERDICTS), "")
    grace = _in_grace(target, state, at=at)
    if state is not None and grace and failing:
        state = state.with_(starting=True)
    view = View(
        target=target.name,
        at=at,
        state=state,
        evidence=evidence,
        readings=readings,
        failing=failing,
        # Yes or no: that something cannot be seen is evidence too, but no check.
        checked=any(piece.name in vital and isinstance(piece.value, bool) for piece in evidence),
        network=network,
    )
    return view.with_(conditions=tuple(_conditions(view, target.thresholds)))


def _of_the_one_before(piece: Evidence, state: State | None) -> bool:
    """Whether it was measured over a window in which another instance ran: that one's errors are not this one's."""
    since = state.since if state is not None else None
    return since is not None and piece.window is not None and piece.at - piece.window < since


def _in_grace(target: Target, state: State | None, *, at: datetime) -> bool:
    """Whether it was started so lately that failures do not count."""
    if state is None or state.running is not True:
        return False
    return state.starting or (state.since is not None and at - state.since < target.start_period)


def _conditions(view: View, thresholds: Thresholds) -> list[Condition]:
    found: list[Condition] = []
    state = view.state
    if state is not None and (not state.exists or state.running is False):
        kind = "out_of_memory" if state.oom_killed else "down"
        found.append(_condition(kind, state.says or "does not run", at_once=True))
    elif view.network:
        found.append(_condition("unreachable", f"{view.network}: {'; '.join(view.failing)}"))
    elif not view.starting and (view.failing or (state is not None and state.healthy is False)):
        says = "; ".join(view.failing) or (state.says if state else "") or "unhealthy"
        found.append(_condition("unhealthy" if state is not None and state.running else "down", says))
    return [*found, *_out_of_band(view.readings, thresholds)]


def _is_figure(value: float) -> bool:
    """Whether it can be compared and written down: a service may say that its memory is at NaN, or at 10^400."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _out_of_band(readings: dict[str, float], thresholds: Thresholds) -> list[Condition]:
    found: dict[str, Condition] = {}
    for reading, threshold, kind in _LIMITS:
        limit = getattr(thresholds, threshold)
        value = readings.get(reading)
        if limit is not None and value is not None and value > limit and kind not in found:
            found[kind] = _condition(kind, f"{reading} is {value:g}, over {limit:g}")
    days, limit = readings.get("certificate_days"), thresholds.certificate_days
    if limit is not None and days is not None and days < limit:
        found["certificate_expiry"] = _condition("certificate_expiry", f"its certificate ends in {days:.1f} days")
    return list(found.values())


def _condition(kind: str, says: str, *, at_once: bool = False) -> Condition:
    return Condition(kind=kind, severity=FAULTS[kind].severity, says=says, at_once=at_once)
