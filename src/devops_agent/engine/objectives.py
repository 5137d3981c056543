"""Objectives: how targets stand against what was promised of them, and telling people when the budget goes too fast."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.model.duration import write_duration
from devops_agent.model.fact import Fact
from devops_agent.model.notice import Notice
from devops_agent.model.reading import FIVE_MINUTES, Times, floor
from devops_agent.model.slo import PERIOD, SPANS, Burn, Standing, budget, burns
from devops_agent.store import outbox, readings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.model.target import Target
    from devops_agent.store.rows import Rows


def standings(rows: Rows, targets: Iterable[Target], *, now: datetime) -> list[Standing]:
    """Return how each target that has an objective stands against it, by name."""
    objectives = {one.name: one.objective for one in targets if one.objective is not None}
    if not objectives:
        return []
    of_period = readings.times(rows, objectives, begin=now - PERIOD, end=now)
    speeds = _burns(rows, objectives, now=now)
    since = readings.first_seen(rows)
    return [
        Standing(
            target=name,
            objective=objective,
            budget=budget(
                of_period[name],
                objective=objective,
                watched=min(PERIOD, floor(now, FIVE_MINUTES) - since.get(name, now)),
            ),
            burns=speeds[name],
            at=now,
        )
        for name, objective in sorted(objectives.items())
    ]


class Burning(Fact, kw_only=True):
    """A target whose budget goes too fast."""

    target: str
    objective: float
    burn: Burn
    """Of the shortest window that burns: it speaks for the longer ones."""


def burning(rows: Rows, targets: Iterable[Target], *, now: datetime) -> list[Burning]:
    """Return the targets whose error budget goes too fast, by name."""
    objectives = {one.name: one.objective for one in targets if one.objective is not None}
    found = _burns(rows, objectives, now=now) if objectives else {}
    fastest = {name: next((burn for burn in burns_ if burn.too_fast), None) for name, burns_ in sorted(found.items())}
    return [
        Burning(target=name, objective=objectives[name], burn=burn)
        for name, burn in fastest.items()
        if burn is not None
    ]


def tell(rows: Rows, found: Iterable[Burning], *, settings: Settings, now: datetime) -> list[str]:
    """Put a notice into the outbox for each of these targets, once within the length of the window that burns.

    Return the names of those that were not told yet.
    """
    return [one.target for one in found if _tell(rows, one, settings=settings, now=now)]


def _burns(rows: Rows, objectives: dict[str, float], *, now: datetime) -> dict[str, tuple[Burn, ...]]:
    end = floor(now, FIVE_MINUTES)
    spans = {span: readings.times(rows, objectives, begin=end - span, end=end) for span in SPANS}
    return {
        name: burns({span: spans[span].get(name, Times()) for span in SPANS}, objective=objective)
        for name, objective in objectives.items()
    }


def _tell(rows: Rows, one: Burning, *, settings: Settings, now: datetime) -> bool:
    target, burn = one.target, one.burn
    long = burn.window.long
    number = int(now.timestamp() // long.total_seconds())
    key = f"slo/{target}/{write_duration(long)}"
    before = outbox.of_key(rows, f"{key}/{number - 1}")
    if before is not None and now - before.created_at < long:
        return False
    rate = burn.long_rate or 0.0
    says = (
        f"in the last {write_duration(long)} the error budget of {target} went {rate:.1f} times as fast as it may"
        f" (told from {burn.window.factor:g} times on): at this speed 30 days' worth is gone in"
        f" {write_duration(_whole_minutes(PERIOD / rate))}"
    )
    notice = Notice(
        key=f"{key}/{number}",
        incident="",
        kind="slo",
        severity=burn.window.severity,
        message={
            "title": f"{target} burns its error budget",
            "says": says,
            "target": target,
            "next_steps": [f"look at what ails {target}: devops-agent incidents --target {target}"],
            "links": {"target": f"{settings.web.public_url.rstrip('/')}/targets/{target}"},
            "facts": {
                "objective": f"{one.objective * 100:g} %",
                f"burn rate over {write_duration(long)}": f"{rate:.1f}",
                f"burn rate over {write_duration(burn.window.short)}": f"{burn.short_rate or 0.0:.1f}",
            },
        },
        created_at=now,
    )
    return outbox.put(rows, notice, wakes=bool(settings.notify.channels))


def _whole_minutes(span: timedelta) -> timedelta:
    return max(timedelta(minutes=round(span / timedelta(minutes=1))), timedelta(minutes=1))
