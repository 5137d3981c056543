"""The figures of a drill: times to detect, act and mitigate, outcomes, and what was done without need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devops_agent.model.calibration import reliability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devops_agent.drill.course import Course
    from devops_agent.drill.tell import Speaker

_P95 = 0.95
_DETECT_WITHIN, _ACT_WITHIN, _MITIGATE_WITHIN = 60.0, 120.0, 120.0
_HEALED_SHARE = 0.98
_CAUSE_SHARE = 0.90
_CALIBRATED = 0.05


@dataclass(frozen=True, kw_only=True)
class Round:
    """One fault and what came of it; times are seconds since the fault, None: not within `limit`."""

    fault: str
    detect: float | None
    act: float | None
    mitigate: float | None
    """When users were served again for good, by eyes that are not the agent's."""
    wants_healing: bool
    healed: bool
    right: bool
    outcome: str
    false_actions: int
    limit: float
    cause: str = ""
    """The fault class that the agent named, and how sure it was."""
    confidence: float = 0.0
    cause_right: bool = False


@dataclass(frozen=True, kw_only=True)
class Control:
    """One round without a fault."""

    name: str
    false: tuple[str, ...]
    """What was done, in words."""
    incidents: int
    """Incidents that it opened for nothing; no harm, but noise."""

    @property
    def false_actions(self) -> int:
        """How many actions nobody had ordered and nothing called for."""
        return len(self.false)


@dataclass(frozen=True, kw_only=True)
class Time:
    """A time that may be longer than anybody waited."""

    seconds: float
    censored: bool

    def __str__(self) -> str:
        return f"{'≥ ' if self.censored else ''}{self.seconds:.2f} s"


def outcome_of(seen: Course) -> str:
    """Return what came of a fault, in a few words."""
    if not seen.incidents:
        return "not noticed"
    if not seen.settled:
        return "not settled in time"
    if seen.escalated:
        return "handed to a person"
    return "healed" if seen.acted_on else "over by itself"


def quantile(values: Sequence[float | None], part: float, *, limit: float) -> Time:
    """Return the smallest value that at least `part` of all are not above (nearest rank); None stands at the limit.

    Values that were never seen are censored: they are longer than the limit, so a quantile that falls on one is too.
    """
    ordered = sorted(limit if value is None else value for value in values)
    if not ordered:
        return Time(seconds=0.0, censored=False)
    seen = sum(value is not None for value in values)
    rank = max(math.ceil(len(ordered) * part), 1)
    return Time(seconds=ordered[rank - 1], censored=rank > seen)


def false_actions(rounds: Sequence[Round], controls: Sequence[Control]) -> int:
    """Return how many actions were done to what was well."""
    return sum(one.false_actions for one in rounds) + sum(one.false_actions for one in controls)


def told(one: Round, *, number: int) -> str:
    """Return a round as a line."""
    times = ", ".join(
        f"{word} {'never' if value is None else f'{value:.2f} s'}"
        for word, value in (("detected", one.detect), ("acted", one.act), ("mitigated", one.mitigate))
        if word != "mitigated" or one.wants_healing
    )
    cause = f"; cause {one.cause} ({one.confidence:.0%})" if one.cause else ""
    return f"  {number:>3}  {one.fault:<16} {'right' if one.right else 'WRONG'}: {one.outcome}{cause}; {times}"


def told_control(one: Control) -> str:
    """Return a control as a line."""
    word = "right" if not one.false_actions else f"WRONG, {'; '.join(one.false)}"
    noise = f", {one.incidents} incidents" if one.incidents else ""
    return f"       {'(no fault)':<16} {word}: {one.name}{noise}"


def print_table(rounds: Sequence[Round], controls: Sequence[Control], say: Speaker) -> None:
    """Print times (median, 95th percentile) and shares, by fault and in total."""
    head = ("fault", "rounds", "detect", "p95", "act", "p95", "mitigate", "p95", "right", "false")
    table: list[tuple[str, ...]] = [head]
    names = list(dict.fromkeys(one.fault for one in rounds))
    for name in [*names, "all"]:
        those = [one for one in rounds if name in (one.fault, "all")]
        table.append((name, str(len(those)), *_times(those), _share(those), str(false_actions(those, ()))))
    say.title("Times from the fault on; ≥ marks what nobody waited for")
    say.table(table)
    noise = sum(one.incidents for one in controls)
    healing = [one for one in rounds if one.wants_healing]
    say.line("")
    say.line(f"Cause named right: {sum(one.cause_right for one in rounds)} of {len(rounds)}.")
    say.line(f"Healed: {sum(one.healed for one in healing)} of {len(healing)} that should be.")
    say.line(
        f"Without a fault: {len(controls)} rounds, {false_actions((), controls)} false actions, {noise} incidents."
    )


def rows_of(rounds: Sequence[Round], controls: Sequence[Control]) -> list[dict[str, object]]:
    """Return the figures as rows of a benchmark, with their budgets."""
    rows: list[dict[str, object]] = []
    names = list(dict.fromkeys(one.fault for one in rounds))
    for name in [*names, "all"]:
        those = [one for one in rounds if name in (one.fault, "all")]
        limit = those[0].limit if those else 0.0
        healing = [one for one in those if one.wants_healing]
        for word, values, budget in (
            ("detect", [one.detect for one in those], _DETECT_WITHIN),
            ("act", [one.act for one in those], _ACT_WITHIN),
            ("mitigate", [one.mitigate for one in healing], _MITIGATE_WITHIN),
        ):
            for part, called in ((0.5, "median"), (_P95, "p95")):
                if values:
                    time = quantile(values, part, limit=limit)
                    rows.append(
                        _row(f"{name}: time to {word}, {called}", time.seconds, "s", below=budget, ok=not time.censored)
                    )
        if healing:
            share = sum(one.healed for one in healing) / len(healing)
            rows.append(_row(f"{name}: share healed", share, "", above=_HEALED_SHARE))
        right = sum(one.right for one in those) / len(those)
        rows.append(_row(f"{name}: share of right outcomes", right, "", above=_HEALED_SHARE))
        rows.append(_row(f"{name}: false actions", float(false_actions(those, ())), "", below=1))
    named = [one for one in rounds if one.cause]
    if named:
        share = sum(one.cause_right for one in rounds) / len(rounds)
        rows.append(_row("cause named right", share, "", above=_CAUSE_SHARE))
        pairs = [(one.confidence, one.cause_right) for one in named]
        rows.append(_row("expected calibration error of the cause", reliability(pairs).ece, "", below=_CALIBRATED))
    rows.append(_row("rounds without a fault", float(len(controls)), ""))
    rows.append(_row("without a fault: false actions", float(false_actions((), controls)), "", below=1))
    rows.append(_row("without a fault: incidents", float(sum(one.incidents for one in controls)), ""))
    return rows


def _row(
    what: str, value: float, unit: str, *, below: float | None = None, above: float | None = None, ok: bool = True
) -> dict[str, object]:
    budget = f"< {below:g}" if below is not None else f"> {above:g}" if above is not None else None
    kept = value < below if below is not None else value > above if above is not None else None
    return {
        "what": what,
        "value": round(value, 3),
        "unit": unit,
        "budget": budget,
        "ok": kept and ok if kept is not None else None,
        "peer": None,
        "peer_value": None,
        "ratio": None,
    }


def _times(those: Sequence[Round]) -> list[str]:
    limit = those[0].limit
    healing = [one.mitigate for one in those if one.wants_healing]
    cells = []
    for values in ([one.detect for one in those], [one.act for one in those], healing):
        cells += [str(quantile(values, part, limit=limit)) if values else "-" for part in (0.5, _P95)]
    return cells


def _share(those: Sequence[Round]) -> str:
    return f"{100 * sum(one.right for one in those) / len(those):.0f} %"
