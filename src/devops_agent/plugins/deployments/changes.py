"""The port ChangeSource on notes of deployments."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from devops_agent.kit.labels import names_of
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, ChangeKind
from devops_agent.plugins.deployments.config import Config, Note
from devops_agent.ports import PluginError

_TAIL = 1_000_000
"""Bytes that are read from the end of a file at most."""
_KINDS = {"deployment": ChangeKind.DEPLOYMENT, "config": ChangeKind.CONFIG}


def build(config: Mapping[str, object], *, tools: Tools) -> NotedChanges:  # noqa: ARG001 — every factory is handed them
    """Build the source."""
    settings(Config, config, where="plugins.deployments")
    return NotedChanges()


class NotedChanges:
    """Reads `options.deployments` of a target; lines that are no notes are passed over."""

    async def changes(self, target: Target, *, begin: datetime, end: datetime) -> list[Change]:
        """Return the target's deployments in a window; nothing when it names no file."""
        path = target.options.get("deployments", "")
        if not path:
            return []
        if not isinstance(path, str) or not path.startswith("/"):
            where = f"targets[{target.name}].options.deployments"
            raise PluginError(f"{where}: it is the whole path of a file, not {path!r}", retryable=False)
        mine = ("", *names_of(target))
        notes = (note for note in _notes(await asyncio.to_thread(_end_of, path)) if note.target in mine)
        found = [_change(target, note) for note in notes]
        return sorted((one for one in found if begin <= one.at <= end), key=lambda one: one.at)


def _end_of(path: str) -> bytes:
    try:
        # A pipe put in the file's place would hold us for ever.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as reader:
            state = os.fstat(file)
            if not stat.S_ISREG(state.st_mode):
                raise PluginError(f"cannot read the deployments in {path}: it is no regular file", retryable=False)
            reader.seek(max(0, state.st_size - _TAIL))
            return reader.read(_TAIL)
    except OSError as error:
        raise PluginError(f"cannot read the deployments in {path}: {error.strerror}") from error


def _notes(content: bytes) -> Iterator[Note]:
    for line in content.split(b"\n"):
        try:
            yield msgspec.json.decode(line, type=Note)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue


def _change(target: Target, note: Note) -> Change:
    kind = _KINDS.get(note.kind, ChangeKind.DEPLOYMENT)
    what = f"{kind.value} of {note.version[:80]}" if note.version else kind.value
    return Change(
        target=target.name,
        kind=kind,
        at=note.at if note.at.tzinfo else note.at.replace(tzinfo=UTC),
        says=note.says[:300] or what,
        before=note.before[:80],
        after=note.version[:80],
        source="deployments",
    )
