"""The port Metrics on Prometheus: queries, the standard readings of a target, and which series it has."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from devops_agent.kit.authorization import Authorization
from devops_agent.kit.labels import LabelBook, matcher, quoted
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Figures, Series
from devops_agent.plugins.prometheus.client import Found, PrometheusClient, Sampled, widened
from devops_agent.plugins.prometheus.config import Config, options
from devops_agent.plugins.prometheus.readings import READINGS, TOGETHER, bare_matchers, fill
from devops_agent.ports import Clock, PluginError

_CLASSIC = re.compile(r"[A-Za-z_:][\w:]*", re.ASCII)
_SERIES_SEEN_WITHIN = timedelta(hours=1)


def build(config: Mapping[str, object], *, tools: Tools) -> PrometheusMetrics:
    """Build the source from `plugins.prometheus`."""
    given = settings(Config, config, where="plugins.prometheus")
    client = client_of(given, tools=tools)
    return PrometheusMetrics(given, client, book=book_of(given, client, clock=tools.clock))


def client_of(config: Config, *, tools: Tools) -> PrometheusClient:
    """Return a client as the settings say."""
    authorization = Authorization(
        secret=tools.secret,
        token_file=config.token_file,
        username=config.username,
        password_file=config.password_file,
    )
    return PrometheusClient(
        config.url,
        http=tools.http,
        authorization=authorization,
        timeout=config.timeout,
        most_series=config.max_series,
    )


def book_of(config: Config, client: PrometheusClient, *, clock: Clock) -> LabelBook:
    """Return what remembers by which labels targets are known there."""

    async def values(label: str) -> Collection[str]:
        now = clock.now()
        return await client.label_values(label, begin=now - _SERIES_SEEN_WITHIN, end=now)

    return LabelBook(config.labels, values=values, clock=clock)


class PrometheusMetrics:
    """Asks one Prometheus."""

    def __init__(self, config: Config, client: PrometheusClient, *, book: LabelBook) -> None:
        self._config = config
        self._client = client
        self._book = book

    async def query(self, expression: str, *, at: datetime) -> Figures:
        """Return the value of each series at one moment."""
        return _figures(expression, await self._client.query(expression, at=at))

    async def query_range(self, expression: str, *, begin: datetime, end: datetime, step: timedelta) -> Figures:
        """Return each series over a window."""
        found = await self._client.query_range(expression, begin=begin, end=end, step=step)
        return _figures(expression, found)

    async def readings(self, target: Target, *, begin: datetime, end: datetime, step: timedelta) -> list[Figures]:
        """Return the standard readings that there are of a target.

        Each has one series, named after the reading. A query of the user's own that Prometheus refuses gives no series
        but a warning, marked as partial: the other readings are worth having all the same.
        """
        selections = await self._selections(target)
        window = max(self._config.window, timedelta(seconds=widened(step, begin=begin, end=end)))
        own = options(target).readings

        async def read(name: str) -> Figures | None:
            template = own.get(name) or self._config.readings.get(name) or READINGS[name].template
            answer = None
            for label, matchers in selections:
                expression = fill(template, matchers=matchers, label=label, window=window)
                try:
                    found = await self._client.query_range(expression, begin=begin, end=end, step=step)
                except PluginError as error:
                    if error.retryable:
                        raise
                    return Figures(query=expression, partial=True, warnings=(str(error),))
                answer = _reading(name, target, expression, found)
                if answer.series:
                    return answer
            return answer if answer is not None and answer.warnings else None

        return [one for one in await asyncio.gather(*map(read, READINGS)) if one is not None]

    async def discover(self, target: Target, *, begin: datetime, end: datetime, limit: int = 50) -> list[str]:
        """Return selectors of the series that carry the target's labels; how they were scraped says nothing of it."""
        selectors = [f'{{{matchers},__name__!~"scrape_.+"}}' for _, matchers in await self._selections(target)]
        if not selectors:
            return []
        found = await self._client.series(selectors, begin=begin, end=end, limit=limit)
        return [_selector(labels) for labels in found]

    async def _selections(self, target: Target) -> list[tuple[str, str]]:
        """Return (label to group by, matchers) of each way to select the target's series, the most telling first."""
        if selector := options(target).selector:
            return [(TOGETHER, bare_matchers(selector))]
        carried = (await self._book.carrying([target]))[target.name]
        return [(label, matcher(label, values)) for label, values in carried]


def _figures(expression: str, found: Found) -> Figures:
    series = tuple(
        Series(
            name=one.metric.get("__name__", expression),
            labels={label: value for label, value in one.metric.items() if label != "__name__"},
            times=one.times,
            values=one.values,
        )
        for one in found.series
    )
    return Figures(series=series, query=expression, partial=found.cut, warnings=found.warnings)


def _reading(name: str, target: Target, expression: str, found: Found) -> Figures:
    """Take the first series only: a reading is one figure, and a template without grouping may give several."""
    series = tuple(
        Series(
            name=name,
            target=target.name,
            labels=dict(one.metric),
            unit=READINGS[name].unit,
            times=one.times,
            values=one.values,
        )
        for one in _fullest(found)
    )
    more = len(found.series) > 1
    return Figures(series=series, query=expression, partial=found.cut or more, warnings=found.warnings)


def _fullest(found: Found) -> Iterator[Sampled]:
    if found.series:
        yield max(found.series, key=lambda one: len(one.times))


def _selector(labels: Mapping[str, str]) -> str:
    """Write a series as its selector; names that are not of the classic form are quoted (Prometheus 3)."""
    name = labels.get("__name__", "")
    inside = [
        f"{label if _CLASSIC.fullmatch(label) else quoted(label)}={quoted(value)}"
        for label, value in sorted(labels.items())
        if label != "__name__"
    ]
    if _CLASSIC.fullmatch(name):
        return f"{name}{{{','.join(inside)}}}"
    return f"{{{','.join(([quoted(name)] if name else []) + inside)}}}"
