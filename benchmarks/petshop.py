"""The PetShop data (M. Hardt et al., CLeaR 2024): issues of a web shop with its call graph, five minutes a step."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from pathlib import Path

from devops_agent.analysis.graph import Component
from devops_agent.model.telemetry import Series

SPLITS = ("low_traffic", "high_traffic")
_HEAD_ROWS = 3
_BEFORE, _AFTER = 300.0, 900.0
"""Seconds around the alarm that count as the trouble; an issue's metrics begin some minutes earlier."""

_Columns = dict[tuple[str, str], dict[float, float]]
"""Component and metric → values by time."""


@dataclass(frozen=True, kw_only=True)
class Issue:
    """An injected fault with what was measured."""

    split: str
    fault: str
    """delay, errors, overload."""
    cause: str
    components: tuple[Component, ...]
    """All that the one with the symptom can reach."""
    window: tuple[float, float]


def issues(folder: Path, split: str) -> Iterator[Issue]:
    """Yield the issues of a split, with the normal period as what is usual."""
    usual = _columns(gzip.decompress((folder / split / "noissue.csv.gz").read_bytes()).decode())
    calls = _graph((folder / split / "graph.csv").read_text())
    for line in gzip.decompress((folder / split / "issues.jsonl.gz").read_bytes()).decode().splitlines():
        told = json.loads(line)
        alarm = float(told["target"]["timestamp"])
        window = (alarm - _BEFORE, alarm + _AFTER)
        yield Issue(
            split=split,
            fault=_fault(json.dumps(told["metadata"]), told["target"]["metric"]),
            cause=told["root_cause"]["node"],
            components=tuple(_components(told["target"]["node"], calls, usual, _columns(told["metrics_csv"]))),
            window=window,
        )


def _components(
    target: str,
    calls: dict[str, tuple[str, ...]],
    usual: _Columns,
    now: _Columns,
) -> Iterator[Component]:
    for name in sorted(_reached(target, calls)):
        series = []
        for column in sorted(usual):
            if column[0] != name:
                continue
            values = usual[column] | now.get(column, {})
            times = tuple(sorted(values))
            series.append(
                Series(name=column[1], target=name, times=times, values=tuple(values[time] for time in times))
            )
        yield Component(name=name, calls=calls.get(name, ()), series=tuple(series))


def _reached(target: str, calls: dict[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    ahead = [target]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += calls.get(name, ())
    return found


def _columns(text: str) -> _Columns:
    rows = list(csv.reader(StringIO(text)))
    columns: _Columns = {}
    for row in rows[_HEAD_ROWS:]:
        time = _number(row[0])
        if time is None:
            continue
        for name, metric, statistic, cell in zip(*(head[1:] for head in rows[:_HEAD_ROWS]), row[1:], strict=True):
            value = _number(cell)
            if value is not None:
                columns.setdefault((name, f"{metric}_{statistic}".lower()), {})[time] = value
    return columns


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _graph(text: str) -> dict[str, tuple[str, ...]]:
    (_, *names), *rows = csv.reader(StringIO(text))
    return {row[0]: tuple(_called(names, row[1:])) for row in rows}


def _called(names: Iterable[str], cells: Iterable[str]) -> Iterator[str]:
    return (name for name, cell in zip(names, cells, strict=True) if float(cell))


def _fault(reproduced: str, metric: str) -> str:
    """Return what was injected, by the command that the data's authors give for it."""
    if "iterations" in reproduced:
        return "overload"
    return "errors" if metric == "availability" else "delay"
