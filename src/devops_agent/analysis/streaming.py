"""Watches one series point by point and says how surprising each point is; pure Python, some microseconds a point.

Three views of a point are compared, each with its own past: how far it lies from what the same time of day brought on
the days before, the mean of that over the last hour's worth of points, and how far it jumped from the point before.
Each gives a tail probability by rank (as conformal detectors do: Laxhammar & Falkman 2010; Burnaev & Ishimtsev,
arXiv 1608.04585), so that no unit, distribution or limit is assumed.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, insort
from collections import deque

_DAY = 86_400.0
_DAYS = 14
"""How far back the same time of day is looked up."""
_NEAR = 3_600.0
"""Seconds from the same time of day within which a point still counts as it: at a step of an hour, its neighbours."""
_SUSTAINED = 12
"""Points of which the mean deviation is one of the views: an hour at five minutes' step."""
_MEMORY = 4_000
"""Deviations that each view remembers; two weeks at five minutes' step."""
_ENOUGH = 20
"""Deviations without which a rank says nothing."""
_REST = 0.04
"""Share of all points seen so far in which a surprise stays the news, so that only a greater one is told again."""
_REST_AT_LEAST = 60
_HUGE = 1e100
"""Greater figures are cut to it, so that their differences stay finite."""


class Stream:
    """The past of one series, and what it makes of each new point."""

    def __init__(self) -> None:
        self._season = _Season()
        self._recent: deque[float] = deque(maxlen=_SUSTAINED)
        self._views = (_Ranks(), _Ranks(), _Ranks())
        self._news = _News()
        self._last = math.nan

    def see(self, at: float, value: float) -> float:
        """Return how surprising a point is: 0 to 1, one minus the (geometric) mean of its tail probabilities.

        A point is 0 when the last few percent of all points held one that was at least as surprising: one disturbance
        is told once, and again only when it gets worse. Points have to come in order of time; one that is no finite
        number is passed over with 0, and so is all that comes before there is a past to compare with.

        Args:
            at: seconds since 1970.
            value: in any unit, always the same.

        """
        if not math.isfinite(value):
            return 0.0
        value = min(max(value, -_HUGE), _HUGE)
        deviation = self._season.deviation(at, value)
        self._recent.append(deviation)
        jump = 0.0 if math.isnan(self._last) else abs(value - self._last)
        self._last = value
        seen = (deviation, sum(self._recent) / len(self._recent), jump)
        surprise = sum(view.surprise(it) for view, it in zip(self._views, seen, strict=True)) / len(seen)
        return 1.0 - math.pow(10.0, -self._news.of(surprise))


class _Season:
    """The values of the last days, looked up by time of day."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._values: list[float] = []

    def deviation(self, at: float, value: float) -> float:
        """Return the distance from the median of the same time on the days before, 0 on the first day; remember it."""
        alike = [v for days in range(1, _DAYS + 1) for v in self._around(at - days * _DAY)]
        self._times.append(at)
        self._values.append(value)
        self._forget(before=at - (_DAYS + 1) * _DAY)
        return abs(value - statistics.median(alike)) if alike else 0.0

    def _around(self, moment: float) -> list[float]:
        if not self._times or moment < self._times[0]:
            return []
        middle = bisect_left(self._times, moment)
        near = range(max(middle - 1, 0), min(middle + 2, len(self._times)))
        return [self._values[i] for i in near if abs(self._times[i] - moment) <= _NEAR + 1]

    def _forget(self, *, before: float) -> None:
        """Let go of what is too old, a thousand at a time: taking one at a time off a list costs its whole length."""
        old = bisect_left(self._times, before)
        if old >= 1_000:  # noqa: PLR2004
            del self._times[:old], self._values[:old]


class _Ranks:
    """The last deviations of one view, sorted."""

    def __init__(self) -> None:
        self._sorted: list[float] = []
        self._order: deque[float] = deque()

    def surprise(self, deviation: float) -> float:
        """Return minus the decimal logarithm of the share of the past that deviated as much; remember it.

        Beyond all of the past it grows on, by one at most, with the distance in terms of the past's own tail.
        """
        past = self._sorted
        told = 0.0
        if len(past) >= _ENOUGH:
            as_far = len(past) - bisect_left(past, deviation)
            told = math.log10((len(past) + 1) / (as_far + 1))
            if as_far == 0:
                tail = max(past[-1] - past[int(len(past) * 0.9)], abs(past[-1]) * 1e-9, 1e-12)
                told += min(math.log10(1 + (deviation - past[-1]) / tail), 1.0)
        insort(past, deviation)
        self._order.append(deviation)
        if len(self._order) > _MEMORY:
            past.pop(bisect_left(past, self._order.popleft()))
        return told


class _News:
    """Passes on only what is greater than all that came shortly before."""

    def __init__(self) -> None:
        self._seen = 0
        self._greatest: deque[tuple[int, float]] = deque()

    def of(self, surprise: float) -> float:
        """Return the surprise, or 0 when it is none after what came before."""
        while self._greatest and self._greatest[0][0] < self._seen - max(_REST_AT_LEAST, _REST * self._seen):
            self._greatest.popleft()
        news = not self._greatest or surprise > self._greatest[0][1]
        while self._greatest and self._greatest[-1][1] <= surprise:
            self._greatest.pop()
        self._greatest.append((self._seen, surprise))
        self._seen += 1
        return surprise if news else 0.0
