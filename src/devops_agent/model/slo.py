"""Objectives: how much trouble a target may have, how much of that is left, and how fast it goes.

Source: Google, The Site Reliability Workbook, chapter 5, "Alerting on SLOs", method 6: multiwindow, multi-burn-rate
alerts, with the windows and factors of its table 5-8. Time takes the place of requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from devops_agent.model.alert import Severity
from devops_agent.model.fact import Fact
from devops_agent.model.reading import Times

PERIOD = timedelta(days=30)
"""What an objective is a share of."""
_ENOUGH = 0.5
"""Share of a window of which it has to be known how the target was, for its burn rate to say anything."""


class Window(Fact, kw_only=True):
    """Two windows in which the budget has to burn faster than `factor` for people to be told."""

    long: timedelta
    short: timedelta
    """It has to burn still: what is over is not told."""
    factor: float
    """1 uses up the budget in exactly `PERIOD`."""
    severity: Severity


WINDOWS = (
    Window(long=timedelta(hours=1), short=timedelta(minutes=5), factor=14.4, severity=Severity.CRITICAL),
    Window(long=timedelta(hours=6), short=timedelta(minutes=30), factor=6.0, severity=Severity.CRITICAL),
    Window(long=timedelta(days=3), short=timedelta(hours=6), factor=1.0, severity=Severity.WARNING),
)
"""2 % of the budget in an hour, 5 % in 6 hours, 10 % in 3 days."""
SPANS = tuple(sorted({span for window in WINDOWS for span in (window.long, window.short)}))


class Burn(Fact, kw_only=True):
    """How fast the budget goes in one pair of windows."""

    window: Window
    long_rate: float | None
    """Multiples of the speed that uses up the budget in exactly `PERIOD`; None: too little is known of the window."""
    short_rate: float | None

    @property
    def too_fast(self) -> bool:
        """Whether people should be told: both windows burn faster than the factor."""
        rates = (self.long_rate, self.short_rate)
        return all(rate is not None and rate >= self.window.factor for rate in rates)


class Budget(Fact, kw_only=True):
    """What an objective leaves for trouble within a period, and what of it is gone."""

    objective: float
    availability: float | None
    """Share of the time that counts in which it served, 0 to 1; None: nothing is known."""
    allowed_seconds: float
    """Trouble that the objective leaves room for in the whole period, maintenance taken out."""
    spent_seconds: float
    left_seconds: float
    """Below zero: more trouble than there may be."""
    left: float
    """Share of the budget that is left: 1 at most, below zero when it is overspent."""
    unknown: float
    """Share of the time that was looked back on in which nobody looked, 0 to 1; it counts neither way."""


class Standing(Fact, kw_only=True):
    """How a target stands against its objective."""

    target: str
    objective: float
    budget: Budget
    burns: tuple[Burn, ...] = ()
    at: datetime


def availability(times: Times) -> float | None:
    """Return the share, 0 to 1, of the time that counts in which a target served; None when nothing is known."""
    return min(times.well / times.seen, 1.0) if times.seen > 0 else None


def budget(times: Times, *, objective: float, watched: timedelta, period: timedelta = PERIOD) -> Budget:
    """Return the error budget of an objective (0 to 1, below 1) after `times`.

    `watched` is how much of the period there is a history of: what lies before the first look is not unknown.
    """
    allowed = (1 - objective) * max(period.total_seconds() - times.excluded, 0.0)
    span = max(watched.total_seconds() - times.excluded, 0.0)
    return Budget(
        objective=objective,
        availability=availability(times),
        allowed_seconds=allowed,
        spent_seconds=times.bad,
        left_seconds=allowed - times.bad,
        left=1 - times.bad / allowed if allowed > 0 else 0.0,
        unknown=min(max(1 - times.seen / span, 0.0), 1.0) if span > 0 else 0.0,
    )


def burn_rate(times: Times, *, objective: float, span: timedelta) -> float | None:
    """Return how fast the budget went within `span`, in multiples of the speed at which it just lasts.

    None: of less than half of the window, maintenance taken out, is it known how the target was.
    """
    counted = span.total_seconds() - times.excluded
    if times.seen <= 0 or times.seen < _ENOUGH * counted:
        return None
    return times.bad / times.seen / (1 - objective)


def burns(times: Mapping[timedelta, Times], *, objective: float) -> tuple[Burn, ...]:
    """Return how fast the budget goes in each pair of windows, from the times of each of `SPANS`."""
    rates = {span: burn_rate(times[span], objective=objective, span=span) for span in SPANS}
    return tuple(
        Burn(window=window, long_rate=rates[window.long], short_rate=rates[window.short]) for window in WINDOWS
    )
