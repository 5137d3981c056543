"""Understands logs: what is new or grew against a window before, what was raised where, what became slow."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from devops_agent.analysis import traces
from devops_agent.analysis.categories import ERROR, category_of, is_error
from devops_agent.analysis.frames import Raised
from devops_agent.analysis.lines import Reading, read
from devops_agent.analysis.templates import Words, mask, settle
from devops_agent.model.insight import LogFindings, Pattern, SlowOperation
from devops_agent.model.telemetry import LogLine

_MOST_PATTERNS = 40
_MOST_SLOW = 20
_GROWS = 2.0
"""A template grows when its rate doubled, by more than chance: see `_SIGMAS`."""
_SIGMAS = 3.0
"""Standard deviations from which on a difference is no chance."""
_SLOW_MS = 1_000.0
_SLOWER = 1.5
"""An operation became slower when its median grew so much, and by more than chance."""
_SLOWER_LINES = 5
"""Fewer lines of the baseline give no median to compare with."""
_LONGEST_TEMPLATE = 400
_LONGEST_EXAMPLE = 500
_LEVEL_LABELS = frozenset({"detected_level", "level", "severity", "lvl"})
"""Labels that lines of one stream do not share: Loki guesses a level for each line of a stack trace."""

Shape = tuple[str, Words]
"""A message's kind (level, HTTP status) and its masked words."""


class _Window(NamedTuple):
    """The lines of a window, read, with those of stack traces taken out."""

    lines: int
    readings: list[Reading]
    """What a trace says stands for its lines, unless a line right before it already tells of the error."""
    traces: list[traces.Seen]
    seconds: float


class _Tally:
    """The lines of one template in both windows."""

    __slots__ = ("before", "before_ms", "example", "first_at", "last_at", "ms", "now")

    def __init__(self) -> None:
        self.now = 0
        self.before = 0
        self.ms: list[float] = []
        self.before_ms: list[float] = []
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self.example: Reading | None = None

    def count_now(self, one: Reading) -> None:
        self.now += 1
        if one.took_ms is not None:
            self.ms.append(one.took_ms)
        if self.first_at is None or one.at < self.first_at:
            self.first_at, self.example = one.at, one
        if self.last_at is None or one.at > self.last_at:
            self.last_at = one.at

    def count_before(self, one: Reading) -> None:
        self.before += 1
        if one.took_ms is not None:
            self.before_ms.append(one.took_ms)


def mine(
    lines: Sequence[LogLine],
    *,
    baseline: Sequence[LogLine] = (),
    window: timedelta | None = None,
    before: timedelta | None = None,
) -> LogFindings:
    """Return what `lines` tell, and how it differs from `baseline`, the lines of a window before.

    Lines are oldest first; those of one stream (by labels) may stand among others. `window` and `before` are the
    lengths of the windows; left out, they are taken from the lines' times, which is right when a limit cut the lines
    off. Without baseline lines nothing is called new or growing, unless `before` says that a window was looked at and
    held none.

    Patterns: new errors, growing errors, other new ones, other growing ones, other errors, the rest; each with the most
    frequent first. Traces: new ones first. Slow operations: those that became slower, then those that took a second and
    more; the growth of one that the baseline hardly knows is 1.
    """
    compared = bool(baseline) or before is not None
    now = _window(lines, window)
    then = _window(baseline, before)
    tallies = _tally(now.readings, then.readings)
    ratio = then.seconds / now.seconds if compared else 0.0
    return LogFindings(
        lines=now.lines,
        baseline_lines=then.lines,
        errors=_errors(now.readings),
        baseline_errors=_errors(then.readings),
        patterns=_patterns(tallies, ratio),
        traces=traces.group(now.traces, baseline=then.traces if compared else None),
        slow=_slow(tallies),
    )


def _window(lines: Sequence[LogLine], length: timedelta | None) -> _Window:
    streams: dict[tuple[tuple[str, str], ...], list[Reading]] = defaultdict(list)
    for line in lines:
        streams[_stream(line.labels)].extend(read(line))
    kept: list[Reading] = []
    seen: list[traces.Seen] = []
    for stream in streams.values():
        _take_traces_out(stream, kept, seen)
    spans = (max(line.at for line in lines) - min(line.at for line in lines)).total_seconds() if lines else 0.0
    seconds = spans if length is None else length.total_seconds()
    return _Window(len(lines), kept, seen, max(seconds, 1.0))


def _stream(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pair for pair in labels.items() if pair[0] not in _LEVEL_LABELS))


def _take_traces_out(stream: list[Reading], kept: list[Reading], seen: list[traces.Seen]) -> None:
    """Put a stream's stack traces into `seen`, and into `kept` the other lines and what an unannounced trace says."""
    taken: set[int] = set()
    for found in traces.find([traces.Text(one.raw, one.headed) for one in stream]):
        at = stream[found.begin].at
        seen.append(traces.Seen(found.raised, at))
        taken.update(found.lines)
        if not _announced(stream, found):
            said = f"{found.raised.exception}: {found.raised.message}"
            kept.append(Reading(at, said, said, ERROR))
    parsed: dict[str, Raised | None] = {}
    for place, one in enumerate(stream):
        if one.trace:
            if one.trace not in parsed:
                parsed[one.trace] = traces.parse(one.trace)
            raised = parsed[one.trace]
            if raised is not None:
                seen.append(traces.Seen(raised, one.at))
        if place not in taken and one.message.strip():
            kept.append(one)


def _announced(stream: Sequence[Reading], found: traces.Found) -> bool:
    """Return whether a record tells of the error already: the one that names the exception, or the one right above."""
    if found.begin not in found.lines:
        return True
    above = found.begin - 1
    return above >= 0 and is_error(stream[above].message, stream[above].level)


def _tally(now: Iterable[Reading], then: Iterable[Reading]) -> dict[Shape, _Tally]:
    """Count the lines of each template; both windows share the templates."""
    shapes_then = [(_shape(one), one) for one in then]
    shapes_now = [(_shape(one), one) for one in now]
    templates = settle(dict.fromkeys(shape for shape, _ in (*shapes_then, *shapes_now)))
    tallies: dict[Shape, _Tally] = defaultdict(_Tally)
    for shape, one in shapes_then:
        tallies[shape[0], templates[shape]].count_before(one)
    for shape, one in shapes_now:
        tallies[shape[0], templates[shape]].count_now(one)
    return tallies


def _shape(one: Reading) -> Shape:
    return f"{one.level} {one.status}", mask(one.message)


def _errors(readings: Iterable[Reading]) -> int:
    return sum(is_error(one.message, one.level) for one in readings)


def _patterns(tallies: dict[Shape, _Tally], ratio: float) -> tuple[Pattern, ...]:
    """Return patterns of the lines now; `ratio` is the baseline's length in windows, 0 without a baseline."""
    ranked: list[tuple[int, int, str, Pattern]] = []
    for (_, words), tally in tallies.items():
        if tally.example is None or tally.first_at is None or tally.last_at is None:
            continue
        error = is_error(tally.example.message, tally.example.level)
        growth = (tally.now + 1) / (tally.before + 1) * ratio if ratio else 1.0
        pattern = Pattern(
            template=_clean(" ".join(words), _LONGEST_TEMPLATE),
            count=tally.now,
            baseline=tally.before,
            new=ratio > 0 and tally.before == 0,
            growth=round(growth, 3),
            category=_category(tally.example, error=error),
            first_at=tally.first_at,
            last_at=tally.last_at,
            example=_clean(tally.example.raw, _LONGEST_EXAMPLE),
        )
        rank = _rank(pattern, error=error, grows=ratio > 0 and growth >= _GROWS and _beyond_chance(tally, ratio))
        ranked.append((rank, -pattern.count, pattern.template, pattern))
    return tuple(pattern for *_, pattern in sorted(ranked, key=lambda one: one[:3])[:_MOST_PATTERNS])


def _beyond_chance(tally: _Tally, ratio: float) -> bool:
    """Return whether two Poisson counts differ by more than their spread explains; `ratio` as in `_patterns`."""
    return tally.now - tally.before / ratio >= _SIGMAS * math.sqrt(tally.now + tally.before / ratio**2)


def _rank(pattern: Pattern, *, error: bool, grows: bool) -> int:
    if pattern.new:
        return 0 if error else 2
    if grows:
        return 1 if error else 3
    return 4 if error else 5


def _category(one: Reading, *, error: bool) -> str:
    return category_of(one.message, error=error) if error or one.level == "warning" else ""


def _slow(tallies: dict[Shape, _Tally]) -> tuple[SlowOperation, ...]:
    told: list[SlowOperation] = []
    for (_, words), tally in tallies.items():
        if not tally.ms:
            continue
        median, worst = statistics.median(tally.ms), max(tally.ms)
        growth = _slowed(tally.ms, tally.before_ms)
        if worst >= _SLOW_MS or growth >= _SLOWER:
            operation = _clean(" ".join(words), _LONGEST_TEMPLATE)
            told.append(
                SlowOperation(
                    operation=operation,
                    count=len(tally.ms),
                    median_ms=round(median, 3),
                    worst_ms=round(worst, 3),
                    growth=round(growth, 3),
                )
            )
    told.sort(key=lambda one: (-one.growth if one.growth >= _SLOWER else 0, -one.median_ms, one.operation))
    return tuple(told[:_MOST_SLOW])


def _slowed(now: Sequence[float], before: Sequence[float]) -> float:
    """Return the median as a multiple of the baseline's; 1 when growth may well be chance, by a sign test."""
    usual = statistics.median(before) if len(before) >= _SLOWER_LINES else 0.0
    if usual <= 0:
        return 1.0
    growth = statistics.median(now) / usual
    above = sum(one > usual for one in now) - len(now) / 2
    return growth if growth < _SLOWER or above >= _SIGMAS * math.sqrt(len(now)) / 2 else 1.0


def _clean(text: str, most: int) -> str:
    """Return text from outside without characters that steer terminals or hide text, and cut."""
    shown = "".join(one if one.isprintable() else " " for one in text[:most])
    return shown if len(text) <= most else f"{shown[:-1]}…"
