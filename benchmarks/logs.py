"""How fast logs are understood, and how well; the logs are invented, so `--data` is not read.

Lines are of the forms that
loggers of Python, Java, Go, Node and web servers write, traces of the forms that interpreters print.
"""

from __future__ import annotations

import multiprocessing
import resource
import string
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from benchmarks import invented_logs, invented_traces
from benchmarks.invented_logs import Invented
from benchmarks.table import Row
from devops_agent.model.telemetry import LogLine

_PLANTED = 6
_TAIL = 60
"""Characters by which an example is found among the lines: what the transport put in front of it is taken off."""


@dataclass(frozen=True, kw_only=True)
class _Cost:
    """What mining took: seconds of wall clock and CPU, megabytes of the process before it and at the peak."""

    seconds: float
    cpu: float
    before: float
    peak: float


def measure(*, quick: bool, data: Path) -> list[Row]:  # noqa: ARG001 — the lines are invented
    """Return time and memory of mining, each in a process of its own, and how often it is right."""
    count = 5_000 if quick else 100_000
    mining = _apart(_time_mining, count)
    crashes = 200 if quick else 2_000
    unlike = 1_000 if quick else 20_000
    return [
        Row(what=f"mine {count:,} lines, half of them baseline", value=mining.seconds, unit="s", below=10.0),
        Row(what="— CPU", value=mining.cpu, unit="s"),
        Row(what="— peak RSS of the process", value=mining.peak, unit="MB"),
        Row(what="— of it for mining, beside the lines themselves", value=mining.peak - mining.before, unit="MB"),
        Row(
            what=f"mine {unlike:,} lines, no two alike",
            value=_apart(_time_unlike, unlike).seconds,
            unit="s",
            below=10.0,
        ),
        Row(what="mine 1,000 stack traces", value=_apart(_time_traces, crashes).seconds / crashes * 1_000, unit="s"),
        *_templates(2_000),
        *_templates(count),
        *_news(count),
        *_traces(crashes),
    ]


def _apart(work: Callable[[int], _Cost], count: int) -> _Cost:
    """Return what `work` measures in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (count,))


def _time_mining(count: int) -> _Cost:
    lines = [one.line for one in invented_logs.invent(count)]
    return _time(lines[count // 2 :], lines[: count // 2])


def _time_traces(count: int) -> _Cost:
    each = count // len(invented_traces.LANGUAGES)
    crashes = [one for language in invented_traces.LANGUAGES for one in invented_traces.invent(each, language)]
    return _time(invented_traces.as_lines(crashes), [])


def _time_unlike(count: int) -> _Cost:
    draw = Random(7)  # noqa: S311 — invented logs need no secure randomness

    def text() -> str:
        return " ".join("".join(draw.choices(string.ascii_lowercase, k=6)) for _ in range(20))

    lines = [LogLine(at=invented_logs.BEGIN + timedelta(seconds=n), text=f"ERROR {text()}") for n in range(count)]
    return _time(lines[count // 2 :], lines[: count // 2])


def _time(lines: Sequence[LogLine], baseline: Sequence[LogLine]) -> _Cost:
    from devops_agent.analysis.logs import mine

    before = _peak()
    began, cpu = time.perf_counter(), time.process_time()
    mine(lines, baseline=baseline)
    return _Cost(seconds=time.perf_counter() - began, cpu=time.process_time() - cpu, before=before, peak=_peak())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _templates(count: int) -> list[Row]:
    """Grouping accuracy: the share of lines whose group holds exactly the lines of their true template.

    Zhu et al., "Tools and Benchmarks for Automated Log Parsing", ICSE-SEIP 2019.
    """
    from devops_agent.analysis.lines import read
    from devops_agent.analysis.templates import mask, settle

    invented = list(invented_logs.invent(count, seed=11))
    readings = [read(one.line)[0] for one in invented]
    shapes = [(f"{one.level} {one.status}", mask(one.message)) for one in readings]
    templates = settle(shapes)
    told = _groups((shape[0], templates[shape]) for shape in shapes)
    true = set(_groups(one.truth for one in invented))
    right = sum(len(group) for group in told if group in true)
    return [Row(what=f"grouping accuracy over {count:,} lines", value=right / count, unit="share", above=0.9)]


def _groups(keys: Iterable[Hashable]) -> list[tuple[int, ...]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        groups[key].append(place)
    return [tuple(group) for group in groups.values()]


def _news(count: int) -> list[Row]:
    """Leave some error templates out of the baseline, and see whether they, and only they, are called new."""
    from devops_agent.analysis.logs import mine

    invented = list(invented_logs.invent(count, seed=13))
    before, now = invented[: count // 2], invented[count // 2 :]
    planted = set(_rarest_errors(now)[:_PLANTED])
    truth = {one.line.text[-_TAIL:]: one.truth for one in now}
    known = {one.truth for one in before} - planted
    found = mine([one.line for one in now], baseline=[one.line for one in before if one.truth not in planted])
    new = [truth[pattern.example[-_TAIL:]] for pattern in found.patterns if pattern.new]
    first = [truth[pattern.example[-_TAIL:]] for pattern in found.patterns[:_PLANTED]]
    return [
        Row(
            what="new error templates told first",
            value=len(planted & set(first)) / len(planted),
            unit="share",
            above=0.9,
        ),
        Row(what="templates falsely called new", value=len(known & set(new)), unit="", below=3),
    ]


def _rarest_errors(invented: Iterable[Invented]) -> list[str]:
    marks = ("ERROR ", "error ", " E ", " CRITICAL ")
    counts = Counter(one.truth for one in invented if any(mark in f"{one.truth} " for mark in marks))
    return [truth for truth, _ in reversed(counts.most_common())]


def _traces(count: int) -> list[Row]:
    from devops_agent.analysis.logs import mine

    rows = []
    for language in invented_traces.LANGUAGES:
        crashes = list(invented_traces.invent(count, language))
        right = 0
        for begin in range(0, count, 20):  # what `mine` tells is cut at some tens
            some = crashes[begin : begin + 20]
            found = mine(invented_traces.as_lines(some, seed=begin))
            told = Counter({(one.exception, one.file, one.line): one.count for one in found.traces})
            true = Counter((one.place.exception, one.place.file, one.place.line) for one in some)
            right += sum((told & true).values())
        rows.append(
            Row(
                what=f"traces told to exception, file and line: {language}",
                value=right / count,
                unit="share",
                above=0.95,
            )
        )
    return rows
