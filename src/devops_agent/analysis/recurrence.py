"""Recurrence: what comes again and again, by which rhythm, and what would end it. Sentences for people."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact

if TYPE_CHECKING:
    from collections.abc import Sequence

OFTEN = 4
"""Occurrences that are a pattern."""
_STEADY = 0.25
"""Spread of the gaps, as a share of the median gap, up to which they count as one rhythm."""
_CHANCE = 0.01
"""How likely, at most, chance alone would bring the occurrences to one time of day."""
_DAYS_AT_ONE_TIME = 5
_AFTER_CHANGES = 0.7
"""Share of the occurrences right after a deployment from which it is the pattern."""
_DAY = 86_400.0

_MENDS = {
    "memory_pressure": "likely a leak: find what grows between restarts, or raise the memory limit if the use is real",
    "out_of_memory": "raise the memory limit, or find what grows until it is killed",
    "disk_filling": "rotate or expire what fills the disk where it is written, or enlarge the disk",
    "log_growth": "lower the log level, or rotate by size where the log is written",
    "crash_loop": "read the first error after a start; a restart does not mend what makes it crash",
    "down": "find what ends the process: its exit code and last lines are in the evidence",
    "unhealthy": "find what its health check waits for; a restart only begins the wait anew",
    "high_latency": "find what it waits for at these times, or give it more room",
    "high_error_rate": "mend the error that the evidence names",
    "high_cpu": "give it more processor, or find what spins",
    "dependency_down": "make it bear the absence of what it depends on, or make that more reliable",
    "unreachable": "look at the network between: name resolution, firewall, routes",
    "certificate_expiry": "renew the certificate by a timer well before it ends",
    "flapping": "widen the check's patience, or mend what comes and goes",
}
_MEND = "look for what these incidents have in common"
_AT_ONE_TIME = "look for what runs then: a backup, a batch, a rotation; move it, or give it less room"
_AFTER_DEPLOYMENT = "mend what a deployment leaves behind: warm-up, migrations, a health check that passes too early"


class Occurrence(Fact, kw_only=True):
    """One time that the trouble came."""

    incident: str
    at: datetime
    helped: str = ""
    """What verifiably ended it."""
    change: str = ""
    """The deployment, image or configuration change right before it."""


class Pattern(Fact, kw_only=True):
    """What the occurrences have in common."""

    name: str
    """`recurs`, `time of day`, `after deployments`."""
    says: str
    advice: str


def find_patterns(
    occurrences: Sequence[Occurrence], *, target: str, kind: str, window: timedelta, often: int = OFTEN
) -> list[Pattern]:
    """Return the patterns in what happened to `target` within `window`, oldest first; fewer than `often` are none."""
    if len(occurrences) < often:
        return []
    subject = f"{kind} on {target} {len(occurrences)} times in {window.days} days"
    rhythm = _rhythm([one.at for one in occurrences])
    found = [Pattern(name="recurs", says=f"{subject}, {rhythm}{_ended(occurrences)}", advice=_MENDS.get(kind, _MEND))]
    if hours := time_of_day([one.at for one in occurrences]):
        begin, end = hours
        says = f"{subject}, mostly between {_clock(begin)} and {_clock(end)} UTC"
        found.append(Pattern(name="time of day", says=says, advice=_AT_ONE_TIME))
    changed = [one for one in occurrences if one.change]
    if len(changed) >= often - 1 and len(changed) >= _AFTER_CHANGES * len(occurrences):
        says = f"{subject}, {len(changed)} of them right after a change, the last one: {changed[-1].change}"
        found.append(Pattern(name="after deployments", says=says, advice=_AFTER_DEPLOYMENT))
    return found


def time_of_day(moments: Sequence[datetime]) -> tuple[float, float] | None:
    """Return (from, to) as seconds of the UTC day around which moments gather; None when chance could bring them so.

    Rayleigh's test of uniformity on the circle of the day, with Wilkie's approximation of its p-value (Applied
    Statistics 32, 1983); one moment a day counts, for a burst on one day is no habit.
    """
    days: dict[object, float] = {}
    for moment in moments:
        days.setdefault(moment.date(), moment.hour * 3600 + moment.minute * 60 + moment.second)
    n = len(days)
    if n < _DAYS_AT_ONE_TIME:
        return None
    angles = [2 * math.pi * second / _DAY for second in days.values()]
    x, y = sum(map(math.cos, angles)), sum(map(math.sin, angles))
    length = math.hypot(x, y)
    chance = math.exp(math.sqrt(1 + 4 * n + 4 * (n * n - length * length)) - (1 + 2 * n))
    if chance > _CHANCE:
        return None
    middle = math.atan2(y, x)
    spread = math.sqrt(max(0.0, -2 * math.log(min(length / n, 1.0))))  # the circular standard deviation
    width = max(spread, 2 * math.pi * 300 / _DAY)
    return tuple((middle + way * width) / (2 * math.pi) * _DAY % _DAY for way in (-1, 1))  # type: ignore[return-value]  # two ways


def _rhythm(moments: Sequence[datetime]) -> str:
    gaps = sorted((b - a).total_seconds() for a, b in pairwise(moments))
    middle = median(gaps)
    spread = median(abs(gap - middle) for gap in gaps)
    if middle and spread <= _STEADY * middle:
        return f"about every {_span(middle)}"
    return f"{_span(gaps[0])} to {_span(gaps[-1])} apart"


def _ended(occurrences: Sequence[Occurrence]) -> str:
    ways = Counter(one.helped for one in occurrences if one.helped)
    if not ways:
        return ", never healed by the agent"
    way, count = ways.most_common(1)[0]
    return f", each healed by {way}" if count == len(occurrences) else f", {count} of them healed by {way}"


def _span(seconds: float) -> str:
    for unit, size in (("d", _DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 3 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _clock(seconds: float) -> str:
    minutes = round(seconds / 600) * 10 % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
