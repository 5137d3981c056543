"""Lets polls see what Prometheus knows of a target's users: few queries for all targets, shared for some seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from devops_agent.kit.labels import LabelBook, matcher
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Target
from devops_agent.plugins.prometheus.client import Found, PrometheusClient
from devops_agent.plugins.prometheus.config import Config, Options, options
from devops_agent.plugins.prometheus.metrics import book_of, client_of
from devops_agent.plugins.prometheus.readings import READINGS, SCRAPED_AT, TOGETHER, bare_matchers, batches, fill
from devops_agent.ports import Clock, PluginError

_PATIENCE = 1.0
"""Seconds that a look waits for Prometheus: one that hangs must not delay what does not need it."""
_SOONEST = 1.0
"""Seconds from one round to the next when targets are asked for that the last one did not know."""
_FORGOTTEN = 600.0
"""Seconds after which a target that nobody looks at is asked for no more."""
_AT_ONCE = 4
_SCRAPED = "scraped_at"


def build(config: Mapping[str, object], *, tools: Tools) -> PrometheusProbe:
    """Build the probe from `plugins.prometheus`."""
    given = settings(Config, config, where="plugins.prometheus")
    client = client_of(given, tools=tools)
    return PrometheusProbe(given, client, book=book_of(given, client, clock=tools.clock), clock=tools.clock)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One figure of one target."""

    value: float
    query: Callable[[], str]
    """Writes the query that a person would ask for it alone; made only when it is shown, for it is long."""


@dataclass(slots=True, kw_only=True)
class _Round:
    """What one round of queries brought."""

    begun: float
    """By the monotonic clock."""
    at: datetime
    targets: frozenset[str] = frozenset()
    seen: dict[tuple[str, str], _Seen] = field(default_factory=dict)
    """(target, reading) → figure."""
    trouble: dict[str, str] = field(default_factory=dict)
    """Target → why nothing can be said of it; under "" what holds for all."""


class PrometheusProbe:
    """Gives `request_rate`, `error_percent`, `latency_p95_ms` and `availability_percent` where they are measured.

    What Prometheus does not know of a target is silence; that it cannot be asked is one piece of evidence, and makes
    no target unwell.
    """

    def __init__(self, config: Config, client: PrometheusClient, *, book: LabelBook, clock: Clock) -> None:
        self._config = config
        self._client = client
        self._book = book
        self._clock = clock
        self._known: dict[str, tuple[float, Target]] = {}
        """Name → when it was last looked at, and the target."""
        self._last: _Round | None = None
        self._asking: asyncio.Task[_Round] | None = None
        self._waited_until = 0.0

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        """Return the readings; `window` is the look's, these are taken over the plugin's own."""
        self._know(target)
        if self._due(target) and self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
            self._waited_until = self._clock.monotonic() + _PATIENCE
        left = self._waited_until - self._clock.monotonic()
        if self._asking is not None and left > 0:
            await asyncio.wait({self._asking}, timeout=left)
        return list(self._told(target))

    async def close(self) -> None:
        """Give up a round that is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _know(self, target: Target) -> None:
        before = self._known.get(target.name)
        # A poll may leave out checks that are not due, and with them addresses that name the target.
        same = before is not None and len(before[1].checks) > len(target.checks)
        kept = before[1] if before is not None and same else target
        self._known[target.name] = (self._clock.monotonic(), kept)

    def _due(self, target: Target) -> bool:
        if self._last is None:
            return True
        age = self._clock.monotonic() - self._last.begun
        return age >= (self._config.remember.total_seconds() if target.name in self._last.targets else _SOONEST)

    def _asked(self, task: asyncio.Task[_Round]) -> None:
        self._asking = None
        if not task.cancelled():
            self._last = task.result()

    async def _ask(self) -> _Round:
        """Ask for all targets that are looked at."""
        now = self._clock.monotonic()
        self._known = {name: known for name, known in self._known.items() if now - known[0] < _FORGOTTEN}
        round_ = _Round(begun=now, at=self._clock.now(), targets=frozenset(self._known))
        try:
            await self._fill(round_, [target for _, target in self._known.values()])
        except PluginError as error:
            round_.trouble[""] = str(error)
        return round_

    async def _fill(self, round_: _Round, targets: Sequence[Target]) -> None:
        said = self._options(round_, targets)
        alone = [target for target in targets if target.name in said and said[target.name].selector]
        found = [target for target in targets if target.name in said and not said[target.name].selector]
        carrying = await self._book.carrying(found)
        room = asyncio.Semaphore(_AT_ONCE)

        async def ask(job: _Job) -> Found:
            async with room:
                return await self._client.query(job.expression, at=round_.at)

        jobs = [
            *(job for target in alone for job in _alone(target, said[target.name], self._config)),
            *_own(found, said, carrying, self._config),
            *_together(carrying, self._config),
        ]
        answers = await asyncio.gather(*map(ask, jobs), return_exceptions=True)
        # In order: what a target's own query, or a more telling label, brought stays.
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, PluginError):
                for target in job.targets.values():
                    round_.trouble.setdefault("" if answer.retryable else target, str(answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                job.sort_into(round_.seen, answer)

    def _options(self, round_: _Round, targets: Iterable[Target]) -> dict[str, Options]:
        said = {}
        for target in targets:
            try:
                said[target.name] = options(target)
            except PluginError as error:
                round_.trouble[target.name] = str(error)
        return said

    def _told(self, target: Target) -> Iterator[Evidence]:
        now, last = self._clock.now(), self._last
        oldest = self._clock.monotonic() - 3 * self._config.remember.total_seconds() - _PATIENCE
        if last is None or last.begun < oldest:
            if self._asking is not None:
                yield _unknown(f"Prometheus has not answered within {_PATIENCE:g} s", now)
            return
        if why := last.trouble.get("") or last.trouble.get(target.name):
            yield _unknown(why, now)
        scraped = last.seen.get((target.name, _SCRAPED))
        as_of = datetime.fromtimestamp(scraped.value, UTC) if scraped is not None else None
        for name, reading in READINGS.items():
            if (seen := last.seen.get((target.name, name))) is not None:
                value = round(seen.value, 4)
                yield Evidence(
                    source="prometheus",
                    name=name,
                    query=seen.query(),
                    value=value,
                    unit=reading.unit,
                    at=last.at,
                    window=self._config.window,
                    as_of=min(as_of, last.at) if as_of is not None else None,
                    says=f"{value:g} {reading.unit} {reading.says}",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One query, and whose figures are in its answer."""

    reading: str
    targets: Mapping[str, str]
    """Value of the label → the target that it means; under "" the only one."""
    label: str = ""
    write: Callable[..., str]
    """Values of the label → the query for these."""

    @property
    def expression(self) -> str:
        """The query for all; written when it is asked, for with many targets it is long."""
        return self.write(*self.targets)

    def sort_into(self, seen: dict[tuple[str, str], _Seen], answer: Found) -> None:
        """Give each target its figure, unless it has one."""
        for one in answer.series:
            value = one.metric.get(self.label, "") if self.label else ""
            if (target := self.targets.get(value)) is not None:
                seen.setdefault((target, self.reading), _Seen(one.values[-1], partial(self.write, value)))


Carrying = Mapping[str, Sequence[tuple[str, tuple[str, ...]]]]


def _together(carrying: Carrying, config: Config) -> Iterator[_Job]:
    """Return the queries that serve all targets at once, label by label in order."""
    templates = {name: config.readings.get(name) or reading.template for name, reading in READINGS.items()}
    templates = {name: text for name, text in templates.items() if "{label}" in text} | {_SCRAPED: SCRAPED_AT}
    meant: dict[str, dict[str, str]] = {label: {} for label in config.labels}
    for target, found in carrying.items():
        for label, values in found:
            for value in values:
                meant[label].setdefault(value, target)
    for label, owners in meant.items():
        for values in batches(list(owners)):
            for name, template in templates.items():
                yield _Job(
                    reading=name,
                    label=label,
                    targets={value: owners[value] for value in values},
                    write=partial(_written, template, label, config.window),
                )


def _alone(target: Target, said: Options, config: Config) -> Iterator[_Job]:
    """Return the queries for a target with a selector of its own."""
    matchers = bare_matchers(said.selector)
    templates = {name: reading.template for name, reading in READINGS.items()}
    templates |= {**config.readings, **said.readings, _SCRAPED: SCRAPED_AT}
    for name, template in templates.items():
        expression = fill(template, matchers=matchers, label=TOGETHER, window=config.window)
        yield _single(name, expression, target)


def _own(targets: Iterable[Target], said: Mapping[str, Options], carrying: Carrying, config: Config) -> Iterator[_Job]:
    """Return the queries that cannot be shared: those of single targets, and those without `by ({label})`."""
    shared = {name: text for name, text in config.readings.items() if "{label}" not in text}
    for target in targets:
        for name, template in {**shared, **said[target.name].readings}.items():
            for label, values in carrying[target.name]:
                yield _single(name, _written(template, label, config.window, *values), target)


def _single(name: str, expression: str, target: Target) -> _Job:
    return _Job(reading=name, targets={"": target.name}, write=lambda _: expression)


def _written(template: str, label: str, window: timedelta, *values: str) -> str:
    return fill(template, matchers=matcher(label, values), label=label, window=window)


def _unknown(says: str, at: datetime) -> Evidence:
    return Evidence(source="prometheus", name="prometheus", value="unknown", at=at, says=says)
