"""Finds where a series left its usual course: what is usual, its own past says.

The past gives a centre (or a trend, or what the same time brought on other days) and how far and how long the series
strays from it by itself. The window is searched for the run of points that leaves it the most (CUSUM: E. S. Page,
"Continuous inspection schemes", Biometrika 41, 1954), on deviations clipped so that lone spikes carry no run. What is
usual is widened for noise that hangs together (first-order autocorrelation), so a wandering series is not taken for a
shifted one.

In healthy series of 240 points, the last 80 searched, something is found in about one of a hundred or fewer with white,
heavy-tailed, skewed, spiky, sparse, seasonal or autocorrelated noise; in about three with a random walk or with noise
that jumps between two levels, and more often when the past is shorter than the window. A shift by four standard
deviations is found in 99 of a hundred. (`python -m benchmarks anomaly` measures this again.)
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from devops_agent.analysis.trend import finite_points, robust_line
from devops_agent.model.insight import Anomaly
from devops_agent.model.telemetry import Series

_Array = npt.NDArray[np.float64]

_PAST_AT_LEAST = 8
_RUN_AT_LEAST = 2
"""Points that a change has to last."""
_FAR_ENOUGH = 0.2
"""The lowest score that is told of."""
_CLIP = 6.0
"""In units of the past's spread: what one point can bring to a run at most."""
_SLACK = 0.75
"""In units of the past's spread: deviations below it end a run."""
_STRONG = 2.0
"""In units of the past's spread: what begins a run for certain."""
_SUDDEN = 0.5
"""The share of a shift that has to come about at once."""
_CHANCE = 1e-3
"""That spikes meet: more is no anomaly."""
_SEASONS = (86_400.0, 604_800.0)
_ROUNDS = 7
"""Days or weeks, each way, of which the same time is looked at."""
_EXPLAINS = 0.7
"""A season is believed when it leaves less than this share of the spread."""
_TREND_EXPLAINS = 0.35
"""The same for a trend, which goes on beyond the past and so has to be plain."""
_STEADIEST = 0.98
"""The greatest autocorrelation that is reckoned with."""


def find_anomaly(series: Series, *, since: float | None = None) -> Anomaly | None:
    """Return where and how far a series left its usual course, or None when it did not or its past is too short.

    A change counts when at least two points in a row show it, and a good part of it comes at once: a slow drift is a
    trend. The score is `1 - usual / deviation`: the deviation is that of the median over the run, and usual is as far
    as the series goes by itself for as long. So 0.5 is twice as far as usual, 0.9 ten times; below 0.2 nothing is told.

    Args:
        series: oldest first, any step; points that are no finite numbers count as missing. With two days or more of
            past (two weeks), what the same time brought on the other days (weeks) is expected if that explains it.
        since: seconds since 1970; what lies before is the past, at least eight points, and a change is looked for from
            there on. Best some minutes before the trouble was noticed: trouble in the past counts as usual. Without it,
            the first half of the points is the past.

    Returns:
        Its `before` is what was expected over the run, in the middle: the past's median unless it has a season or a
        trend. Its `begins_at` is the time of the first point of the run.

    """
    times, values = finite_points(series)
    split = len(times) // 2 if since is None else int(np.searchsorted(times, since))
    if split < _PAST_AT_LEAST or len(times) - split < _RUN_AT_LEAST:
        return None
    expected = _expected(times, values, split)
    deviation = values - expected
    past = deviation[:split]
    spread = _spread(past, values[:split])
    run = _farthest_run(deviation[split:] / spread)
    if run is None:
        return None
    first, last = run[0] + split, run[1] + split
    shift = float(np.median(deviation[first:last]))
    usual = _usual(past, spread, length=last - first, places=len(times) - split)
    score = 1.0 - usual / max(abs(shift), usual)
    if score < _FAR_ENOUGH or not _sudden(deviation, first, last, shift) or _by_chance(deviation, split, first, last):
        return None
    return Anomaly(
        series=series.name,
        target=series.target,
        begins_at=datetime.fromtimestamp(float(times[first]), UTC),
        score=score,
        before=float(np.median(values[first:last])) - shift,
        after=float(np.median(values[first:last])),
        unit=series.unit,
    )


def _expected(times: _Array, values: _Array, split: int) -> _Array:
    """Return what the past lets expect for each point: of level, trend and seasons the plainest that explains it."""
    past = slice(0, split)
    level = np.full(len(values), np.median(values[past]))
    best, least = level, _mad(values[past] - level[past])
    for season in _SEASONS:
        if times[split - 1] - times[0] < 2 * season:
            break
        seasonal = _same_time(times, values, split, season)
        left = _mad(values[past] - seasonal[past])
        if left < _EXPLAINS * least:
            best, least = seasonal, left
    if best is level:
        slope, middle = robust_line(times[past], values[past])
        trend = middle + slope * (times - np.median(times[past]))
        if _mad(values[past] - trend[past]) < _TREND_EXPLAINS * least:
            return trend
    return best


def _same_time(times: _Array, values: _Array, split: int, season: float) -> _Array:
    """Return, for each point, the median of what the past brought at the same time of the other seasons."""
    step = float(np.median(np.diff(times[:split])))
    rounds = min(int((times[-1] - times[0]) // season) + 1, _ROUNDS)
    seen = np.full((2 * rounds, len(times), 3), np.nan)
    for row, turn in enumerate([*range(-rounds, 0), *range(1, rounds + 1)]):
        moment = times + turn * season
        nearest = np.searchsorted(times[:split], moment - step / 2)
        for column in range(3):
            at = np.clip(nearest + column - 1, 0, split - 1)
            near = np.abs(times[at] - moment) <= 1.5 * step
            seen[row, near, column] = values[at[near]]
    flat = np.moveaxis(seen, 1, 0).reshape(len(times), -1)
    known = np.isfinite(flat).any(axis=1)
    expected = np.full(len(times), np.median(values[:split]))
    expected[known] = np.nanmedian(flat[known], axis=1)
    return expected


def _spread(deviation: _Array, values: _Array) -> float:
    """Return how far the past's points lie from what was expected, as a standard deviation if they were normal.

    A flat past would make anything an anomaly, so it is at least a thousandth of the level.
    """
    typical = float(np.mean(np.minimum(np.abs(deviation), np.quantile(np.abs(deviation), 0.98))))
    return max(_mad(deviation), typical, abs(float(np.median(values))) * 1e-3, 1e-12)


def _mad(deviation: _Array) -> float:
    """Return the median absolute deviation, scaled to the standard deviation of a normal distribution."""
    return 1.4826 * float(np.median(np.abs(deviation - np.median(deviation))))


def _farthest_run(deviation: _Array) -> tuple[int, int] | None:
    """Return the first point of the run that leaves zero the most, in one direction, and the one after its last."""
    best, where, way = 0.0, (0, 0), 1.0
    for sign in (1.0, -1.0):
        steps = np.clip(sign * deviation, -_CLIP, _CLIP) - _SLACK
        total = np.cumsum(steps)
        lowest = np.minimum.accumulate(np.minimum(np.concatenate([[0.0], total[:-1]]), 0.0))
        climbed = total - lowest
        last = int(np.argmax(climbed))
        if climbed[last] > best:
            best, way = float(climbed[last]), sign
            before = np.concatenate([[0.0], total[:last]])
            where = (int(np.nonzero(before <= lowest[last])[0][-1]), last + 1)
    first, end = where
    if end - first < _RUN_AT_LEAST:
        return None
    strength = way * deviation[first:end]
    level = float(np.median(strength))
    strong = strength >= min(level / 2, max(level / 8, _STRONG))
    lasting = np.lib.stride_tricks.sliding_window_view(strong, _RUN_AT_LEAST)
    begins = np.nonzero(lasting[:, 0] & (2 * lasting.sum(axis=1) > _RUN_AT_LEAST))[0]
    return (first + int(begins[0]), end) if len(begins) else None


def _sudden(deviation: _Array, first: int, last: int, shift: float) -> bool:
    """Return whether a good part of a shift came about within a twelfth of all points: a slow drift is a trend."""
    while_it = max(_RUN_AT_LEAST, len(deviation) // 12)
    before = float(np.median(deviation[max(first - while_it, 0) : first]))
    then = min(first + while_it, last)
    after = float(np.median(deviation[max(then - while_it // 2, first) : then]))
    return bool((after - before) * np.sign(shift) >= _SUDDEN * abs(shift))


def _by_chance(deviation: _Array, split: int, first: int, last: int) -> bool:
    """Return whether spikes as the past has them could have come together by chance to make a run.

    The chance that so many points of the run are out, each independently as often as in the past, is bounded as by
    H. Chernoff (1952) and taken for each place where a run can begin.
    """
    half = float(np.median(deviation[first:last])) / 2
    out = deviation * np.sign(half) >= abs(half)
    length = last - first
    often = (float(out[:split].sum()) + 0.5) / (split + 1)
    share = float(out[first:last].mean())
    if share <= often:
        return True
    unlike = share * np.log(share / often)
    unlike += (1 - share) * np.log((1 - share) / (1 - often)) if share < 1 else 0.0
    return bool(np.log(len(deviation) - split) - length * unlike > np.log(_CHANCE))


def _usual(past: _Array, spread: float, *, length: int, places: int) -> float:
    """Return how far the median of a run of this length goes by itself: as seen, and as noise of this kind would.

    The noise is that of a mean, at the highest of as many places as a run can begin at.
    """
    width = max(_RUN_AT_LEAST, min(length, len(past) // 4))
    runs = np.median(np.lib.stride_tricks.sliding_window_view(past, width), axis=1)
    steadiness = _steadiness(past, spread)
    error = np.sqrt((1 + steadiness) / (1 - steadiness) / length)
    noise = spread * (1.0 + (1.0 + np.sqrt(2 * np.log(places))) * error)
    return max(float(np.abs(runs).max()), float(noise))


def _steadiness(past: _Array, spread: float) -> float:
    """Return how alike neighbouring points are: autocorrelation at one step, its bias in short series corrected."""
    clipped = np.clip(past, -_CLIP / 2 * spread, _CLIP / 2 * spread)
    clipped = clipped - clipped.mean()
    power = float(np.dot(clipped, clipped))
    if power <= 0:
        return 0.0
    seen = float(np.dot(clipped[1:], clipped[:-1])) / power
    return float(np.clip(seen + (1 + 3 * seen) / len(past), 0.0, _STEADIEST))
