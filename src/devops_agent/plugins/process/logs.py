"""The port Logs on files: the end of what a process writes to a file on this machine."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone

from devops_agent.kit.tools import Tools, settings
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Lines, LogLine
from devops_agent.plugins.process.config import Config
from devops_agent.plugins.process.plain import opened
from devops_agent.ports import PluginError

LONGEST = 16_384
"""Characters of a line that are kept."""
_TAIL = 16_000_000
"""Bytes that are read from the end of a file at most, ..."""
_MOST_LINES = 200_000
"""... and lines: sixteen million empty ones would fill the memory."""
_STAMP_WITHIN = 160
"""Characters of a line in which its time is looked for."""
_ERROR = re.compile(r"error|exception|fatal|panic|traceback", re.IGNORECASE)
_ISO = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d\d:?\d\d)?", re.ASCII
)
_COMMON = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def build(config: Mapping[str, object], *, tools: Tools) -> FileLogs:  # noqa: ARG001 — every factory is handed them
    """Build the source from `plugins.process`, of which it needs nothing."""
    settings(Config, config, where="plugins.process")
    return FileLogs()


class FileLogs:
    """Reads `options.log_file` of a target, else the `log` of a process that the agent starts."""

    async def lines(
        self, target: Target, *, begin: datetime, end: datetime, limit: int = 5_000, errors_only: bool = False
    ) -> Lines:
        """Return the file's lines of a window, oldest first; an error is a line that says so in a word.

        A line is as old as the time in it says (ISO 8601, or the web servers' common form; without a zone it is this
        machine's), one without a time as old as the line before it. Where none has a time, all count as written
        when the file was last changed, and the answer is marked as partial.
        """
        path = log_file_of(target)
        text, changed, cut = await asyncio.to_thread(_end_of, path)
        texts = text.removesuffix("\n").rsplit("\n", _MOST_LINES) if text else []
        if len(texts) > _MOST_LINES:
            del texts[0]
            cut = True
        dated = list(_dated(texts, before=changed))
        timeless = not any(_time_in(line.text) for line in dated)
        inside = [
            line
            for line in dated
            if begin <= line.at < end and (not errors_only or _ERROR.search(line.text) is not None)
        ]
        kept = tuple(inside[max(0, len(inside) - limit) :])
        reaches = not cut or (bool(dated) and dated[0].at < begin)
        partial = len(kept) < len(inside) or not reaches or (timeless and bool(dated))
        return Lines(lines=kept, query=f"tail {path}", partial=partial)


def log_file_of(target: Target) -> str:
    """Return the file that a target logs to.

    Raises:
        PluginError: it has none.

    """
    path = target.options.get("log_file") or target.options.get("log")
    if not isinstance(path, str) or not path.startswith("/"):
        says = f"cannot read logs of {target.name!r}: no file is known"
        raise PluginError(f"{says}; say which (targets[].options.log_file)", retryable=False)
    return path


def _end_of(path: str) -> tuple[str, datetime, bool]:
    """Return the file's last bytes from the first whole line on, when it was changed, and whether there is more."""
    try:
        with opened(path) as file:
            state = os.fstat(file)
            start = max(0, state.st_size - _TAIL)
            with os.fdopen(os.dup(file), "rb") as reader:
                reader.seek(start)
                content = reader.read(_TAIL)
    except OSError as error:
        raise PluginError(f"cannot read the log {path}: {error.strerror}") from error
    if start:
        content = content.partition(b"\n")[2]
    return content.decode(errors="replace"), datetime.fromtimestamp(state.st_mtime, UTC), start > 0


def _dated(lines: list[str], *, before: datetime) -> Iterator[LogLine]:
    """Give every line its time; those before the first that has one get that one's."""
    at = next((time for line in lines if (time := _time_in(line)) is not None), before)
    for line in lines:
        at = _time_in(line) or at
        yield LogLine(at=at, text=line.removesuffix("\r")[:LONGEST])


def _time_in(line: str) -> datetime | None:
    head = line[:_STAMP_WITHIN]
    try:
        if found := _ISO.search(head):
            year, month, day, hour, minute, second = map(int, found.groups()[:6])
            micro = int((found[7] or "0").ljust(6, "0")[:6])
            return datetime(year, month, day, hour, minute, second, micro, tzinfo=_zone(found[8])).astimezone(UTC)
        if found := _COMMON.search(head):
            month = _MONTHS.index(found[2]) + 1
            day, year, hour, minute, second = (int(found[n]) for n in (1, 3, 4, 5, 6))
            return datetime(year, month, day, hour, minute, second, tzinfo=_zone(found[7])).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None


def _zone(text: str | None) -> timezone | None:
    """Return the zone that a time says; None: the machine's own."""
    if not text:
        return None
    if text in ("Z", "UTC"):
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
