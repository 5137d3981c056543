"""Says whether and how fast a series rises or falls, and when it gets to a limit, undisturbed by spikes.

The line is that of Theil and Sen: the median of all slopes between two points (P. K. Sen, "Estimates of the regression
coefficient based on Kendall's tau", JASA 63, 1968); up to 29 % of the points may be wild without moving it far.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from devops_agent.model.fact import Fact
from devops_agent.model.telemetry import Series

_Array = npt.NDArray[np.float64]

_POINTS = 400
"""A longer series is thinned out to these: the pairs grow with the square."""
_AT_LEAST = 4
_STEADY = 0.5
_HUGE = 1e100


class Trend(Fact, kw_only=True):
    """A line through a series."""

    slope: float
    """Units per second."""
    r: float
    """Kendall's rank correlation with time, -1 to 1: 1 when each point is above the one before, 0 without a trend."""
    now: float
    """The line's value at the newest point."""
    at: float
    """Time of the newest point, seconds since 1970."""

    @property
    def steady(self) -> bool:
        """Whether most of the movement is in one direction, so that it is worth drawing further."""
        return abs(self.r) >= _STEADY

    def reaches(self, limit: float) -> float | None:
        """Return the seconds from the newest point until the line gets to a limit; None when it moves away from it.

        0 when it is there or beyond it in its direction.
        """
        if self.slope == 0:
            return None
        seconds = (limit - self.now) / self.slope
        if seconds >= 0:
            return seconds
        return None


def trend(series: Series) -> Trend | None:
    """Return the line through a series; None with fewer than four points or all at one time.

    Points that are no finite numbers count as missing.
    """
    times, values = finite_points(series)
    if len(times) < _AT_LEAST or times[-1] <= times[0]:
        return None
    slope, middle = robust_line(times, values)
    return Trend(
        slope=slope,
        r=_kendall(*_thin(times, values)),
        now=middle + slope * float(times[-1] - np.median(times)),
        at=float(times[-1]),
    )


def finite_points(series: Series) -> tuple[_Array, _Array]:
    """Return times and values where both are finite; values are cut at 1e100, so that their sums stay finite."""
    times, values = np.asarray(series.times, dtype=float), np.asarray(series.values, dtype=float)
    kept = np.isfinite(times) & np.isfinite(values)
    return times[kept], np.clip(values[kept], -_HUGE, _HUGE)


def robust_line(times: _Array, values: _Array) -> tuple[float, float]:
    """Return the slope per second of the line of Theil and Sen, and its value at the median time."""
    few_times, few_values = _thin(times, values)
    rise, run = _pairs(few_times, few_values)
    slope = float(np.median(rise[run > 0] / run[run > 0])) if np.any(run > 0) else 0.0
    return slope, float(np.median(values - slope * (times - np.median(times))))


def _thin(times: _Array, values: _Array) -> tuple[_Array, _Array]:
    if len(times) <= _POINTS:
        return times, values
    kept = np.linspace(0, len(times) - 1, _POINTS).astype(int)
    return times[kept], values[kept]


def _pairs(times: _Array, values: _Array) -> tuple[_Array, _Array]:
    """Return the differences in value and in time of each point and each earlier one."""
    earlier, later = np.triu_indices(len(times), 1)
    return values[later] - values[earlier], times[later] - times[earlier]


def _kendall(times: _Array, values: _Array) -> float:
    rise, run = _pairs(times, values)
    signs = np.sign(rise) * np.sign(run)
    return float(signs.sum() / len(signs)) if len(signs) else math.nan
