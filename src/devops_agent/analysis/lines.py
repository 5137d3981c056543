"""Reads a line of a log: its message, level, status, duration, and a stack trace that was put into a field."""

import re
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from devops_agent.analysis import durations
from devops_agent.analysis.categories import level_of
from devops_agent.model.telemetry import LogLine

LONGEST = 1_000
"""Characters of a message that are looked at."""
_LONGEST_JSON = 256 * 1024
"""Characters of a line that is read as JSON: it may hold a whole stack trace."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_]?)")
_TRANSPORT = re.compile(
    r"(?:[\w.-]{1,60}[-_]\d+ *\| )?"  # docker compose
    r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?)?"  # Docker, containerd
    r"(?:(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ [\w./-]+(?:\[\d+\])?: )?"  # syslog
)
_STAMP = re.compile(
    r"[\[(]?(?:"
    r"\d{4}[-/]\d\d[-/]\d\d[T ,]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
    r"|\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"|\d\d?[ /-][A-Z][a-z]{2}[ /-]\d{4}[: ]\d\d:\d\d:\d\d(?:\.\d+)?(?: [+-]\d{4})?"
    r"|(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?(?: \d{4})?"
    r"|\d{10}(?:\d{3}|\.\d+)?(?=[\s\]])"
    r")[\])]?[\s|:,-]*"
)
_KLOG = re.compile(r"([IWEFD])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ")
_LEVEL = re.compile(
    r"(?<![\w-])(?:"
    r"[\[(<]?(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|PANIC|EMERG|SEVERE|LOG(?=:))[\])>]?"
    r"|[\[<]((?i:trace|debug|info|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|emerg|alert))[\]>]"
    r"|^(debug|info|warn(?:ing)?|error|fatal)(?=:))(?![\w-])[:|]?"
)
_SPRING = re.compile(r"(?<!\d)\d++ --- \[[^\]]{0,80}\] ?")
_LEVEL_WITHIN = 120
_PAIR = re.compile(r'([A-Za-z_@][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_ACCESS = re.compile(r'"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) ([^\s"?]+)[^\s"]*(?: HTTP/[\d.]+)?" ([1-5]\d\d)\b')
_TRACE = re.compile(r"Traceback \(most recent call last\)|\n\s+at |\n\t\S+\.go:\d|(?:^|\n)goroutine \d")
_ESCAPED_TRACE = re.compile(r"Traceback \(most recent call last\):\\n|\\n(?:\\t| +)at |\\ngoroutine \d")

_MESSAGE = ("message", "msg", "log", "text", "body", "event", "@message", "short_message")
_LEVELS = ("level", "severity", "lvl", "levelname", "log.level", "loglevel", "severity_text", "detected_level")
_CAUSES = ("error", "err", "exception", "error.message", "reason", "exc", "error_message")
_STATUSES = ("status", "status_code", "statusCode", "http_status", "http.status_code", "http.response.status_code")


class Reading(NamedTuple):
    """A line as understood."""

    at: datetime
    raw: str
    """As the program wrote it, indentation kept, what the transport put in front taken off."""
    message: str
    level: str = ""
    """`debug`, `info`, `warning`, `error`; empty when the line tells none."""
    headed: bool = False
    """Whether it begins a record of its own: it has a level, a time or fields."""
    status: int = 0
    """Of an HTTP response."""
    took_ms: float | None = None
    trace: str = ""
    """A stack trace with its own line ends, found in a field."""


class _Told(NamedTuple):
    """What the form of a line gave away."""

    message: str
    level: str = ""
    headed: bool = True
    status: int = 0
    took_ms: float | None = None
    trace: str = ""


def read(line: LogLine) -> list[Reading]:
    """Read a line; text with line ends in it is several."""
    text = line.text
    if "\n" not in text:
        return [_read(line, text)]
    return [_read(line, part) for part in text.split("\n") if part]


def _read(line: LogLine, text: str) -> Reading:
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    raw = _TRANSPORT.sub("", text, count=1).rstrip()
    told = _told(raw)
    level = told.level or _labelled(line.labels)
    message = told.message[:LONGEST]
    took_ms = told.took_ms if told.took_ms is not None else durations.of_text(message)
    return Reading(line.at, raw[:LONGEST], message, level, told.headed, told.status, took_ms, told.trace)


def _told(raw: str) -> _Told:
    if raw[:1] == "{" and raw[-1:] == "}" and len(raw) <= _LONGEST_JSON:
        fields = _fields(raw)
        if fields is not None:
            return _from_fields(fields)
    if "\\n" in raw and _ESCAPED_TRACE.search(raw):
        whole = raw[:_LONGEST_JSON].replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
        return _plain(whole.partition("\n")[0])._replace(trace=whole, headed=True)
    raw = raw[: LONGEST * 2]
    if ("msg=" in raw or "message=" in raw) and "=" in raw.partition("msg=")[0]:
        return _from_fields({key: _unquoted(value) for key, value in _PAIR.findall(raw)})
    if '" ' in raw:
        access = _ACCESS.search(raw)
        if access is not None:
            return _access(raw, access)
    return _plain(raw)


def _unquoted(value: str) -> str:
    return value[1:-1].replace('\\"', '"') if value[:1] == '"' else value


def _fields(raw: str) -> dict[str, Any] | None:
    try:
        read: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: halves of surrogate pairs
        return None
    return read if isinstance(read, dict) else None


def _from_fields(fields: dict[str, Any]) -> _Told:
    message = next((said for key in _MESSAGE if (said := _text(fields.get(key)))), "")
    level = next((level for key in _LEVELS if (level := level_of(fields.get(key)))), "")
    status = next((code for key in _STATUSES if (code := _status(fields.get(key)))), 0)
    trace = _trace(fields)
    cause = next((said for key in _CAUSES if (said := _cause(fields.get(key)))), "")
    if not message:
        message = " ".join(f"{key}={value}" for key, value in list(fields.items())[:20] if _tells(key, value))
    if fields.get("stream") in {"stdout", "stderr"} and isinstance(fields.get("log"), str):
        return _told(message.rstrip())._replace(headed=False)  # Docker's own file of a container's output
    first, _, _ = message.partition("\n")
    if cause and cause not in first:
        first = f"{first}: {cause}"
    if status >= 400:  # noqa: PLR2004 — RFC 9110: 4xx and 5xx are errors
        first = f"{first} HTTP-{status}"
    level = "error" if status >= 500 else level  # noqa: PLR2004 — RFC 9110: the server's own errors
    return _Told(first, level, status=status, took_ms=durations.of_fields(fields), trace=trace)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _tells(key: str, value: object) -> bool:
    """Whether a field may stand in for a message that is missing."""
    return isinstance(value, str | int | float) and key not in {*_LEVELS, "time", "ts", "timestamp", "@timestamp"}


def _status(value: object) -> int:
    if isinstance(value, str) and len(value) == 3 and value.isdecimal():  # noqa: PLR2004 — three digits by RFC 9110
        value = int(value)
    return value if isinstance(value, int) and 100 <= value <= 599 else 0  # noqa: PLR2004 — RFC 9110's range


def _cause(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("message") or value.get("msg")
    return value.partition("\n")[0] if isinstance(value, str) and not _TRACE.search(value) else ""


def _trace(fields: dict[str, Any], *, deeper: bool = True) -> str:
    for value in fields.values():
        if isinstance(value, str) and "\n" in value and _TRACE.search(value[:_LONGEST_JSON]):
            return value
        if deeper and isinstance(value, dict) and (found := _trace(value, deeper=False)):
            return found
    return ""


def _access(raw: str, access: re.Match[str]) -> _Told:
    method, path, code = access.groups()
    level = "error" if code[0] == "5" else "info"
    rest = raw[access.end() :]
    took_ms = durations.of_access(rest)
    return _Told(f"{method} {path} HTTP-{code}", level, status=int(code), took_ms=took_ms)


def _plain(raw: str) -> _Told:
    stamp = _STAMP.match(raw)
    text = raw[stamp.end() :] if stamp else raw
    klog = _KLOG.match(text)
    if klog is not None:
        return _Told(text[klog.end() :], level_of(klog[1]))
    found = _LEVEL.search(text, 0, _LEVEL_WITHIN)
    level = level_of(found[1] or found[2] or found[3]) if found else ""
    if found is None or not level:
        return _Told(text, headed=stamp is not None)
    head = text[: found.start()].strip()
    rest = _SPRING.sub("", text[found.end() :].lstrip(" \t-:|"), count=1)
    return _Told(rest if head.startswith("[") else f"{head} {rest}".strip(), level)  # what stands there is the thread


def _labelled(labels: dict[str, str]) -> str:
    return next((level for key in _LEVELS if (level := level_of(labels.get(key)))), "") if labels else ""
