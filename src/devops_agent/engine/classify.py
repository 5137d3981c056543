"""Classify: from what fired and what was seen to the fault class, how sure we are, and who can mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.diagnosis import Diagnosis, Hypothesis
from devops_agent.model.fact import Fact
from devops_agent.model.fault import FAULTS, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devops_agent.model.alert import Alert
    from devops_agent.model.incident import Incident
    from devops_agent.model.insight import Insight
    from devops_agent.model.view import Condition, View

_SEEN_BY_US = frozenset(
    {"down", "unhealthy", "out_of_memory", "crash_loop", "unreachable", "dependency_down", "unknown"}
)
"""Claims about availability: a look at a target that is well refutes them, but not that it flaps."""
_READING = {
    "memory_pressure": "memory_percent",
    "disk_filling": "disk_percent",
    "high_latency": "latency_ms",
    "high_cpu": "cpu_percent",
    "high_error_rate": "error_percent",
    "log_growth": "log_growth_mb_per_minute",
    "certificate_expiry": "certificate_days",
}
"""Claims about a reading: only that reading, seen in band, refutes them."""


_PLAIN = frozenset(
    {"down", "out_of_memory", "unhealthy", "memory_pressure", "disk_filling", "log_growth", "certificate_expiry"}
)
"""What is seen with one look and mended in one way: a closer look could only delay that."""
_ELSEWHERE = 0.6
"""How sure a closer look has to be of a cause in another component."""
_UNPROVEN = 0.45
"""How sure an alert's word alone makes us when those who could bear it out know nothing: not sure enough to act."""


class History(Fact, kw_only=True):
    """What happened to the target lately."""

    healed: int
    """Plans that healed it within the window of strikes."""
    many: int
    """How many of those mean that healing does not last."""


def sure(incident: Incident, *, alerts: Sequence[Alert], view: View, ailing_parents: Sequence[str]) -> bool:
    """Whether the quick look is enough to go by."""
    if view.starting or view.network or ailing_parents or refuted(_claimed(incident, alerts), view):
        return True
    return any(condition.kind in _PLAIN for condition in view.conditions)


def diagnose(
    incident: Incident,
    *,
    alerts: Sequence[Alert],
    view: View,
    ailing_parents: Sequence[str],
    history: History,
    insight: Insight | None = None,
) -> Diagnosis:
    """Return the ranked hypotheses; pure, so that it can be replayed.

    Of an insight only what the rules found counts; what a model advised is for people.
    """
    claimed = _claimed(incident, alerts)
    if insight is not None and insight.severity is not None:  # no alert said how bad it is
        incident = incident.with_(severity=insight.severity)
    if refuted(claimed, view):
        return _diagnosis(incident, (_healthy(view),), well=True)
    if insight is not None and insight.well and not view.conditions and not view.starting and not view.network:
        return _diagnosis(incident, (_false_alarm(insight),), well=True)
    if view.starting and not view.network and "crash_loop" not in claimed:
        starting = Hypothesis(kind=incident.kind, says="it is starting and has time left", confidence=0.9)
        return _diagnosis(incident, (starting,), starting=True)
    found = _seen_and_said(claimed, alerts, view=view)
    if insight is not None:
        found = _look_closer(found, insight, view=view)
    found = _in_context(found, view=view, ailing_parents=ailing_parents, history=history)
    if "down" in found and any(a.firing and a.labels.get("stopped_by_person") == "true" for a in alerts):
        says = "a person stopped it; ask whether that was meant"
        found["down"] = Hypothesis(kind="down", says=says, confidence=0.4)
    ranked = sorted(found.values(), key=_weight, reverse=True)
    return _diagnosis(incident, tuple(ranked))


def _seen_and_said(claimed: frozenset[str], alerts: Sequence[Alert], *, view: View) -> dict[str, Hypothesis]:
    found = {h.kind: h for h in (*_from_claims(claimed, alerts), *_from_view(view))}
    if "unhealthy" in found and view.state is not None and view.state.running:
        found.pop("down", None)  # whatever an alert says: it is seen to run
    return found


def _in_context(
    found: dict[str, Hypothesis], *, view: View, ailing_parents: Sequence[str], history: History
) -> dict[str, Hypothesis]:
    """Add what lies around the target: the network between us, what it depends on, how often it was healed in vain."""
    if "unreachable" in found and view.network:
        found = {"unreachable": found["unreachable"]}
    elif ailing_parents and found.keys() & {"unhealthy", "high_latency", "high_error_rate", "down"}:
        says = f"it depends on {', '.join(ailing_parents)}, which is in trouble or was just started"
        found["dependency_down"] = Hypothesis(kind="dependency_down", says=says, confidence=0.85)
    if history.healed >= history.many and found.keys() & {"down", "unhealthy", "out_of_memory"}:
        says = f"it was healed {history.healed} times lately and failed again each time"
        found["crash_loop"] = Hypothesis(kind="crash_loop", says=says, confidence=0.9)
    return found


def refuted(kinds: frozenset[str], view: View) -> bool:
    """Whether everything that is claimed was looked for and is not so."""
    conditions = {condition.kind for condition in view.conditions}
    if not kinds or view.starting or view.network:
        return False
    return all(
        (view.well if kind in _SEEN_BY_US else False) or _in_band(kind, view, conditions) for kind in kinds
    ) and not (conditions & _SEEN_BY_US)


def _in_band(kind: str, view: View, conditions: set[str]) -> bool:
    return kind in _READING and _READING[kind] in view.readings and kind not in conditions


def _claimed(incident: Incident, alerts: Sequence[Alert]) -> frozenset[str]:
    """What is said to be wrong: by the alerts that still fire on this target, else by the incident itself."""
    kinds = {kind_of(alert.labels) for alert in alerts if alert.firing}
    return frozenset(kinds or {incident.kind})


def _from_claims(claimed: frozenset[str], alerts: Sequence[Alert]) -> list[Hypothesis]:
    """An alert's word alone is worth something, what was seen is worth more."""
    said = {kind_of(alert.labels): alert for alert in alerts if alert.firing}
    return [
        Hypothesis(
            kind=kind,
            says=said[kind].summary if kind in said else FAULTS[kind].says,
            confidence=0.3 if kind == "unknown" else 0.7,
        )
        for kind in sorted(claimed)  # sets have another order in each process: a replay must have the same
    ]


def _from_view(view: View) -> list[Hypothesis]:
    failed = tuple(piece.id for piece in view.evidence if piece.value is False and piece.id)
    rest = failed or tuple(piece.id for piece in view.evidence if piece.id)[:3]
    return [
        Hypothesis(
            kind=condition.kind,
            says=condition.says,
            confidence=0.98 if condition.at_once else 0.9,
            evidence=_shown_by(condition, view) or rest,
        )
        for condition in view.conditions
    ]


def _shown_by(condition: Condition, view: View) -> tuple[str, ...]:
    """Return the evidence that says it itself: the reading out of its band, or the sentence of its condition."""
    name = _READING.get(condition.kind)
    return tuple(
        piece.id
        for piece in view.evidence
        if piece.id and piece.value is not None and (piece.name == name or piece.says == condition.says)
    )


def _look_closer(found: dict[str, Hypothesis], insight: Insight, *, view: View) -> dict[str, Hypothesis]:
    """Add what a closer look found, and doubt what it could not bear out."""
    seen = {condition.kind for condition in view.conditions}
    here = {
        h.kind: h for h in reversed(insight.hypotheses) if not h.component and not _outdated(h.kind, seen, view=view)
    }
    merged = {
        kind: _joined(h, here[kind]) if kind in here else _doubted(h, insight) if kind not in seen else h
        for kind, h in found.items()
    }
    merged |= {kind: h for kind, h in here.items() if kind not in merged and h.confidence >= _ELSEWHERE}
    elsewhere = next((h for h in insight.hypotheses if h.component and h.confidence >= _ELSEWHERE), None)
    if elsewhere is not None and not any(condition.at_once for condition in view.conditions):
        says = f"{elsewhere.component}, which it depends on, {FAULTS[elsewhere.kind].says}: {elsewhere.says}"
        merged["dependency_down"] = elsewhere.with_(kind="dependency_down", says=says)
    return merged


def _outdated(kind: str, seen: set[str], *, view: View) -> bool:
    """Whether the quick look, which is fresher, looked for it and did not see it."""
    return kind not in seen and (kind in _SEEN_BY_US - {"unknown"} or _in_band(kind, view, seen))


def _joined(quick: Hypothesis, closer: Hypothesis) -> Hypothesis:
    return quick.with_(
        says=quick.says if closer.says in quick.says else f"{quick.says}: {closer.says}",
        confidence=max(quick.confidence, closer.confidence),
        evidence=tuple(dict.fromkeys((*closer.evidence, *quick.evidence))),
        refuted_by=closer.refuted_by,
    )


def _doubted(said: Hypothesis, insight: Insight) -> Hypothesis:
    if insight.enough or said.confidence <= _UNPROVEN:
        return said
    return said.with_(says=f"{said.says}; not enough evidence bears it out", confidence=_UNPROVEN)


def _false_alarm(insight: Insight) -> Hypothesis:
    return Hypothesis(
        kind="unknown",
        says=f"a false alarm: {insight.says}",
        confidence=0.9,
        evidence=tuple(dict.fromkeys(id_ for h in insight.hypotheses for id_ in h.evidence))[:5],
    )


def _weight(hypothesis: Hypothesis) -> tuple[bool, int, float]:
    """What explains most goes first; a guess never goes before what was seen."""
    return hypothesis.confidence >= 0.5, FAULTS[hypothesis.kind].rank, hypothesis.confidence  # noqa: PLR2004


def _healthy(view: View) -> Hypothesis:
    says = "it is well: it was looked at and nothing is wrong"
    return Hypothesis(
        kind="unknown", says=says, confidence=0.95, evidence=tuple(p.id for p in view.evidence if p.id)[:5]
    )


def _diagnosis(
    incident: Incident, hypotheses: tuple[Hypothesis, ...], *, well: bool = False, starting: bool = False
) -> Diagnosis:
    fault = FAULTS.get(hypotheses[0].kind if hypotheses else "unknown", FAULTS["unknown"])
    return Diagnosis(
        hypotheses=hypotheses,
        category=fault.category,
        complexity=fault.complexity,
        severity=max(incident.severity, fault.severity, key=lambda severity: severity.rank),
        well=well,
        starting=starting,
    )
