"""The Nezha data (G. Yu et al., FSE 2023): 101 faults in two systems, minute by minute, with metrics, traces and logs.

The traces are there as aggregates of recorded minutes without who called whom. That is put back by general rules: an
operation that two components name alike is a remote call, and the one in which it takes longer waits for the other;
calls by HTTP, of which traces tell only the method, may go to any component that the caller reaches by that method.
"""

from __future__ import annotations

import csv
import json
import lzma
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from math import isfinite
from pathlib import Path

from devops_agent.analysis.graph import Component, Operation
from devops_agent.model.telemetry import Series

SYSTEMS = {"Online Boutique": ("2022-08-22", "2022-08-23"), "Train Ticket": ("2023-01-29", "2023-01-30")}

WINDOW = 240.0
"""Seconds after the injection that count as the trouble; a minute's traces count when it began less than
`_RECORDED` before or after."""
_RECORDED = (60.0, 150.0)
_SHADOW = 480.0
"""Seconds around an injection in which what is measured is no example of the usual course."""
_USUAL = 5400.0
"""Seconds around an injection from which metrics tell the usual course."""

_TRAIN_TICKET: dict[str, dict[str, str]] = {
    "auth": {"GET": "verification-code"},
    "basic": {"GET": "station train route price", "POST": "station train route price"},
    "cancel": {"GET": "order order-other inside-payment user", "PUT": "order order-other"},
    "execute": {"GET": "order order-other"},
    "food": {"GET": "train-food travel", "POST": "station-food"},
    "gateway": {"GET": "execute food cancel", "POST": "auth preserve preserve-other travel travel2 inside-payment"},
    "inside-payment": {"GET": "order order-other", "POST": "payment"},
    "preserve": {"GET": "security contacts assurance user", "POST": "travel basic seat order food"},
    "preserve-other": {"GET": "security contacts assurance user", "POST": "travel2 basic seat order-other food"},
    "seat": {"GET": "config", "POST": "order order-other"},
    "security": {"GET": "order order-other"},
    "travel": {"GET": "route", "POST": "basic seat"},
    "travel2": {"GET": "route", "POST": "basic seat"},
}
"""Who calls whom by which method in Train Ticket (FudanSELab), as its sources say; the aggregates lack it."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An injected fault with what was measured."""

    system: str
    kind: str
    cause: str
    components: tuple[Component, ...]
    window: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class _Minute:
    """What traces and logs tell of one recorded minute."""

    began: float
    fault_free: bool
    spans: Sequence[tuple[str, str, int, float, float, float]]
    """Component, operation, count, mean, mean self time, its 90th centile (milliseconds)."""
    logs: Mapping[str, tuple[int, int]]
    """Component → lines, lines that speak of errors."""


@dataclass(kw_only=True)
class _Seen:
    """What was seen of one component, to be made a fact of."""

    series: dict[str, dict[float, float]] = field(default_factory=lambda: defaultdict(dict))
    operations: dict[str, list[tuple[float, int, float]]] = field(default_factory=lambda: defaultdict(list))


def faults(folder: Path, system: str, *, later: bool = True) -> Iterator[Fault]:
    """Yield a system's faults in order of time.

    What is usual, all recorded minutes of the system tell that lie away from the fault: fault-free ones are few, the
    others are of other faults, unlabelled. With `later` false only those before it, and the fault-free ones.
    """
    days = SYSTEMS[system]
    minutes = _minutes(folder, days)
    ends = _Ends(minutes)
    for day in days:
        metrics = _metrics(folder / f"{day}-metrics.csv.xz")
        for at, pod, kind in _injected(folder / f"{day}-fault_list.json"):
            window = (at, at + WINDOW)
            seen: dict[str, _Seen] = defaultdict(_Seen)
            _add_metrics(seen, metrics, window, later=later)
            _add_minutes(seen, minutes, window, later=later)
            yield Fault(
                system=system,
                kind=kind.replace("_", " "),
                cause=_service(pod),
                components=tuple(_component(name, one, ends) for name, one in sorted(seen.items())),
                window=window,
            )


class _Ends:
    """Knows which operations are remote calls, and of whom."""

    def __init__(self, minutes: Iterable[_Minute]) -> None:
        durations: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for minute in minutes:
            for component, operation, _, mean, *_ in minute.spans:
                durations[_call(operation)][component].append(mean)
        self._callee = {
            call: min(components, key=lambda name: sum(components[name]) / len(components[name]))
            for call, components in durations.items()
            if "/" in call and len(components) > 1
        }

    def callees(self, component: str, operation: str) -> tuple[str, ...]:
        """Return which components a call may go to; none when the operation is no call."""
        if operation.startswith("HTTP "):
            methods = _TRAIN_TICKET.get(component.removeprefix("ts-").removesuffix("-service"), {})
            return tuple(f"ts-{name}-service" for name in methods.get(operation.removeprefix("HTTP "), "").split())
        callee = self._callee.get(_call(operation), component)
        return () if callee == component else (callee,)

    def serves(self, component: str, operation: str) -> bool:
        """Whether an operation answers requests from outside."""
        return operation.startswith("/") or self._callee.get(_call(operation)) == component


def _component(name: str, seen: _Seen, ends: _Ends) -> Component:
    operations = []
    for operation, points in sorted(seen.operations.items()):
        times, counts, spent = zip(*sorted(points), strict=True)
        operations.append(
            Operation(
                name=operation,
                calls=ends.callees(name, operation),
                serves=ends.serves(name, operation),
                times=times,
                counts=counts,
                self_ms=spent,
            )
        )
    series = tuple(
        Series(
            name=metric, target=name, times=tuple(sorted(points)), values=tuple(points[time] for time in sorted(points))
        )
        for metric, points in sorted(seen.series.items())
    )
    calls = tuple(sorted({callee for operation in operations for callee in operation.calls}))
    return Component(name=name, calls=calls, series=series, operations=tuple(operations))


def _add_metrics(
    seen: dict[str, _Seen],
    metrics: Mapping[tuple[str, str], Mapping[float, float]],
    window: tuple[float, float],
    *,
    later: bool,
) -> None:
    at = window[0]
    until = at + _USUAL if later else at
    for (component, metric), points in metrics.items():
        for time, value in points.items():
            if at < time <= window[1] or (at - _USUAL < time < until and not at - 60 < time < at + _SHADOW):
                seen[component].series[metric][time] = value


def _add_minutes(
    seen: dict[str, _Seen], minutes: Iterable[_Minute], window: tuple[float, float], *, later: bool
) -> None:
    at = window[0]
    for minute in minutes:
        now = not minute.fault_free and -_RECORDED[0] < minute.began - at <= _RECORDED[1]
        if not (now or minute.fault_free) and (abs(minute.began - at) < _SHADOW or (minute.began > at and not later)):
            continue
        time = max(minute.began, at) if now else minute.began
        if not now and window[0] <= time <= window[1]:
            time = at - _SHADOW  # a fault-free minute that was recorded within the window
        for component, operation, count, _, spent, _ in minute.spans:
            seen[component].operations[operation].append((time, count, spent))
        for component, (lines, errors) in minute.logs.items():
            seen[component].series["log_lines"][time] = lines
            seen[component].series["log_errors"][time] = errors


def _minutes(folder: Path, days: Sequence[str]) -> list[_Minute]:
    told = (
        json.loads(line)
        for line in lzma.decompress((folder / "trace-log-aggregates.jsonl.xz").read_bytes()).decode().splitlines()
    )
    return [
        _Minute(
            began=_time(f"{one['day']} {one['minute'].replace('_', ':')}:00"),
            fault_free=one["period"] == "construct",
            spans=[tuple(span) for span in one["spans"]],
            logs={component: tuple(counts) for component, counts in one["logs"].items()},
        )
        for one in told
        if one["day"] in days
    ]


def _metrics(path: Path) -> dict[tuple[str, str], dict[float, float]]:
    found: dict[tuple[str, str], dict[float, float]] = defaultdict(dict)
    for row in csv.DictReader(StringIO(lzma.decompress(path.read_bytes()).decode("utf-8-sig"))):
        component, time = _service(row.pop("PodName")), _time(row.pop("Time")[:19])
        for metric, cell in row.items():
            if cell and isfinite(value := float(cell)):
                found[component, metric][time] = value
    return found


def _injected(path: Path) -> list[tuple[float, str, str]]:
    listed = [one for hour in json.loads(path.read_text()).values() for one in hour]
    return sorted((_time(one["inject_time"]), one["inject_pod"], one["inject_type"]) for one in listed)


def _service(pod: str) -> str:
    return pod.rsplit("-", 2)[0]


def _call(operation: str) -> str:
    return operation.removeprefix("/").removeprefix("grpc.")


def _time(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
