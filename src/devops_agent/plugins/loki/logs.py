"""The port Logs on Loki."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from devops_agent.kit.authorization import Authorization
from devops_agent.kit.labels import LabelBook, matcher, quoted
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Figures, Lines, LogLine, Series
from devops_agent.plugins.loki.client import LokiClient, Stream, TooMuchError, nanoseconds
from devops_agent.plugins.loki.config import Config, options
from devops_agent.ports import PluginError

LONGEST = 16_384
"""Characters of a line that are kept."""
_ERRORS = "(?i)(error|exception|fatal|panic|traceback)"
_LEVELS = "(?i)(error|err|critical|fatal)"
_STREAMS_SEEN_WITHIN = timedelta(hours=24)
_LEAST_PAGE = 50
_MOST_PAGES = 200
_ROUNDED = 1_024
"""Nanoseconds by which a time may be off where it went through a number of 64 bits (IEEE 754) on its way."""


def build(config: Mapping[str, object], *, tools: Tools) -> LokiLogs:
    """Build the source from `plugins.loki`."""
    given = settings(Config, config, where="plugins.loki")
    authorization = Authorization(
        secret=tools.secret,
        token_file=given.token_file,
        username=given.username,
        password_file=given.password_file,
    )
    client = LokiClient(
        given.url, http=tools.http, authorization=authorization, timeout=given.timeout, tenant=given.tenant
    )

    async def values(label: str) -> Collection[str]:
        now = tools.clock.now()
        return await client.label_values(label, begin=now - _STREAMS_SEEN_WITHIN, end=now)

    return LokiLogs(client, book=LabelBook(given.labels, values=values, clock=tools.clock), page=given.page)


class _Line(NamedTuple):
    ns: int
    text: str
    labels: tuple[tuple[str, str], ...]


class LokiLogs:
    """Reads from one Loki."""

    def __init__(self, client: LokiClient, *, book: LabelBook, page: int) -> None:
        self._client = client
        self._book = book
        self._page = page

    async def lines(
        self, target: Target, *, begin: datetime, end: datetime, limit: int = 5_000, errors_only: bool = False
    ) -> Lines:
        """Return the target's lines of a window, oldest first.

        Errors are lines that say so in a word, or whose level does, be it a label or what Loki has detected.
        """
        selector = await self._selector(target)
        if not errors_only:
            return await self._read(selector, begin=begin, end=end, limit=limit)
        by_word = await self._read(f"{selector} |~ {quoted(_ERRORS)}", begin=begin, end=end, limit=limit)
        levels = quoted(_LEVELS)
        query = f"{selector} !~ {quoted(_ERRORS)} | detected_level=~{levels} or level=~{levels}"
        by_level = await self._read(query, begin=begin, end=end, limit=limit)
        both = sorted((*by_word.lines, *by_level.lines), key=lambda line: line.at)
        return Lines(
            lines=tuple(both[max(0, len(both) - limit) :]),
            query=by_word.query,
            partial=by_word.partial or by_level.partial or len(both) > limit,
        )

    async def figures(self, query: str, *, begin: datetime, end: datetime, step: timedelta) -> Figures:
        """Return what a metric query counts over a window, such as `sum by (level) (count_over_time({…}[1m]))`.

        Raises:
            PluginError: Loki cannot be reached, or refuses the query.

        """
        found = await self._client.metric_range(query, begin=begin, end=end, step=step.total_seconds())
        series = tuple(
            Series(name=query, labels=dict(one.labels), times=one.times, values=one.values)
            for one in found.series
            if one.times
        )
        return Figures(series=series, query=query, partial=bool(found.warnings), warnings=found.warnings)

    async def _selector(self, target: Target) -> str:
        if own := options(target).selector.strip():
            return own if own.startswith("{") else f"{{{own}}}"
        for label, values in (await self._book.carrying([target]))[target.name]:
            return f"{{{matcher(label, values)}}}"
        says = f"cannot read logs of {target.name!r} from Loki: no label carries its name"
        raise PluginError(f"{says}; say which do (targets[].options.loki.selector)", retryable=False)

    async def _read(self, query: str, *, begin: datetime, end: datetime, limit: int) -> Lines:
        """Read from the newest line back, page by page, until there is one line too many or none is left."""
        first, until = nanoseconds(begin), nanoseconds(end)
        kept: dict[_Line, None] = {}
        partial, page = False, self._page
        upper = until
        for _ in range(_MOST_PAGES):
            again = sum(line.ns < upper for line in kept)
            wanted = min(limit + 1 - len(kept) + again, page)
            try:
                found = await self._client.query_range(query, begin=first, end=upper, limit=wanted)
            except TooMuchError:
                if page <= _LEAST_PAGE:
                    raise
                page = max(_LEAST_PAGE, min(page, wanted) // 4)
                continue
            partial = partial or bool(found.warnings)
            came = list(_newest_first(found.streams))
            known = len(kept)
            kept.update((line, None) for line in came if first <= line.ns < until)
            if len(came) < wanted or len(kept) > limit:
                break
            # The next page begins a little too late, for times may have been rounded; what comes twice is one line.
            upper, before = min(line.ns for line in came) + _ROUNDED, upper
            if len(kept) == known or upper >= before:
                # More lines at one moment than fit a page: the rest cannot be reached.
                partial = True
                break
        else:
            partial = True
        ordered = sorted(kept, key=lambda line: line.ns, reverse=True)
        ordered.reverse()
        cut = len(ordered) > limit
        lines = tuple(map(_log_line, ordered[max(0, len(ordered) - limit) :]))
        return Lines(lines=lines, query=query, partial=partial or cut)


def _newest_first(streams: Iterable[Stream]) -> Iterator[_Line]:
    for stream in streams:
        labels = tuple(sorted(stream.labels.items()))
        for entry in sorted(stream.entries, key=lambda entry: entry.ns, reverse=True):
            yield _Line(entry.ns, entry.text, labels)


def _log_line(line: _Line) -> LogLine:
    seconds, rest = divmod(line.ns, 1_000_000_000)
    at = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=rest // 1_000)
    text = line.text if len(line.text) <= LONGEST else line.text[:LONGEST]
    return LogLine(at=at, text=text, labels=dict(line.labels))
