"""Values turned into pictures: SVG that needs no script, no style in tags, and whose numbers can be read as a table.

Colours come from classes in page.css. What stretches with the page holds no text; axes are written beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

_WIDE, _HIGH = 1000, 200
_EDGE = 3
"""Room for half of the line's width above the highest value and below the lowest."""
_STEPS = (1, 2, 4, 6, 8, 10)
"""Ends of an axis that can be halved without odd fractions."""
_LIMIT_SHOWN = 2.5
"""A limit more times as high as anything measured would press the line to the ground; it is only told."""
_MOST_NUMBERS = 48
_HUNDRED = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """What was measured in a stretch of time."""

    at: datetime
    """When the stretch begins."""
    low: float
    mean: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Something that happened: at a moment, or from then on until `until`."""

    at: datetime
    says: str
    kind: str
    """A class of page.css: `m-action`, `m-incident`."""
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The time that is shown."""

    begin: datetime
    end: datetime
    step: timedelta
    """How long the stretches are that were measured; where one is missing, nobody looked."""

    def x(self, moment: datetime) -> float:
        """Return where a moment is, 0 to 1000; outside it is at the nearer end."""
        return _WIDE * min(max((moment - self.begin) / (self.end - self.begin), 0.0), 1.0)

    def ticks(self, parts: int = 4) -> tuple[str, ...]:
        """Return the times at equal distances from begin to end, as people write them."""
        span = self.end - self.begin
        form = "%H:%M" if span.days < 2 else "%a %H:%M" if span.days < 4 else "%d %b"  # noqa: PLR2004 — days
        return tuple((self.begin + span * part / parts).strftime(form) for part in range(parts + 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """A plot with everything that is written beside it."""

    name: str
    svg: Markup
    latest: str
    spread: str
    """Lowest to highest."""
    limit: str
    """Empty: it has none."""
    over: bool
    """Whether the latest is over the limit."""
    ys: tuple[str, ...]
    """The y axis, from the top."""
    xs: tuple[str, ...]
    numbers: tuple[tuple[str, str, str, str], ...]
    """When, lowest, mean, highest; newest first, at most 48 lines."""


def plot(
    name: str,
    points: Sequence[Point],
    window: Window,
    *,
    write: Callable[[float], str],
    limit: float | None = None,
    marks: Sequence[Mark] = (),
) -> Plot:
    """Return the plot of a reading: its mean as a line, lowest to highest as a band, gaps where nobody looked.

    Args:
        name: of the reading, for people.
        points: at least one, oldest first.
        window: what is shown.
        write: a value with its unit.
        limit: above which it is a problem.
        marks: incidents and actions within the window.

    """
    low, high = min(point.low for point in points), max(point.high for point in points)
    bottom, top = axis(low, high, limit)
    latest = points[-1].mean
    spread = f"{write(low)} to {write(high)}" if low < high else f"always {write(low)}"
    if len(points) == 1 and low == high:
        spread = "seen once"
    told = f"{name}: {spread}, last {write(latest)}" + (f", limit {write(limit)}" if limit is not None else "")
    return Plot(
        name=name,
        svg=line(points, window, bottom=bottom, top=top, limit=limit, marks=marks, says=told),
        latest=write(latest),
        spread=spread,
        limit=write(limit) if limit is not None else "",
        over=limit is not None and latest > limit,
        ys=tuple(write(value) for value in (top, (top + bottom) / 2, bottom)),
        xs=window.ticks(),
        numbers=tuple(_numbers(points, write)),
    )


def axis(low: float, high: float, limit: float | None = None) -> tuple[float, float]:
    """Return round ends of an axis that holds the values, zero, and the limit unless it is far off."""
    if limit is not None and high < limit <= high * _LIMIT_SHOWN:
        high = limit * 1.05 if limit != _HUNDRED else limit
    return -_round_up(-low) if low < 0 else 0.0, _round_up(high) if high > 0 else (0.0 if low < 0 else 1.0)


def line(  # noqa: PLR0913 — a picture of these parts
    points: Sequence[Point],
    window: Window,
    *,
    bottom: float,
    top: float,
    says: str,
    limit: float | None = None,
    marks: Sequence[Mark] = (),
) -> Markup:
    """Return a line with its band, gaps, limit and marks, stretched to whatever room there is."""

    def y(value: float) -> float:
        return _EDGE + (_HIGH - 2 * _EDGE) * (1 - min(max((value - bottom) / (top - bottom), 0.0), 1.0))

    runs = list(_runs(points, window.step))
    parts = [f'<path class="grid" d="M0 {_HIGH / 2:g}H{_WIDE}"/>']
    parts += [_rect(window.x(begin), window.x(end), "gap", "not looked at") for begin, end in _gaps(runs, window)]
    parts += [_span(mark, window) for mark in marks if mark.until is not None]
    for run in runs:
        xs = [window.x(point.at + window.step / 2) for point in run]
        upper = " ".join(f"{x:.1f} {y(point.high):.1f}" for x, point in zip(xs, run, strict=True))
        lower = " ".join(f"{x:.1f} {y(point.low):.1f}" for x, point in zip(reversed(xs), reversed(run), strict=True))
        parts.append(f'<path class="band" d="M{upper} {lower}Z"/>')
        drawn = _path(zip(xs, (y(point.mean) for point in run), strict=True))
        parts.append(f'<path class="line{"" if len(run) > 1 else " lone"}" d="{drawn}"/>')
    if limit is not None and bottom <= limit <= top:
        parts.append(f'<path class="limit" d="M0 {y(limit):.1f}H{_WIDE}"/>')
    parts += [_moment(mark, window) for mark in marks if mark.until is None]
    return _svg("".join(parts), says=says, box=(_WIDE, _HIGH), css="chart")


def bars(values: Sequence[tuple[str, float]], *, says: str, write: Callable[[float], str] = "{:g}".format) -> Markup:
    """Return a bar for each (label, value of at least 0), side by side, each with its label on demand."""
    _, top = axis(0.0, max((value for _, value in values), default=1.0))
    wide = _WIDE / max(len(values), 1)
    parts = []
    for index, (label, value) in enumerate(values):
        high = _HIGH * max(value, 0.0) / top
        parts.append(
            f'<rect class="bar" x="{wide * (index + 0.1):.1f}" y="{_HIGH - high:.1f}" width="{wide * 0.8:.1f}"'
            f' height="{high:.1f}"><title>{escape(label)}: {escape(write(value))}</title></rect>'
        )
    return _svg("".join(parts), says=says, box=(_WIDE, _HIGH), css="chart")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """How something was from one moment to another."""

    begin: datetime
    end: datetime
    kind: str
    """`well`, `part`, `bad`, `excluded`; where there is no stretch, it is not known."""
    says: str


_TALL = {"well": (10, 14), "part": (4, 20), "bad": (0, 24), "excluded": (8, 16)}
"""Kind of a stretch → its upper and lower edge of 24: trouble stands out by height, not by colour alone."""


def strip(stretches: Iterable[Stretch], window: Window, *, says: str) -> Markup:
    """Return how something was over time, as a strip; neighbours of one kind are one piece."""
    joined: list[Stretch] = []
    for one in stretches:
        last = joined[-1] if joined else None
        if last and last.kind == one.kind and last.end >= one.begin and last.says == one.says:
            joined[-1] = Stretch(begin=last.begin, end=one.end, kind=one.kind, says=one.says)
        else:
            joined.append(one)
    parts = []
    for one in joined:
        upper, lower = _TALL[one.kind]
        left, right = window.x(one.begin), window.x(one.end)
        parts.append(
            f'<rect class="k-{escape(one.kind)}" x="{left:.1f}" y="{upper}" width="{max(right - left, 1):.1f}"'
            f' height="{lower - upper}"><title>{escape(one.says)}</title></rect>'
        )
    return _svg("".join(parts), says=says, box=(_WIDE, 24), css="strip")


def reliability(bands: Iterable[tuple[float, float, int]], *, says: str) -> Markup:
    """Return how often each stated confidence was right: (stated, share right, claims), the shares 0 to 1.

    A point on the diagonal keeps its word; under it is too sure of itself. Its area grows with the number of claims.
    """
    edge, side = 34, 200

    def place(stated: float, right: float) -> tuple[float, float]:
        return edge + side * stated, 8 + side * (1 - right)

    parts = [f'<path class="grid" d="M{edge} 8V{8 + side}H{edge + side}M{edge} {8 + side / 2:g}h{side}"/>']
    parts.append(f'<path class="ideal" d="M{edge} {8 + side}L{edge + side} 8"/>')
    shown = sorted(bands)
    parts.append(f'<path class="line" d="{_path(place(stated, right) for stated, right, _ in shown)}"/>')
    for stated, right, claims in shown:
        x, y = place(stated, right)
        told = f"{stated:.0%} stated, {right:.0%} right, {claims} claims"
        size = min(3 + math.sqrt(claims), 14)
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"><title>{told}</title></circle>')
    for share in (0, 50, 100):
        x, y = place(share / 100, share / 100)
        parts.append(f'<text x="{edge - 5}" y="{y + 4:g}" text-anchor="end">{share}</text>')
        parts.append(f'<text x="{x:g}" y="{8 + side + 16}" text-anchor="middle">{share}</text>')
    parts.append(f'<text x="{edge + side / 2:g}" y="{8 + side + 32}" text-anchor="middle">stated, %</text>')
    parts.append(
        f'<text x="12" y="{8 + side / 2:g}" text-anchor="middle" transform="rotate(-90 12 108)">right, %</text>'
    )
    return _svg("".join(parts), says=says, box=(250, 246), css="curve", stretched=False)


def _svg(inside: str, *, says: str, box: tuple[int, int], css: str, stretched: bool = True) -> Markup:
    ratio = ' preserveAspectRatio="none"' if stretched else ""
    held = f'class="{css}" viewBox="0 0 {box[0]} {box[1]}"{ratio}'
    return Markup(f'<svg role="img" aria-label="{escape(says)}" {held}>{inside}</svg>')  # noqa: S704 — texts are escaped


def _runs(points: Sequence[Point], step: timedelta) -> Iterator[list[Point]]:
    """Yield stretches of points without a gap."""
    run: list[Point] = []
    for point in points:
        if run and point.at - run[-1].at > step * 1.5:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _gaps(runs: Sequence[Sequence[Point]], window: Window) -> Iterator[tuple[datetime, datetime]]:
    """Yield the stretches of a window in which nobody looked."""
    ends = [window.begin, *(run[-1].at + window.step for run in runs)]
    begins = [*(run[0].at for run in runs), window.end]
    for end, begin in zip(ends, begins, strict=True):
        if begin - end > window.step:
            yield end, begin


def _numbers(points: Sequence[Point], write: Callable[[float], str]) -> Iterator[tuple[str, str, str, str]]:
    """Yield lines of a table, newest first; neighbours are put together when there are too many."""
    together = math.ceil(len(points) / _MOST_NUMBERS)
    for end in range(len(points), 0, -together):
        part = points[max(end - together, 0) : end]
        mean = sum(point.mean / len(part) for point in part)
        low, high = min(point.low for point in part), max(point.high for point in part)
        yield f"{part[0].at:%d %b %H:%M}", write(low), write(mean), write(high)


def _round_up(value: float) -> float:
    """Return the next round number that is not lower than a value over 0."""
    unit = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next((step * unit for step in _STEPS if value <= step * unit * (1 + 1e-9)), 10 * unit)


def _path(places: Iterable[tuple[float, float]]) -> str:
    path = " ".join(f"{x:.1f} {y:.1f}" for x, y in places)
    # A point without neighbours is drawn as a dot.
    return f"M{path}h0" if path else ""


def _rect(left: float, right: float, css: str, says: str) -> str:
    return (
        f'<rect class="{css}" x="{left:.1f}" y="0" width="{max(right - left, 2):.1f}" height="{_HIGH}">'
        f"<title>{escape(says)}</title></rect>"
    )


def _span(mark: Mark, window: Window) -> str:
    assert mark.until is not None  # noqa: S101 — a span is a mark with an end
    return _rect(window.x(mark.at), window.x(mark.until), f"mark {escape(mark.kind)}", mark.says)


def _moment(mark: Mark, window: Window) -> str:
    x = window.x(mark.at)
    return f'<path class="mark {escape(mark.kind)}" d="M{x:.1f} 0V{_HIGH}"><title>{escape(mark.says)}</title></path>'
