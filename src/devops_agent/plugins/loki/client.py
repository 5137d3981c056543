"""Loki's HTTP API as far as it is needed here; no word of ours.

Source: https://grafana.com/docs/loki/latest/reference/loki-http-api/. Servers that only speak like Loki differ: qryn
writes times as rounded numbers, where Loki writes strings of 19 digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from devops_agent.kit.authorization import Authorization
from devops_agent.kit.http import Answer, Http, HttpError, bare
from devops_agent.ports import PluginError

_LIMIT = 64_000_000
_PASSING_STATUSES = frozenset({408, 425, 429})
_SERVER_ERROR = 500
_NANO = 1_000_000_000
_LATEST = 253_402_300_799 * _NANO
"""The last second of the year 9999, which is the last that Python knows."""

T = TypeVar("T")


class Entry(NamedTuple):
    """One line."""

    ns: int
    """Nanoseconds since 1970, UTC."""
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """Lines that share their labels, in the order in which they came."""

    labels: Mapping[str, str]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """One series of a metric query; samples that are no finite number are left out."""

    labels: Mapping[str, str]
    times: tuple[float, ...]
    """Seconds since 1970, UTC."""
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a query brought: streams, or series."""

    streams: tuple[Stream, ...] = ()
    series: tuple[Sampled, ...] = ()
    warnings: tuple[str, ...] = ()


class _Envelope(msgspec.Struct, kw_only=True):
    status: str = "success"
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    warnings: list[str] | None = None


class _Data(msgspec.Struct, kw_only=True):
    kind: str = msgspec.field(name="resultType")
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Stream(msgspec.Struct, kw_only=True):
    stream: dict[str, str] = {}
    # (time, line), and with Loki's structured metadata a third part.
    values: list[list[Any]] = []


class _Series(msgspec.Struct, kw_only=True):
    metric: dict[str, str] = {}
    value: list[Any] | None = None
    values: list[list[Any]] = []


class TooMuchError(PluginError):
    """The answer is larger than what is read; a smaller limit gives a smaller one."""


class LokiClient:
    """Asks one Loki. Every method raises PluginError when it cannot be reached, refuses, or answers nonsense."""

    def __init__(
        self, url: str, *, http: Http, authorization: Authorization, timeout: timedelta, tenant: str = ""
    ) -> None:
        self._url = url.rstrip("/")
        self._http = http
        self._authorization = authorization
        self._timeout = timeout.total_seconds()
        self._tenant = {"X-Scope-OrgID": tenant} if tenant else {}

    async def query_range(self, query: str, *, begin: int, end: int, limit: int) -> Found:
        """Return the newest lines of a window, `begin` ≤ time < `end`, in nanoseconds since 1970; newest first.

        Raises:
            TooMuchError: that many lines are more bytes than are read.

        """
        asked = {"query": query, "start": begin, "end": end, "limit": limit, "direction": "backward"}
        return self._found(await self._ask("/loki/api/v1/query_range", asked))

    async def metric_range(self, query: str, *, begin: datetime, end: datetime, step: float) -> Found:
        """Return each series of a metric query over a window, with a point every `step` seconds."""
        asked = {"query": query, "start": nanoseconds(begin), "end": nanoseconds(end), "step": f"{step:g}"}
        return self._found(await self._ask("/loki/api/v1/query_range", asked))

    async def label_values(self, label: str, *, begin: datetime, end: datetime) -> list[str]:
        """Return the values that a label has in a window."""
        asked = {"start": nanoseconds(begin), "end": nanoseconds(end)}
        envelope = await self._ask(f"/loki/api/v1/label/{quote(label, safe='')}/values", asked)
        # Without any value Loki leaves `data` out.
        return [] if envelope.data == b"null" else self._decoded(envelope.data, list[str])

    def _found(self, envelope: _Envelope) -> Found:
        data = self._decoded(envelope.data, _Data)
        warnings = tuple(envelope.warnings or ())
        if data.kind == "streams":
            streams = self._decoded(data.result, list[_Stream])
            read = tuple(Stream(labels=one.stream, entries=tuple(_entries(one.values))) for one in streams)
            return Found(streams=read, warnings=warnings)
        if data.kind in ("matrix", "vector"):
            series = self._decoded(data.result, list[_Series])
            return Found(series=tuple(map(_sampled, series)), warnings=warnings)
        raise PluginError(f"cannot read the answer of {self._name}: a result of type {data.kind!r}")

    async def _ask(self, path: str, asked: Mapping[str, object]) -> _Envelope:
        answer = await self._send(f"{self._url}{path}", urlencode(asked, errors="replace"))
        if not answer.ok:
            # Loki says what is wrong with a query as plain text.
            says = f"cannot ask {self._name}: {answer.status} {_beginning(answer)}"
            raise PluginError(says, retryable=_passing(answer.status))
        envelope = self._decoded(msgspec.Raw(answer.body), _Envelope)
        if envelope.status != "success":
            raise PluginError(f"cannot ask {self._name}: {envelope.error or envelope.status}", retryable=False)
        return envelope

    async def _send(self, url: str, asked: str) -> Answer:
        headers = {"Accept": "application/json", **self._tenant, **self._authorization.headers()}
        try:
            return await self._http.request(
                "GET", f"{url}?{asked}", headers=headers, timeout=self._timeout, limit=_LIMIT, keep=True
            )
        except HttpError as error:
            # The query is long, and of no use to a reader of logs.
            says = str(error).replace(bare(f"{url}?{asked}"), bare(url))
            if error.reason == "too large":
                raise TooMuchError(says, retryable=False) from error
            raise PluginError(says) from error

    def _decoded(self, raw: msgspec.Raw, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(raw, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PluginError(f"cannot read the answer of {self._name}: {error}") from error

    @property
    def _name(self) -> str:
        return f"Loki at {bare(self._url)}"


def nanoseconds(at: datetime) -> int:
    """Return a moment as Loki counts it, exactly."""
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * _NANO + since.microseconds * 1_000


def _entries(values: list[list[Any]]) -> Iterator[Entry]:
    for value in values:
        ns = _time(value[0]) if len(value) > 1 and isinstance(value[1], str) else None
        if ns is not None:
            yield Entry(ns, value[1])


def _time(said: object) -> int | None:
    """Read nanoseconds, as a string or a number; None when it is neither, or no time that there can be."""
    try:
        ns = int(said) if isinstance(said, str | int) else round(said) if isinstance(said, float) else -1
    except (ValueError, OverflowError):
        return None
    return ns if 0 <= ns <= _LATEST else None


def _sampled(row: _Series) -> Sampled:
    pairs = [pair for value in ([row.value] if row.value else row.values) if (pair := _pair(value)) is not None]
    return Sampled(labels=row.metric, times=tuple(time for time, _ in pairs), values=tuple(value for _, value in pairs))


def _pair(value: list[Any]) -> tuple[float, float] | None:
    try:
        time, figure = (float(part) for part in value)
    except (TypeError, ValueError, OverflowError):
        return None
    return (time, figure) if math.isfinite(time) and math.isfinite(figure) else None


def _beginning(answer: Answer) -> str:
    return " ".join(answer.text[:500].split()) or "an empty body"


def _passing(status: int) -> bool:
    return status >= _SERVER_ERROR or status in _PASSING_STATUSES
