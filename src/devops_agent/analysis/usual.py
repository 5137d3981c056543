"""How far something has left its usual course, on a scale on which unlike things can be compared."""

from collections.abc import Iterable, Sequence
from math import log
from statistics import median

_NOTICED = 2.0
"""Usual spreads from which on a departure counts."""
_UTTER = 300.0
"""Usual spreads from which on it cannot count for more."""
_TAIL = 0.9
_TAIL_OF_NORMAL = 1.2816
"""Standard deviations at which a normal distribution has `_TAIL` below it."""


def strangeness(usual: Sequence[float], now: float, *, least: float) -> float:
    """Return how strange `now` is beside values of the usual course: 0 not at all, 1 utterly, below 0 when it fell.

    The unit is the spread between median and tenth or ninetieth centile, whichever lies on the side that `now` is on,
    as standard deviations of a normal distribution; so a few spoilt values do not matter, and a skewed course is
    measured on the right side. From two spreads on the answer grows with the logarithm up to three hundred.

    Args:
        usual: What was measured when all was as ever, in any order, one value at least.
        now: What is measured now.
        least: A spread that is ordinary for things of this kind, above 0: a constant course has none of its own.

    """
    ordered = sorted(usual)
    middle = median(ordered)
    low, high = _centile(ordered, 1 - _TAIL), _centile(ordered, _TAIL)
    side = high - middle if now > middle else middle - low
    spread = max(side / _TAIL_OF_NORMAL, (high - low) / 2 / _TAIL_OF_NORMAL, least)
    spreads = abs(now - middle) / spread
    if spreads <= _NOTICED:
        return 0.0
    strength = min(1.0, log(spreads / _NOTICED) / log(_UTTER / _NOTICED))
    return strength if now > middle else -strength


def first_beyond(points: Iterable[tuple[float, float]], usual: Sequence[float], *, least: float) -> float | None:
    """Return when the first of `points` (time, value) is strangely high beside `usual`; None when none is."""
    return next((time for time, value in points if strangeness(usual, value, least=least) > 0), None)


def _centile(ordered: Sequence[float], part: float) -> float:
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]
