"""Readings over time: buckets of equal length, what a target was in each, and how small ones make large ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact
from devops_agent.model.sighting import Health, Sighting

if TYPE_CHECKING:
    from collections.abc import Iterable

FIVE_MINUTES = timedelta(minutes=5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STEPS = (FIVE_MINUTES, HOUR, DAY)
"""Lengths of buckets, from finest to coarsest; each is made of the one before."""
KEPT = {FIVE_MINUTES: timedelta(hours=48), HOUR: timedelta(days=35), DAY: timedelta(days=396)}
"""How long buckets of each length are kept."""

_FELT = ("error_percent", "latency_ms")
"""Readings that people feel when they are out of band. Full disks and busy processors they do not, yet."""
_NOT_BETWEEN_US = "host unreachable"
"""The one verdict on the network that says more of the target's side than of ours."""


class Times(Fact, kw_only=True):
    """Seconds of a time, by how a target was."""

    well: float = 0.0
    """It served."""
    seen: float = 0.0
    """It is known how it was; the part that is not `well` was trouble."""
    excluded: float = 0.0
    """A window of maintenance was open: not counted, neither way."""

    @property
    def bad(self) -> float:
        """Seconds of trouble."""
        return max(0.0, self.seen - self.well)


class Bucket(Fact, kw_only=True):
    """What was seen of a target within a stretch of time."""

    at: datetime
    """When it begins, UTC."""
    lasts: timedelta
    well_seconds: float = 0.0
    seen_seconds: float = 0.0
    """How long it is known how it was. What `lasts` has beyond it and `excluded_seconds`, nobody was looking."""
    excluded_seconds: float = 0.0
    """How long a window of maintenance was open."""
    readings: dict[str, tuple[float, float, float]] = {}
    """Name → lowest, mean, highest."""
    looks: dict[str, int] = {}
    """Name → how many looks the mean is of."""

    @property
    def times(self) -> Times:
        """The seconds alone."""
        return Times(well=self.well_seconds, seen=self.seen_seconds, excluded=self.excluded_seconds)


def fold(parts: Iterable[Bucket], *, at: datetime, lasts: timedelta) -> Bucket:
    """Return one bucket that says what `parts`, which lie within it, say together."""
    well = seen = excluded = 0.0
    spreads: dict[str, tuple[float, float, float]] = {}
    looks: dict[str, int] = {}
    for part in parts:
        well += part.well_seconds
        seen += part.seen_seconds
        excluded += part.excluded_seconds
        for name, (low, mean, high) in part.readings.items():
            count = part.looks.get(name, 1)
            if name not in spreads:
                spreads[name], looks[name] = (low, mean, high), count
                continue
            before, known = spreads[name], looks[name]
            # Never outside of its parts, whatever rounding does.
            joint = before[1] + (mean - before[1]) * (count / (known + count))
            lowest, highest = min(before[0], low), max(before[2], high)
            spreads[name] = (lowest, min(max(joint, lowest), highest), highest)
            looks[name] = known + count
    span = lasts.total_seconds()
    excluded = min(excluded, span)
    seen = min(seen, span - excluded)
    return Bucket(
        at=at,
        lasts=lasts,
        well_seconds=min(well, seen),
        seen_seconds=seen,
        excluded_seconds=excluded,
        readings=spreads,
        looks=looks,
    )


def regroup(parts: Iterable[Bucket], lasts: timedelta) -> list[Bucket]:
    """Return buckets of a coarser length, in order, made of finer ones."""
    grouped: dict[datetime, list[Bucket]] = {}
    for part in parts:
        grouped.setdefault(floor(part.at, lasts), []).append(part)
    return [fold(grouped[at], at=at, lasts=lasts) for at in sorted(grouped)]


def floor(moment: datetime, step: timedelta) -> datetime:
    """Return when the bucket of this length begins in which a moment lies, UTC."""
    utc = moment.astimezone(UTC)
    return utc - (utc - _EPOCH) % step


def ceiling(moment: datetime, step: timedelta) -> datetime:
    """Return the first beginning of a bucket that is not before a moment, UTC."""
    begins = floor(moment, step)
    return begins if begins == moment else begins + step


def serves(seen: Sighting) -> bool | None:
    """Return whether a target does for people what it is there for; None: that is not known.

    A reading out of band counts when people feel it (errors, slow answers); a disk that fills does not. A target that
    starts does not serve. Trouble with our own network says nothing of the target.
    """
    match seen.health:
        case Health.WELL:
            return True
        case Health.DEGRADED:
            return not any(_over(seen, name) for name in _FELT)
        case Health.UNREACHABLE:
            return False if seen.says == _NOT_BETWEEN_US else None
        case Health.UNKNOWN:
            return None
        case _:
            return False


def _over(seen: Sighting, reading: str) -> bool:
    limit, value = getattr(seen.target.thresholds, reading), seen.readings.get(reading)
    return limit is not None and value is not None and value > limit


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
