"""Sources of evidence that hold what a test puts in: figures, lines of logs, changes."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count

from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, Figures, Lines, LogLine, Series
from devops_agent.ports import PluginError

_MOST_POINTS = 500
_READINGS = ("request_rate", "error_percent", "latency_p95_ms", "availability_percent")
_SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)?(?:\{(.*)\})?", re.DOTALL)
_MATCHER = re.compile(r'\s*([A-Za-z_]\w*)\s*(=~|!~|=|!=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)', re.DOTALL)
_ERROR = re.compile(r"error|exception|fatal|panic|traceback", re.IGNORECASE)


class FakeMetrics:
    """A metrics store that knows the series it was given, and of PromQL the selectors: `up{job="shop"}`.

    A series counts as a reading of its target when its name is one of the four standard readings. It is asked on the
    grid that Prometheus would use; a step without a sample in it is a gap.
    """

    def __init__(self, series: Iterable[Series] = ()) -> None:
        self.series = list(series)
        self.trouble: PluginError | None = None
        """Raised by every call while it is set."""
        self.asked: list[str] = []
        """The expressions of all queries so far."""

    def add(  # noqa: PLR0913 — a series has so many parts
        self,
        name: str,
        values: Sequence[float | None],
        *,
        begin: datetime,
        step: timedelta = timedelta(seconds=15),
        target: str = "",
        labels: Mapping[str, str] | None = None,
        unit: str = "",
    ) -> Series:
        """Put in a series with a value every `step` from `begin` on; None leaves a gap."""
        points = [
            ((begin + index * step).timestamp(), value) for index, value in enumerate(values) if value is not None
        ]
        made = Series(
            name=name,
            target=target,
            labels={"service": target, **(labels or {})} if target else dict(labels or {}),
            unit=unit,
            times=tuple(time for time, _ in points),
            values=tuple(value for _, value in points),
        )
        self.series.append(made)
        return made

    async def query(self, expression: str, *, at: datetime) -> Figures:
        """Return the value of each series that fits at one moment, if it has a sample in the five minutes before."""
        found = self._select(expression)
        return _figures(expression, (_on_grid(one, (at.timestamp(),), lookback=300.0) for one in found))

    async def query_range(self, expression: str, *, begin: datetime, end: datetime, step: timedelta) -> Figures:
        """Return each series that fits over a window."""
        grid = _grid(begin, end, step)
        lookback = grid[1] - grid[0] if len(grid) > 1 else step.total_seconds()
        return _figures(expression, (_on_grid(one, grid, lookback=lookback) for one in self._select(expression)))

    async def readings(self, target: Target, *, begin: datetime, end: datetime, step: timedelta) -> list[Figures]:
        """Return the series of the target that bear a standard reading's name."""
        self._fail_if_told()
        grid = _grid(begin, end, step)
        lookback = grid[1] - grid[0] if len(grid) > 1 else step.total_seconds()
        found = [one for name in _READINGS for one in self.series if one.name == name and one.target == target.name]
        answers = (_figures(one.name, [_on_grid(one, grid, lookback=lookback)]) for one in found)
        return [answer for answer in answers if answer.series]

    async def discover(self, target: Target, *, begin: datetime, end: datetime, limit: int = 50) -> list[str]:
        """Return selectors of the target's series with a sample in the window."""
        self._fail_if_told()
        since, until = begin.timestamp(), end.timestamp()
        found = (
            one for one in self.series if one.target == target.name and any(since <= t <= until for t in one.times)
        )
        return [_selector(one) for one in found][:limit]

    def _select(self, expression: str) -> list[Series]:
        self.asked.append(expression)
        self._fail_if_told()
        form = _SELECTOR.fullmatch(expression.strip())
        if form is None or not expression.strip():
            raise PluginError(f"cannot ask for {expression!r}: bad_data: parse error", retryable=False)
        matchers = list(_matchers(form[2] or "", expression))
        return [one for one in self.series if form[1] in (None, one.name) and _fits(one, matchers)]

    def _fail_if_told(self) -> None:
        if self.trouble is not None:
            raise self.trouble


class FakeLogs:
    """A log store that holds the lines it was given, by target."""

    def __init__(self, lines: Mapping[str, Iterable[LogLine]] | None = None) -> None:
        self.held = {target: list(held) for target, held in (lines or {}).items()}
        self.trouble: PluginError | None = None
        """Raised by every call while it is set."""
        self.asked: list[tuple[str, datetime, datetime]] = []
        """Target, begin and end of all calls so far."""

    def write(
        self, target: str, *texts: str, at: datetime, every: timedelta = timedelta(seconds=1), level: str = ""
    ) -> None:
        """Let a target write lines, the first at `at` and one every `every`."""
        labels = {"service": target, **({"level": level} if level else {})}
        held = self.held.setdefault(target, [])
        held += [
            LogLine(at=moment, text=text, labels=labels)
            for moment, text in zip(_moments(at, every), texts, strict=False)
        ]

    async def lines(
        self, target: Target, *, begin: datetime, end: datetime, limit: int = 5_000, errors_only: bool = False
    ) -> Lines:
        """Return the target's lines from `begin` until before `end`."""
        self.asked.append((target.name, begin, end))
        if self.trouble is not None:
            raise self.trouble
        if target.name not in self.held:
            raise PluginError(f"cannot read logs of {target.name!r}: nothing is kept of it", retryable=False)
        found = sorted(
            (
                line
                for line in self.held[target.name]
                if begin <= line.at < end and (not errors_only or _is_error(line))
            ),
            key=lambda line: line.at,
        )
        kept = found[max(0, len(found) - limit) :]
        query = f'{{service="{target.name}"}}' + (" |~ error" if errors_only else "")
        return Lines(lines=tuple(kept), query=query, partial=len(kept) < len(found))


class FakeChanges:
    """Knows the changes it was given."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self.known = list(changes)
        self.trouble: PluginError | None = None
        """Raised by every call while it is set."""

    async def changes(self, target: Target, *, begin: datetime, end: datetime) -> list[Change]:
        """Return what was done to the target from `begin` to `end`, oldest first."""
        if self.trouble is not None:
            raise self.trouble
        found = (change for change in self.known if change.target == target.name and begin <= change.at <= end)
        return sorted(found, key=lambda change: change.at)


def _moments(at: datetime, every: timedelta) -> Iterator[datetime]:
    return (at + index * every for index in count())


def _grid(begin: datetime, end: datetime, step: timedelta) -> tuple[float, ...]:
    first, seconds = begin.timestamp(), max(step.total_seconds(), 0.001)
    span = max(0.0, end.timestamp() - first)
    seconds = max(seconds, span / (_MOST_POINTS - 1))
    return tuple(first + index * seconds for index in range(int(span / seconds + 1e-9) + 1))


def _on_grid(series: Series, grid: Sequence[float], *, lookback: float) -> Series:
    points = []
    for moment in grid:
        index = bisect_right(series.times, moment + 1e-6) - 1
        if index >= 0 and moment - series.times[index] < lookback:
            points.append((moment, series.values[index]))
    return series.with_(times=tuple(time for time, _ in points), values=tuple(value for _, value in points))


def _figures(query: str, found: Iterable[Series]) -> Figures:
    return Figures(series=tuple(one for one in found if one.times), query=query)


def _selector(series: Series) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(series.labels.items()))
    return f"{series.name}{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _matchers(text: str, expression: str) -> Iterator[tuple[str, str, str]]:
    at = 0
    while text[at:].strip():
        found = _MATCHER.match(text, at)
        if found is None:
            raise PluginError(f"cannot ask for {expression!r}: bad_data: parse error", retryable=False)
        yield found[1], found[2], re.sub(r"\\(.)", lambda one: "\n" if one[1] == "n" else one[1], found[3])
        at = found.end()


def _fits(series: Series, matchers: Iterable[tuple[str, str, str]]) -> bool:
    labels = {"__name__": series.name, **series.labels}
    return all(_holds(labels.get(label, ""), operator, value) for label, operator, value in matchers)


def _holds(have: str, operator: str, value: str) -> bool:
    same = re.fullmatch(value, have) is not None if "~" in operator else have == value
    return same is not operator.startswith("!")


def _is_error(line: LogLine) -> bool:
    return _ERROR.search(line.text) is not None or line.labels.get("level", "") in {"error", "critical", "fatal"}
