"""The port Logs on the engine: what a container wrote to standard output and standard error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from devops_agent.kit.tools import Tools, settings
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Lines, LogLine
from devops_agent.plugins.docker.client import Engine, EngineError, Json, frames
from devops_agent.plugins.docker.config import Config
from devops_agent.plugins.docker.find import find, name_of, plainly, ref_of
from devops_agent.plugins.docker.state import when
from devops_agent.ports import PluginError

LONGEST = 16_384
"""Characters of a line that are kept."""
_MOST_LINES = 200_000
_MOST_BYTES = 64_000_000
_TIMEOUT = 15.0
_ERROR = re.compile(r"error|exception|fatal|panic|traceback", re.IGNORECASE)
_LINES = re.compile(rb"[^\n]*\n|[^\n]+")
_BYTES = 4
"""That a character has at most."""
_NOT_IMPLEMENTED = 501


def build(config: Mapping[str, object], *, tools: Tools) -> DockerLogs:
    """Build the source from `plugins.docker`."""
    return DockerLogs(settings(Config, config, where="plugins.docker"), tools=tools)


class DockerLogs:
    """Reads what one engine keeps; containers whose log driver keeps nothing have no logs here."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._engine = Engine(tools.http, socket=config.socket)

    async def lines(
        self, target: Target, *, begin: datetime, end: datetime, limit: int = 5_000, errors_only: bool = False
    ) -> Lines:
        """Return the container's lines of a window, oldest first; an error is a line that says so in a word.

        The engine is asked for the last so many lines, and for more of them only while the window is not filled: from
        the end it reads at once, from the beginning of a large log it would take minutes. For the same reason it is
        not told where the window ends: then it could not be seen whether it had gone back far enough.
        """
        with plainly():
            container = await find(self._engine, ref_of(target))
        if container is None:
            raise PluginError(f"cannot read logs of {target.name!r}: no such container on this engine", retryable=False)
        query = f"docker logs --timestamps --since {begin.isoformat()} --until {end.isoformat()} {name_of(container)}"
        tail = 4 * (limit + 1) if errors_only else limit + 1
        while True:
            tail = min(tail, _MOST_LINES)
            everything = await self._since(container, begin, tail=tail)
            whole = len(everything) < tail
            inside = [
                line
                for line in everything
                if begin <= line.at < end and (not errors_only or _ERROR.search(line.text) is not None)
            ]
            if whole or len(inside) > limit or tail == _MOST_LINES:
                break
            tail *= 4
        kept = tuple(inside[max(0, len(inside) - limit) :])
        return Lines(lines=kept, query=query, partial=not whole or len(kept) < len(inside))

    async def _since(self, container: Json, begin: datetime, *, tail: int) -> list[LogLine]:
        try:
            body = await self._engine.logs(
                container["Id"],
                tail=tail,
                since=begin.timestamp(),
                timeout=_TIMEOUT,
                limit=_MOST_BYTES,
                timestamps=True,
            )
        except EngineError as error:
            says = f"cannot read the log of container {name_of(container)}: {error}"
            passing = error.passing and error.status != _NOT_IMPLEMENTED
            raise PluginError(says, retryable=passing) from error
        labels = {"container": name_of(container)}
        if container["Config"].get("Tty"):
            return sorted(_read([("stdout", body)], labels), key=lambda line: line.at)
        return sorted(_read(frames(body), labels), key=lambda line: line.at)


def _read(pieces: Iterable[tuple[str, bytes]], labels: Mapping[str, str]) -> Iterator[LogLine]:
    """Put lines together; what is longer than the engine's buffer comes in pieces, each with a time of its own."""
    open_: dict[str, tuple[datetime, bytes]] = {}
    for stream, piece in pieces:
        for part in _LINES.findall(piece):
            stamp, _, text = part.partition(b" ")
            at = _moment(stamp)
            if at is None:
                # No time: the rest of a line whose beginning is known, or nothing that can be placed.
                if stream not in open_:
                    continue
                at, text = open_[stream][0], part
            begun, before = open_.pop(stream, (at, b""))
            whole = (before + text)[: LONGEST * _BYTES]
            if part.endswith(b"\n"):
                yield _line(begun, whole, {**labels, "stream": stream})
            else:
                open_[stream] = (begun, whole)
    for stream, (at, rest) in open_.items():
        yield _line(at, rest, {**labels, "stream": stream})


def _moment(stamp: bytes) -> datetime | None:
    try:
        return when(stamp.decode("ascii"))
    except ValueError:
        return None


def _line(at: datetime, text: bytes, labels: dict[str, str]) -> LogLine:
    return LogLine(at=at, text=text.decode(errors="replace").rstrip("\r\n")[:LONGEST], labels=labels)
