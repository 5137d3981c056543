"""Asks a target's URLs and reads health, latency and readings from the answers."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from devops_agent.kit.http import Answer, Http, HttpError, bare
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Check, Target
from devops_agent.plugins.http.config import Config
from devops_agent.ports import Clock

READINGS: Mapping[str, str] = {name: name for name in ("memory_percent", "disk_percent", "cpu_percent")}
"""Readings that are taken from the top level of any JSON answer, without a mapping."""

UNWELL = frozenset({"unhealthy", "down", "out_of_service", "fail", "failed", "failing", "error", "critical", "dead"})
"""Words under `status` that make an answer a failure, whatever its status code."""

_MESSAGES = ("message", "error", "detail", "details", "description", "reason")
_PARTS = ("failing", "failures", "errors", "checks", "components", "dependencies")
_WELL = frozenset({"up", "ok", "healthy", "pass", "passing", "passed", "well", "true"})

_UNITS = (("_percent", "%"), ("_ms", "ms"), ("_seconds", "s"), ("_bytes", "bytes"), ("_days", "days"))
_REDIRECTS = 3
_ANSWER_BYTES = 1_000_000
_CERTIFICATE_EVERY = timedelta(hours=1)


def build(config: Mapping[str, object], *, tools: Tools) -> "HttpProbe":
    """Return the probe."""
    settings(Config, config, where="plugins.http")
    return HttpProbe(tools.http, clock=tools.clock)


class HttpProbe:
    """Does all `http` checks of a target at once.

    A check named N gives the evidence N (True or False, with a sentence), `N.error` with one word for what is wrong
    when it fails, and the readings found in its answer. Where several answers hold a reading, a mapped one counts, else
    the first check's: a page about the host repeats names that the target's own resources have. The target's
    `latency_ms` is that of its slowest vital check that was answered; `certificate_days` that of the certificate that
    ends first.
    """

    def __init__(self, http: Http, *, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._certificates: dict[tuple[str, int], tuple[datetime, datetime]] = {}
        """(host, port) → when its certificate was read, and when that ends."""

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        """Return what the target's URLs say; that they do not answer is evidence too."""
        checks = [check for check in target.checks if check.kind == "http"]
        if not checks:
            return []
        seen = await asyncio.gather(*(self._do(check) for check in checks))
        now = self._clock.now()
        evidence = [_seen(piece, now) for one in seen for piece in _judge(one)]
        evidence += [_seen(piece, now) for piece in _all_readings(seen)]
        if answered := [one for one in seen if one.answer and one.check.vital] or [one for one in seen if one.answer]:
            slowest = max(answered, key=lambda one: one.seconds)
            evidence.append(_seen(_Piece("latency_ms", round(slowest.seconds * 1000, 1), slowest.query), now))
        if days := [one for one in seen if one.days is not None]:
            soonest = min(days, key=lambda one: one.days or 0.0)
            evidence.append(_seen(_Piece("certificate_days", soonest.days, soonest.query), now))
        return evidence

    async def _do(self, check: Check) -> "_Seen":
        try:
            answer = await self._http.request(
                check.method,
                check.url,
                body=check.body.encode(),
                headers=check.headers,
                timeout=check.timeout.total_seconds(),
                limit=_ANSWER_BYTES,
                redirects=_REDIRECTS,
            )
        except HttpError as error:
            ended = error.reason == "tls" and "expired" in str(error)
            return _Seen(check=check, error=error, days=0.0 if ended else None)
        return _Seen(check=check, answer=answer, days=await self._certificate_days(check))

    async def _certificate_days(self, check: Check) -> float | None:
        """Return the days an https server's certificate still has; read hourly, for it costs a connection."""
        if not check.url.startswith("https:"):
            return None
        url = urlsplit(check.url)
        where = (url.hostname or "", url.port or 443)
        now = self._clock.now()
        read, ends = self._certificates.get(where, (now - 2 * _CERTIFICATE_EVERY, now))
        if now - read > _CERTIFICATE_EVERY or ends <= now:
            try:
                ends = await self._http.certificate_ends(*where, timeout=check.timeout.total_seconds())
            except HttpError:
                return None
            self._certificates[where] = (now, ends)
        return round((ends - now) / timedelta(days=1), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What one check brought."""

    check: Check
    answer: Answer | None = None
    error: HttpError | None = None
    days: float | None = None

    @property
    def query(self) -> str:
        return f"{self.check.method} {bare(self.check.url)}"

    @property
    def seconds(self) -> float:
        return self.answer.seconds if self.answer else 0.0


@dataclass(frozen=True, slots=True)
class _Piece:
    """One piece of evidence before it is dated."""

    name: str
    value: bool | float | str | None
    query: str
    says: str = ""


def _seen(piece: _Piece, now: datetime) -> Evidence:
    unit = next((unit for ending, unit in _UNITS if piece.name.endswith(ending)), "")
    return Evidence(
        source="http", name=piece.name, query=piece.query, value=piece.value, unit=unit, at=now, says=piece.says
    )


def _judge(seen: _Seen) -> Iterator[_Piece]:
    """Tell whether a check passed, what is wrong if not, and the readings in the answer."""
    name, query, answer = seen.check.name, seen.query, seen.answer
    if answer is None:
        error = seen.error
        yield _Piece(name, value=False, query=query, says=str(error))
        yield _Piece(f"{name}.error", error.reason if error else "protocol", query)
        return
    json = _json(answer)
    wrong, why = _what_is_wrong(seen.check, answer, json)
    if wrong:
        yield _Piece(name, value=False, query=query, says=f"{query} {why}")
        yield _Piece(f"{name}.error", wrong, query)
    else:
        milliseconds = answer.seconds * 1000
        yield _Piece(name, value=True, query=query, says=f"{query} answers {answer.status} in {milliseconds:.0f} ms")


def _all_readings(seen: Sequence[_Seen]) -> list[_Piece]:
    """Return each reading once."""
    found: dict[str, _Piece] = {}
    for one in sorted(seen, key=lambda one: not one.check.fields):
        if one.answer is None:
            continue
        for piece in _readings(one.check, _json(one.answer), one.query):
            if piece.name not in found or found[piece.name].value is None:
                found[piece.name] = piece
    return list(found.values())


def _what_is_wrong(check: Check, answer: Answer, json: object) -> tuple[str, str]:
    """Return one word and the rest of a sentence for the first thing that is not as expected; ("", "") for none."""
    if answer.status not in check.expect_status:
        return "status", f"answers {answer.status}: {_in_words(answer, json)}"
    for path, expected in check.expect_json.items():
        found = _at(json, path)
        if not _same(found, expected):
            return "json", f"answers {path} = {_short(found)}, expected {_short(expected)}"
    if "status" not in check.expect_json and isinstance(word := _at(json, "status"), str) and word.lower() in UNWELL:
        more = _in_words(answer, json)
        return "unhealthy", f"says that it is {word}" + (f": {more}" if more != word else "")
    if check.expect_body and check.expect_body.encode() not in answer.body:
        return "body", f"answers without {check.expect_body!r}: {_excerpt(answer)}"
    if check.max_latency is not None and answer.seconds > check.max_latency.total_seconds():
        allowed = check.max_latency.total_seconds() * 1000
        return "latency", f"answers after {answer.seconds * 1000:.0f} ms, allowed are {allowed:.0f} ms"
    return "", ""


def _readings(check: Check, json: object, query: str) -> Iterator[_Piece]:
    for name, path in {**READINGS, **check.fields}.items():
        value = _number(_at(json, path))
        if value is not None:
            yield _Piece(name, value, query)
        elif name in check.fields:
            yield _Piece(name, None, query, says=f"{query} answers no number under {path}")


def _json(answer: Answer) -> object:
    """Return the answer's JSON object or list; None when it is none."""
    if answer.body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        json: object = answer.json()
    except HttpError:
        return None
    return json


def _at(json: object, path: str) -> object:
    """Return what is under a dotted path (`memory.percent`, `disks.0.used`); None when nothing is."""
    for part in path.split("."):
        if isinstance(json, dict):
            json = json.get(part)
        elif isinstance(json, list) and part.isdecimal() and int(part) < len(json):
            json = json[int(part)]
        else:
            return None
    return json


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value.rstrip(" %") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _same(found: object, expected: object) -> bool:
    """Compare as JSON does: true is not 1."""
    return isinstance(found, bool) == isinstance(expected, bool) and found == expected


def _short(value: object) -> str:
    text = repr(value) if value is not None else "nothing"
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004 — what fits a line


def _excerpt(answer: Answer) -> str:
    text = " ".join(answer.body[:1_000].decode(errors="replace").split())
    return (text if len(text) <= 200 else f"{text[:200]}…") or "an empty body"  # noqa: PLR2004 — what fits two lines


def _in_words(answer: Answer, json: object) -> str:
    """Return what an answer says for people: its messages, its status if it has nothing else, or how it begins."""
    if isinstance(json, dict) and isinstance(status := json.get("status"), str) and len(json) == 1:
        return status
    return _told(json) or _excerpt(answer)


def _told(json: object, *, depth: int = 3) -> str:
    """Return what an answer says for people: its message, and those of its parts that are not well; empty: nothing.

    The forms are those that are common at health endpoints: `{"message": …}`, `{"error": {"message": …}}`, RFC 9457's
    `detail`, and a list or object of parts (`failing`, `errors`, `checks`) with a message each.
    """
    if not isinstance(json, dict) or not depth:
        return ""
    words = [word for key in _MESSAGES if (word := json.get(key)) and isinstance(word, str)][:1]
    words += filter(None, [_told(json.get("error"), depth=depth - 1)])
    for key in _PARTS:
        parts = json.get(key)
        if not isinstance(parts, dict | list):
            continue
        for name, part in parts.items() if isinstance(parts, dict) else (("", one) for one in parts):
            if isinstance(part, dict) and str(part.get("status")).lower() not in _WELL:
                word, about = _told(part, depth=depth - 1), part.get("name") or name
                words += [f"{about}: {word}" if about else word] if word else []
    text = " ".join("; ".join(words).split())
    return text if len(text) <= 200 else f"{text[:200]}…"  # noqa: PLR2004 — what fits two lines
