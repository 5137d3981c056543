"""A target: how it is, how it was, what it hangs on, what is done about it, and what has happened to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from devops_agent.engine.objectives import standings
from devops_agent.engine.stock import standing_of
from devops_agent.model.reading import FIVE_MINUTES, floor
from devops_agent.store import attempts, controls, incidents, learning, readings, targets
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show
from devops_agent.web.plots import Mark, Plot, Point, Stretch, Window, plot, strip
from devops_agent.web.problem import ProblemError
from devops_agent.web.render import limit, reading, reading_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from markupsafe import Markup

    from devops_agent.model.attempt import Success
    from devops_agent.model.incident import Incident
    from devops_agent.model.learning import Standing
    from devops_agent.model.reading import Bucket
    from devops_agent.model.sighting import Sighting
    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

router = APIRouter(include_in_schema=False, default_response_class=Response)

SPANS = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
_FIRST = ("memory_percent", "cpu_percent", "disk_percent", "error_percent", "latency_ms")
_PLOTS = 12
_INCIDENTS = 8
_MARKED = 50
_WELL, _BAD = 0.999, 0.5
"""Share of a stretch from which it counts as well, and to which as trouble."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """How a target was over a time."""

    plots: list[Plot]
    strip: Markup
    xs: tuple[str, ...]
    well: float | None
    """Share of the time, 0 to 1, of what is known; None: nothing is."""
    marked: bool
    """Whether anything is marked in the plots."""


@router.get("/targets/{target:path}")
async def target_(
    request: Request,
    desk: DeskOf,
    target: str,
    window: Annotated[Literal["", "1h", "6h", "24h", "7d", "30d"], Query()] = "",
) -> Response:
    """Show a target."""

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        every = {one.target.name: one for one in targets.all_(rows)}
        one = every.get(target)
        if one is None:
            raise ProblemError(404, f"There is no target {target}.")
        found = incidents.page(rows, target=target, limit=_MARKED)
        shown = window or fitting(readings.known_since(rows, target), now=now)
        return {
            "one": one,
            "found": found[:_INCIDENTS],
            "past": past(rows, one, found, span=SPANS[shown], now=now),
            "promise": next(iter(standings(rows, [one.target], now=now)), None),
            "window": shown,
            "windows": tuple(SPANS),
            "needs": [(name, every.get(name)) for name in one.target.depends_on],
            "needed_by": [other for other in every.values() if target in other.target.depends_on],
            "success": _success(rows, desk, one, now=now),
            "pauses": [pause for pause in controls.pauses(rows, now=now) if pause.holds(target)],
            "restartable": f"{one.target.via}.restart" in desk.parts.actions(),
        }

    return await show(request, desk, "target", read)


def fitting(since: datetime | None, *, now: datetime) -> str:
    """Return the window that is shown unless another is asked for: a day, or less when less is known."""
    known = now - since if since else timedelta()
    return next((name for name in ("1h", "6h") if known <= SPANS[name]), "24h")


def past(rows: Rows, one: Sighting, found: Iterable[Incident], *, span: timedelta, now: datetime) -> Past:
    """Return how a target was in the `span` until now, with what happened to it marked."""
    buckets = readings.history(rows, one.target.name, begin=now - span, end=now)
    step = buckets[0].lasts if buckets else FIVE_MINUTES
    end = floor(now, step) + step
    window = Window(begin=end - span, end=end, step=step)
    marks = [*_troubles(found, window), *_deeds(rows, one.target.name, window)]
    points = _points(buckets, one, window)
    names = [*(name for name in _FIRST if name in points), *sorted(points.keys() - set(_FIRST))]
    known = sum(bucket.seen_seconds for bucket in buckets)
    well = sum(bucket.well_seconds for bucket in buckets) / known if known else None
    told = "nobody looked" if well is None else f"well {well:.2%} of the time that is known"
    return Past(
        plots=[_plot(name, points[name], one, window, marks) for name in names[:_PLOTS]],
        strip=strip(_stretches(buckets), window, says=told),
        xs=window.ticks(),
        well=well,
        marked=bool(marks),
    )


def _plot(name: str, points: Sequence[Point], one: Sighting, window: Window, marks: Sequence[Mark]) -> Plot:
    highest = limit(one, name)
    return plot(
        reading_name(name),
        points,
        window,
        write=lambda value: reading(value, name),
        limit=highest if math.isfinite(highest) else None,
        marks=marks,
    )


def _points(buckets: Iterable[Bucket], one: Sighting, window: Window) -> dict[str, list[Point]]:
    """Return reading → its points; the last is what was seen just now, when no bucket holds it yet."""
    points: dict[str, list[Point]] = {}
    for bucket in buckets:
        if bucket.at < window.begin:
            continue
        for name, (low, mean, high) in bucket.readings.items():
            points.setdefault(name, []).append(Point(at=bucket.at, low=low, mean=mean, high=high))
    at = floor(one.seen_at, window.step)
    for name, value in one.readings.items():
        known = points.setdefault(name, [])
        if at >= window.begin and not (known and known[-1].at >= at):
            known.append(Point(at=at, low=value, mean=value, high=value))
    return {name: known for name, known in points.items() if known}


def _stretches(buckets: Iterable[Bucket]) -> Iterator[Stretch]:
    for bucket in buckets:
        if bucket.excluded_seconds > bucket.seen_seconds:
            kind, says = "excluded", "maintenance"
        elif not bucket.seen_seconds:
            continue
        elif (share := bucket.well_seconds / bucket.seen_seconds) >= _WELL:
            kind, says = "well", "well"
        else:
            kind = "bad" if share <= _BAD else "part"
            says = f"{bucket.at:%d %b %H:%M}: well {share:.0%} of the time"
        yield Stretch(begin=bucket.at, end=bucket.at + bucket.lasts, kind=kind, says=says)


def _troubles(found: Iterable[Incident], window: Window) -> Iterator[Mark]:
    for one in found:
        until = one.resolved_at or window.end
        if until >= window.begin:
            says = f"{one.id}: {one.title}" + ("" if one.resolved_at else ", still open")
            yield Mark(at=one.opened_at, until=until, says=says, kind="m-incident")


def _deeds(rows: Rows, target: str, window: Window) -> Iterator[Mark]:
    for done in attempts.actions_on(rows, target, since=window.begin):
        came = "proven" if done.verified else "done" if done.ok else "failed"
        says = f"{done.started_at:%d %b %H:%M:%S} {done.action}, {came} ({done.incident})"
        yield Mark(at=done.started_at, says=says, kind="m-action")


def _success(rows: Rows, desk: Desk, one: Sighting, *, now: datetime) -> list[tuple[Success, Standing | None]]:
    """Return what actions came to on a target, each with how far it is trusted; None: nothing offers it any more."""
    settings, actions = desk.parts.settings(), desk.parts.actions()
    since = now - settings.learning.memory
    found: list[tuple[Success, Standing | None]] = []
    for row in attempts.success(rows, target=one.target.name):
        standing = None
        if row.action in actions:
            trials = learning.of_target(rows, one.target.name, row.kind, since=since)
            standing = standing_of(
                actions[row.action],
                target=one.target,
                trials=[trial for trial in trials if row.action in trial.actions],
                waited=learning.waited(rows, row.kind, target=one.target.name, since=since),
                settings=settings,
                now=now,
            )
        found.append((row, standing))
    return found
