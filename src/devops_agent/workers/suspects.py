"""Suspects: what was heard of several components, as the ranking reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.analysis.categories import is_error
from devops_agent.analysis.graph import Component, counted
from devops_agent.analysis.lines import read
from devops_agent.analysis.ranking import rank

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.evidence import Evidence
    from devops_agent.model.insight import Suspect
    from devops_agent.model.telemetry import LogLine, Series
    from devops_agent.workers.gather import Heard, Windows


_ALERTS_WAIT = timedelta(minutes=5)


def suspects_of(
    heard: Sequence[Heard],
    *,
    depends_on: Mapping[str, Sequence[str]],
    seen: Sequence[Evidence],
    windows: Windows,
    began_at: datetime,
) -> tuple[Suspect, ...]:
    """Return where the trouble may have begun, the most suspect first; none when only one component was heard of.

    Alerts wait before they fire: the trouble is taken to be a little older than the first of them.
    """
    if len(heard) < 2:  # noqa: PLR2004 — one alone is no ranking
        return ()
    components = [
        Component(
            name=one.component,
            calls=tuple(depends_on.get(one.component, ())),
            series=(*_figures(one), *_counts(one, windows)),
            evidence=_cited(one.component, seen),
        )
        for one in heard
    ]
    changes = [change for one in heard for change in one.changes if change.before]
    begin = max(windows.begin, began_at - _ALERTS_WAIT)
    return rank(components, window=(begin.timestamp(), windows.end.timestamp()), changes=changes)


def _figures(heard: Heard) -> Iterator[Series]:
    return (series for figures in heard.figures for series in figures.series)


def _counts(heard: Heard, windows: Windows) -> Iterator[Series]:
    """Count lines, and lines that tell of errors, by the minute."""
    if heard.lines is None:
        return
    lines = [*(heard.baseline.lines if heard.baseline else ()), *heard.lines.lines]
    begin, end = windows.baseline_from.timestamp(), windows.end.timestamp()
    for name, told in (("log_errors", _errors(lines)), ("log_lines", lines)):
        yield counted(name, (line.at.timestamp() for line in told), begin=begin, end=end)


def _errors(lines: Iterable[LogLine]) -> list[LogLine]:
    return [line for line in lines if any(is_error(reading.message, reading.level) for reading in read(line))]


def _cited(component: str, seen: Sequence[Evidence]) -> dict[str, str]:
    own = [piece for piece in seen if piece.target == component]
    cited = {str(piece.details.get("series")): piece.id for piece in own if piece.name == "reading"}
    return cited | {piece.name: piece.id for piece in own if piece.name == "log_errors"}
