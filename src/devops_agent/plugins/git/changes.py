"""The port ChangeSource on a checkout: what its HEAD came to point at, and when that happened on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from devops_agent.kit.process import run
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, ChangeKind
from devops_agent.plugins.git.config import Config, repository_of
from devops_agent.ports import PluginError

_MOST_ENTRIES = 1_000
_MOST_TOLD = 20
"""Changes whose commits are listed; of a window with more, the newest."""
_MOST_SUBJECTS = 5
_SUBJECT = 100
_SHORT = 12
_FIELD, _RECORD = "\x1f", "\x1e"
_COMMITTED = f"--format=%H{_FIELD}%ct{_FIELD}%s{_RECORD}"
_MOVED = f"--format=%H{_FIELD}%gd{_FIELD}%gs{_RECORD}"
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
}
# A repository's own configuration may name programs to run; none of them is to run because we look.
_HARMLESS = (
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "log.showSignature=false",
    "-c", "protocol.allow=never",
)  # fmt: skip


def build(config: Mapping[str, object], *, tools: Tools) -> GitChanges:  # noqa: ARG001 — every factory is handed them
    """Build the source from `plugins.git`."""
    return GitChanges(settings(Config, config, where="plugins.git"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    """HEAD came to point at a commit."""

    at: datetime
    before: str
    """Empty when nothing is known from before."""
    after: str
    says: str


class GitChanges:
    """Tells what was committed, pulled, checked out or reset.

    A pull of old commits is new to the target, so the reflog's times count; the commits' own only where a repository
    keeps no reflog.
    """

    def __init__(self, config: Config) -> None:
        self._timeout = config.timeout.total_seconds()

    async def changes(self, target: Target, *, begin: datetime, end: datetime) -> list[Change]:
        """Return what changed in the target's checkout; nothing when it names none."""
        path = repository_of(target)
        if not path:
            return []
        moves = [move for move in await self._moves(path) if begin <= move.at <= end]
        moves.sort(key=lambda move: move.at)
        return [await self._change(target, path, move) for move in moves[-_MOST_TOLD:]]

    async def _moves(self, path: str) -> list[_Moved]:
        reflog = await self._log(path, "--walk-reflogs", "--date=unix", _MOVED, f"--max-count={_MOST_ENTRIES}")
        moves = list(_moves(reflog))
        if moves:
            return moves
        commits = await self._log(path, _COMMITTED, f"--max-count={_MOST_ENTRIES}")
        return list(_commits(commits))

    async def _change(self, target: Target, path: str, move: _Moved) -> Change:
        says = move.says
        if move.before and move.before != move.after:
            brought = await self._log(path, _COMMITTED, "--max-count=100", f"{move.before}..{move.after}")
            subjects = [fields[2][:_SUBJECT] for fields in _records(brought, 3)]
            if len(subjects) > 1:
                more = "; …" if len(subjects) > _MOST_SUBJECTS else ""
                says = f"{says}: {len(subjects)} commits: {'; '.join(subjects[:_MOST_SUBJECTS])}{more}"
            elif subjects and subjects[0] not in says:
                says = f"{says}: {subjects[0]}"
        return Change(
            target=target.name,
            kind=ChangeKind.GIT,
            at=move.at,
            says=says,
            before=move.before[:_SHORT],
            after=move.after[:_SHORT],
            source="git",
        )

    async def _log(self, path: str, *options: str) -> str:
        argv = ["git", "--no-pager", *_HARMLESS, "-c", f"safe.directory={path}", "-C", path, "log", "--no-color"]
        done = await run([*argv, *options, "--"], timeout=self._timeout, env=_ENVIRONMENT, limit=1_000_000)
        if done.code:
            if "does not have any commits" in done.err:
                return ""
            raise PluginError(f"cannot read the history of {path}: {done.last_words}", retryable=False)
        return done.out


def _moves(text: str) -> Iterator[_Moved]:
    """Read the reflog, newest first: `HEAD@{1767614400}` is when HEAD came to where it points."""
    entries = [(hash_, at, says) for hash_, where, says in _records(text, 3) if (at := _moment(where)) is not None]
    older = [hash_ for hash_, _, _ in entries[1:]] + [""]
    for (after, at, says), before in zip(entries, older, strict=False):
        yield _Moved(at=at, before=before, after=after, says=f"{says or 'HEAD moved'} ({after[:_SHORT]})")


def _commits(text: str) -> Iterator[_Moved]:
    for hash_, seconds, subject in _records(text, 3):
        if (at := _moment(seconds)) is not None:
            yield _Moved(at=at, before="", after=hash_, says=f"commit {hash_[:_SHORT]}: {subject[:_SUBJECT]}")


def _records(text: str, fields: int) -> Iterator[Sequence[str]]:
    for record in text.split(_RECORD):
        parts = record.strip("\n").split(_FIELD, fields - 1)
        if len(parts) == fields:
            yield parts


def _moment(text: str) -> datetime | None:
    digits = text.rpartition("{")[2].removesuffix("}")
    try:
        return datetime.fromtimestamp(int(digits), UTC)
    except (ValueError, OverflowError, OSError):
        return None
