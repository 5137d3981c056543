"""Exhibits: what was heard of a component, as evidence that rules can weigh and people can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from devops_agent.analysis.anomaly import find_anomaly
from devops_agent.analysis.logs import mine
from devops_agent.analysis.quarantine import Quarantine
from devops_agent.analysis.trend import trend
from devops_agent.model.evidence import Evidence
from devops_agent.model.insight import LogFindings, Pattern, SlowOperation, StackTrace

if TYPE_CHECKING:
    from devops_agent.model.sighting import Sighting
    from devops_agent.model.telemetry import Change, Figures, Lines, Series
    from devops_agent.workers.gather import Heard, Windows

_POINTS = 60
_PATTERNS, _TRACES, _SLOW = 8, 5, 3
"""Of each sort at most so many pieces of evidence for one component."""
_TEXT = 300
_FORESEEN = 48 * 3600.0  # seconds
_NEVER_FULL = ("error_percent", "availability_percent", "cpu_percent")
"""Shares of what happens, not of a room: they do not run full."""


def exhibits(heard: Heard, *, sighting: Sighting | None, windows: Windows, now: datetime) -> list[Evidence]:
    """Return the evidence on one component, without ids."""
    return [
        *_state(heard.component, sighting, now=now),
        *_of_series(heard, windows=windows, now=now),
        *_of_logs(heard, windows=windows, now=now),
        *(_of_change(change, now=now) for change in heard.changes),
    ]


def _state(component: str, sighting: Sighting | None, *, now: datetime) -> Iterator[Evidence]:
    if sighting is None:
        return
    yield Evidence(
        source="poller",
        target=component,
        name="state",
        value=sighting.health.value,
        at=now,
        as_of=sighting.seen_at,
        says=f"{component} is {sighting.health.value}{f': {sighting.says}' if sighting.says else ''}",
    )


def _of_series(heard: Heard, *, windows: Windows, now: datetime) -> Iterator[Evidence]:
    for figures in heard.figures:
        for series in figures.series:
            if len(series.times) > 1:
                yield _of_one(heard.component, series, figures, windows=windows, now=now)


def _of_one(component: str, series: Series, figures: Figures, *, windows: Windows, now: datetime) -> Evidence:
    found = find_anomaly(series, since=windows.begin.timestamp())
    latest = series.values[-1]
    if found is None:
        details: dict[str, str | int | float | bool] = {"series": series.name, "score": 0.0}
        says = f"{series.name} of {component} is {latest:.4g}{_unit(series)}, without a sudden change"
    else:
        details = {
            "series": series.name,
            "score": round(found.score, 3),
            "rises": found.rises,
            "before": found.before,
            "after": found.after,
            "begins_at": found.begins_at.isoformat(),
        }
        way = "rose" if found.rises else "fell"
        says = (
            f"{series.name} of {component} {way} from {found.before:.4g} to {found.after:.4g}{_unit(series)}"
            f" at {found.begins_at:%H:%M:%S}"
        )
    if (hours := _hours_until_full(series)) is not None:
        details["full_in_hours"] = round(hours, 1)
        says = f"{says}; if it goes on rising like this it is full in {hours:.1f} h"
    return Evidence(
        source="prometheus",
        target=component,
        name="reading",
        query=figures.query,
        value=latest,
        unit=series.unit,
        at=now,
        as_of=datetime.fromtimestamp(series.times[-1], UTC),
        window=windows.end - windows.begin,
        partial=figures.partial,
        points=_thinned(series),
        details=details,
        says=says,
    )


def _hours_until_full(series: Series) -> float | None:
    """Return when a share that rises steadily gets to 100 %; None when it does not, or not within two days."""
    if not series.name.endswith("_percent") or series.name in _NEVER_FULL:
        return None
    line = trend(series)
    if line is None or not line.steady or line.slope <= 0:
        return None
    seconds = line.reaches(100.0)
    return seconds / 3600 if seconds is not None and seconds <= _FORESEEN else None


def _unit(series: Series) -> str:
    return f" {series.unit}" if series.unit else ""


def _thinned(series: Series) -> tuple[tuple[float, float], ...]:
    step = max(1, -(-len(series.times) // _POINTS))
    pairs = list(zip(series.times, series.values, strict=True))
    return tuple(pairs[::-1][::step][::-1])


def _of_logs(heard: Heard, *, windows: Windows, now: datetime) -> Iterator[Evidence]:
    if heard.lines is None:
        return
    findings = mine(
        heard.lines.lines,
        baseline=heard.baseline.lines if heard.baseline else (),
        window=None if heard.lines.partial else windows.end - windows.begin,
        before=_whole(heard.baseline, windows.begin - windows.baseline_from),
    )
    errors = _errors(heard, heard.lines, findings, windows=windows, now=now)
    yield errors
    for trace in findings.traces[:_TRACES]:
        yield _trace(trace, like=errors)
    for pattern in findings.patterns[:_PATTERNS]:
        yield _pattern(pattern, like=errors)
    for slow in findings.slow[:_SLOW]:
        yield _slow_one(slow, like=errors)


def _whole(answer: Lines | None, window: timedelta) -> timedelta | None:
    """Return how long a window was that was read whole; None: what is not there may only not have been read."""
    return window if answer is not None and not answer.partial else None


def _errors(heard: Heard, lines: Lines, findings: LogFindings, *, windows: Windows, now: datetime) -> Evidence:
    seconds = max((windows.end - windows.begin).total_seconds(), 1.0)
    before = max((windows.begin - windows.baseline_from).total_seconds(), 1.0)
    growth = ((findings.errors + 1) / seconds) / ((findings.baseline_errors + 1) / before)
    usual = findings.baseline_errors / before * seconds
    return Evidence(
        source=heard.log_source,
        target=heard.component,
        name="log_errors",
        query=lines.query,
        value=findings.errors,
        at=now,
        as_of=lines.lines[-1].at if lines.lines else None,
        window=windows.end - windows.begin,
        partial=lines.partial,
        details={"growth": round(growth, 2), "lines": findings.lines, "usual": round(usual, 1)},
        says=f"{findings.errors} of {findings.lines} lines from {heard.component} tell of errors; usual is {usual:.0f}",
    )


def _trace(trace: StackTrace, *, like: Evidence) -> Evidence:
    where = f"{trace.file}:{trace.line}" if trace.file else "an unknown place"
    called = f" in {trace.function}" if trace.function else ""
    fresh = "new, " if trace.new else ""
    return like.with_(
        name="stack_trace",
        value=trace.count,
        details={
            "language": trace.language,
            "exception": trace.exception,
            "message": _cut(trace.message),
            "file": trace.file,
            "line": trace.line,
            "function": trace.function,
            "new": trace.new,
        },
        says=_cut(f"{trace.exception} at {where}{called} ({fresh}{trace.count} times): {trace.message}"),
    )


def _pattern(pattern: Pattern, *, like: Evidence) -> Evidence:
    fresh = "new" if pattern.new else f"×{pattern.growth:.1f}"
    return like.with_(
        name="log_pattern",
        value=pattern.count,
        details={
            "template": _cut(pattern.template),
            "category": pattern.category,
            "new": pattern.new,
            "growth": round(pattern.growth, 2),
            "example": _cut(pattern.example),
        },
        says=_cut(f"{pattern.count} line{'s' * (pattern.count != 1)} ({fresh}): {pattern.template}"),
    )


def _slow_one(slow: SlowOperation, *, like: Evidence) -> Evidence:
    return like.with_(
        name="slow_operation",
        value=slow.median_ms,
        unit="ms",
        details={"operation": _cut(slow.operation), "growth": round(slow.growth, 2), "count": slow.count},
        says=_cut(f"takes {slow.median_ms:.0f} ms in the middle, ×{slow.growth:.1f}: {slow.operation}"),
    )


def _of_change(change: Change, *, now: datetime) -> Evidence:
    return Evidence(
        source=change.source,
        target=change.target,
        name="change",
        value=change.kind.value,
        at=now,
        as_of=change.at,
        window=timedelta(),
        details={"before": change.before, "after": change.after},
        says=_cut(f"{change.at:%H:%M:%S}: {change.says}"),
    )


def _cut(text: str) -> str:
    """Return a text in one line, without the secrets that programs write into their logs."""
    hiding = Quarantine(boundary="log")
    return hiding.unmask(hiding.mask(" ".join(text.split()), limit=_TEXT))


def most_telling(pieces: Sequence[Evidence], *, limit: int) -> list[Evidence]:
    """Return at most `limit` pieces: of ordinary readings the last go first, in the given order otherwise."""
    ordinary = [piece for piece in pieces if piece.name == "reading" and not piece.details.get("score")]
    spare = max(0, len(pieces) - limit)
    dropped = {id(piece) for piece in ordinary[::-1][:spare]}
    return [piece for piece in pieces if id(piece) not in dropped][:limit]
