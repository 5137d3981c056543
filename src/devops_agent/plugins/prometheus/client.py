"""Prometheus's HTTP API as far as it is needed here; no word of ours.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/. Thanos, Mimir and VictoriaMetrics speak it, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from devops_agent.kit.authorization import Authorization
from devops_agent.kit.http import Answer, Http, HttpError, bare
from devops_agent.ports import PluginError

MOST_POINTS = 500
"""Points of one series that are asked for at most."""
_LIMIT = 32_000_000
_LONGEST_URL = 2_000
_GRACE = 1.0
"""Seconds that the answer may take on its way, beside the time that Prometheus may take."""
_PASSING = frozenset({"timeout", "canceled", "unavailable", "too_many_requests", "internal"})
_PASSING_STATUSES = frozenset({408, 425, 429})
_SERVER_ERROR = 500
_METHOD_NOT_ALLOWED = 405
_LATEST = 253_402_300_799
"""The last second of the year 9999, which is the last that Python knows."""

T = TypeVar("T")
Query = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """One series of an answer; samples that are no finite number, or of no time that there can be, are left out."""

    metric: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a query brought."""

    series: tuple[Sampled, ...]
    cut: bool
    """Whether there were more series than may be taken."""
    warnings: tuple[str, ...]


class _Envelope(msgspec.Struct, kw_only=True):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error_type: str = msgspec.field(name="errorType", default="")
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None


class _Data(msgspec.Struct, kw_only=True):
    kind: str = msgspec.field(name="resultType")
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Pair(NamedTuple):
    time: float
    value: str


class _Row(msgspec.Struct, kw_only=True):
    metric: dict[str, str] = {}
    value: _Pair | None = None
    values: list[_Pair] = []


class PrometheusClient:
    """Asks one Prometheus. Every method raises PluginError when it cannot be reached, refuses, or answers nonsense."""

    def __init__(
        self, url: str, *, http: Http, authorization: Authorization, timeout: timedelta, most_series: int
    ) -> None:
        self._url = url.rstrip("/")
        self._http = http
        self._authorization = authorization
        self._timeout = timeout.total_seconds()
        self._most = most_series

    async def query(self, expression: str, *, at: datetime) -> Found:
        """Return the value of each series at one moment."""
        asked = [("query", expression), ("time", _time(at)), ("timeout", f"{self._timeout:g}s"), self._wanted]
        return self._found(await self._ask("/api/v1/query", asked))

    async def query_range(self, expression: str, *, begin: datetime, end: datetime, step: timedelta) -> Found:
        """Return each series over a window, at most `MOST_POINTS` of each: a step that is too small is widened."""
        asked = [
            ("query", expression),
            ("start", _time(begin)),
            ("end", _time(end)),
            ("step", f"{widened(step, begin=begin, end=end):g}"),
            ("timeout", f"{self._timeout:g}s"),
            self._wanted,
        ]
        return self._found(await self._ask("/api/v1/query_range", asked))

    async def series(
        self, selectors: Iterable[str], *, begin: datetime, end: datetime, limit: int
    ) -> list[dict[str, str]]:
        """Return the labels of the series that any of the selectors selects, at most `limit`."""
        asked = [("match[]", selector) for selector in selectors]
        asked += [("start", _time(begin)), ("end", _time(end)), ("limit", str(limit))]
        # The limit is new in Prometheus 2.53; an older one sends all.
        return _read(await self._ask("/api/v1/series", asked), list[dict[str, str]], self._url)[:limit]

    async def label_values(self, label: str, *, begin: datetime, end: datetime) -> list[str]:
        """Return the values that a label has in a window."""
        asked = [("start", _time(begin)), ("end", _time(end))]
        return _read(await self._ask(f"/api/v1/label/{quote(label, safe='')}/values", asked), list[str], self._url)

    @property
    def _wanted(self) -> tuple[str, str]:
        return "limit", str(self._most + 1)

    def _found(self, envelope: _Envelope) -> Found:
        data = _read(envelope, _Data, self._url)
        if data.kind in ("scalar", "string"):
            rows = [_Row(value=_decoded(data.result, _Pair, self._url))]
        elif data.kind in ("vector", "matrix"):
            rows = _decoded(data.result, list[_Row], self._url)
        else:
            raise PluginError(f"cannot read the answer of {self._name}: a result of type {data.kind!r}")
        kept = (_sampled(row) for row in rows[: self._most])
        return Found(
            series=tuple(one for one in kept if one.times),
            cut=len(rows) > self._most,
            warnings=tuple((envelope.warnings or []) + (envelope.infos or [])),
        )

    async def _ask(self, path: str, asked: Query) -> _Envelope:
        answer = await self._request(path, urlencode(asked, errors="replace"))
        try:
            envelope = msgspec.json.decode(answer.body, type=_Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if answer.ok:
                raise PluginError(f"cannot read the answer of {self._name}: {error}") from error
            says = f"cannot ask {self._name}: {answer.status} {_beginning(answer)}"
            raise PluginError(says, retryable=_passing(answer.status)) from error
        if envelope.status != "success":
            what = f"{envelope.error_type or answer.status}: {envelope.error or 'no reason is given'}"
            says = f"cannot ask {self._name}: {what[:1_000]}"
            raise PluginError(says, retryable=_passing(answer.status) or envelope.error_type in _PASSING)
        return envelope

    async def _request(self, path: str, asked: str) -> Answer:
        """GET over a connection that is kept, for short ones; POST for those that fit no URL, where it is allowed."""
        url = f"{self._url}{path}"
        short = len(asked) < _LONGEST_URL
        answer = await self._send("GET", f"{url}?{asked}") if short else await self._send("POST", url, asked)
        if not short and answer.status == _METHOD_NOT_ALLOWED:
            answer = await self._send("GET", f"{url}?{asked}")
        return answer

    async def _send(self, method: str, url: str, form: str = "") -> Answer:
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        try:
            return await self._http.request(
                method,
                url,
                body=form.encode(),
                headers={"Accept": "application/json", **kind, **self._authorization.headers()},
                timeout=self._timeout + _GRACE,
                limit=_LIMIT,
                keep=method == "GET",
            )
        except HttpError as error:
            # The query is long, and of no use to a reader of logs.
            says = str(error).replace(bare(url), bare(url).partition("?")[0])
            raise PluginError(says, retryable=error.reason != "too large") from error

    @property
    def _name(self) -> str:
        return f"Prometheus at {bare(self._url)}"


def widened(step: timedelta, *, begin: datetime, end: datetime) -> float:
    """Return the step in seconds that gives at most `MOST_POINTS` points, both ends included."""
    span = max(0.0, (end - begin).total_seconds())
    wanted = max(step.total_seconds(), 0.001)
    if span / wanted <= MOST_POINTS - 1:
        return wanted
    least = span / (MOST_POINTS - 1)
    # To whole seconds, as people would write it.
    return float(math.ceil(least)) if least > 1 else math.ceil(least * 1_000) / 1_000


def _sampled(row: _Row) -> Sampled:
    pairs = list(_finite([row.value] if row.value else row.values))
    return Sampled(metric=row.metric, times=tuple(time for time, _ in pairs), values=tuple(value for _, value in pairs))


def _finite(pairs: Iterable[_Pair]) -> Iterator[tuple[float, float]]:
    for time, text in pairs:
        try:
            value = float(text)
        except ValueError:
            continue
        if math.isfinite(value) and 0 <= time <= _LATEST:
            yield time, value


def _read(envelope: _Envelope, kind: type[T], url: str) -> T:
    return _decoded(envelope.data, kind, url)


def _decoded(raw: msgspec.Raw, kind: type[T], url: str) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PluginError(f"cannot read the answer of Prometheus at {bare(url)}: {error}") from error


def _time(at: datetime) -> str:
    return f"{at.timestamp():.3f}"


def _beginning(answer: Answer) -> str:
    return " ".join(answer.text[:500].split()) or "an empty body"


def _passing(status: int) -> bool:
    return status >= _SERVER_ERROR or status in _PASSING_STATUSES
