"""Gather: ask every source at once about a target and its neighbours; who does not answer in time is told of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from devops_agent.model.fact import Fact
from devops_agent.model.telemetry import Change, Figures, Lines
from devops_agent.ports import PluginError

if TYPE_CHECKING:
    from devops_agent.model.target import Target
    from devops_agent.ports import ChangeSource, Logs, Metrics

T = TypeVar("T")

_PATIENCE = 8.0  # seconds for one source
_STEP = timedelta(seconds=1)
_POINTS = 300
_SELECTORS = 12
"""Series of a target beside its standard readings."""
_NEIGHBOURS = 6
_CHANGES = timedelta(hours=6)
_CHARACTERS = 16_000_000
_PARTS = 200_000
"""Of one window so much is read, the newest first: a line may be long, and hold thousands of others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Who can be asked."""

    metrics: Metrics | None = None
    logs: tuple[tuple[str, Logs], ...] = ()
    """By name; the first that knows the target's logs answers."""
    changes: tuple[tuple[str, ChangeSource], ...] = ()


class Windows(Fact, kw_only=True):
    """When to look: the trouble, and the time before it that it is compared with."""

    baseline_from: datetime
    begin: datetime
    end: datetime
    log_lines: int


@dataclass(kw_only=True, slots=True)
class Heard:
    """What was answered about one component."""

    component: str
    figures: list[Figures] = field(default_factory=list)
    log_source: str = ""
    lines: Lines | None = None
    baseline: Lines | None = None
    changes: list[Change] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Sources that did not answer, with the reason."""


async def gather(targets: Sequence[Target], *, sources: Sources, windows: Windows) -> list[Heard]:
    """Ask about each target, the first being the one in trouble; never raises for a source that fails."""
    return list(await asyncio.gather(*(_ask(one, sources, windows) for one in targets[: 1 + _NEIGHBOURS])))


async def _ask(target: Target, sources: Sources, windows: Windows) -> Heard:
    heard = Heard(component=target.name)
    await asyncio.gather(
        _ask_metrics(heard, target, sources.metrics, windows),
        _ask_logs(heard, target, sources.logs, windows),
        _ask_changes(heard, target, dict(sources.changes), windows),
    )
    return heard


async def _ask_metrics(heard: Heard, target: Target, metrics: Metrics | None, windows: Windows) -> None:
    if metrics is None:
        return
    begin, end = windows.baseline_from, windows.end
    step = max(_STEP, (end - begin) / _POINTS)
    standard = await _in_time(heard, "metrics", metrics.readings(target, begin=begin, end=end, step=step))
    heard.figures += standard or []
    found = await _in_time(heard, "metrics", metrics.discover(target, begin=begin, end=end, limit=_SELECTORS))
    asked = (metrics.query_range(_as_rate(one, step), begin=begin, end=end, step=step) for one in found or ())
    answers = await asyncio.gather(*(_in_time(heard, "metrics", one) for one in asked))
    heard.figures += [answer for answer in answers if answer is not None and answer.series]


def _as_rate(selector: str, step: timedelta) -> str:
    """Ask for the rate of what only ever grows: a counter's level says when its process began."""
    name = selector.partition("{")[0]
    if not name.endswith(("_total", "_count", "_sum", "_bucket")):
        return selector
    return f"rate({selector}[{max(int(step.total_seconds() * 4), 60)}s])"


async def _ask_logs(heard: Heard, target: Target, logs: Sequence[tuple[str, Logs]], windows: Windows) -> None:
    strangers: list[str] = []
    for name, source in logs:
        asked = source.lines(target, begin=windows.begin, end=windows.end, limit=windows.log_lines)
        lines = await _in_time(heard, name, asked, strangers=strangers)
        if lines is None:
            continue
        heard.log_source, heard.lines = name, _bounded(lines)
        before = source.lines(target, begin=windows.baseline_from, end=windows.begin, limit=windows.log_lines)
        heard.baseline = _bounded(await _in_time(heard, name, before))
        return
    heard.missing += strangers


def _bounded(found: Lines | None) -> Lines | None:
    """Leave out the oldest lines of what is more than can be read in seconds."""
    if found is None:
        return None
    characters = parts = 0
    for kept, line in enumerate(reversed(found.lines)):
        characters += len(line.text)
        parts += 1 + line.text.count("\n")
        if characters > _CHARACTERS or parts > _PARTS:
            return found.with_(lines=found.lines[len(found.lines) - kept :], partial=True)
    return found


async def _ask_changes(heard: Heard, target: Target, changes: Mapping[str, ChangeSource], windows: Windows) -> None:
    asked = (
        _in_time(heard, name, source.changes(target, begin=windows.end - _CHANGES, end=windows.end))
        for name, source in changes.items()
    )
    heard.changes = [change for answer in await asyncio.gather(*asked) for change in answer or ()]


async def _in_time(heard: Heard, source: str, answer: Awaitable[T], *, strangers: list[str] | None = None) -> T | None:
    """Return the answer, None when there is none in time; told in `missing`.

    With `strangers`, who says for good that it cannot answer goes there: of who knows a target one is enough.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            return await answer
    except TimeoutError:
        heard.missing.append(f"{source}: no answer about {heard.component} within {_PATIENCE:g} s")
    except PluginError as error:
        told = heard.missing if strangers is None or error.retryable else strangers
        told.append(f"{source}: {error}")
    return None
