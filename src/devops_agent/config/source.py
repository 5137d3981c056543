"""The settings and runbooks in force, and what to do when their files change: both new ones, or both old ones."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from devops_agent.config.load import load
from devops_agent.config.problems import ConfigError, Problem
from devops_agent.config.runbooks import load_runbooks, shipped_folder
from devops_agent.config.settings import Settings
from devops_agent.config.targets import VIAS
from devops_agent.model.action import Action
from devops_agent.model.runbook import Runbook

ActionsOf = Callable[[Settings], Mapping[str, Action]]
"""Settings → all actions that the plugins offer under them, by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """Settings and runbooks that fit each other."""

    settings: Settings
    runbooks: tuple[Runbook, ...]
    digest: str
    """16 hex digits that change when a byte of any of the files changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reloaded:
    """The files say something else than before, and it is in force."""

    loaded: Loaded


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """The files cannot be used; what was in force still is."""

    problems: tuple[Problem, ...]


class Source:
    """The file named by `path` (None: defaults only), the environment, and the folders of runbooks.

    Raises:
        ConfigError: on building it, when something in the files is wrong.

    """

    def __init__(
        self,
        path: Path | None,
        *,
        environ: Mapping[str, str],
        actions: ActionsOf,
        via: Collection[str] = VIAS,
        shipped: Path | None = None,
    ) -> None:
        self._path = path
        self._environ = dict(environ)
        self._actions = actions
        self._via = tuple(via)
        self._shipped = shipped or shipped_folder()
        self._folders: list[Path] = [self._shipped]
        self._stamps: tuple[_Stamp, ...] = ()
        self._seen = ""
        self._now = self._load()

    @property
    def now(self) -> Loaded:
        """What is in force."""
        return self._now

    def changed(self) -> bool:
        """Return whether a file is other than at the last load or reload, good or not; cheap while none is."""
        stamps = tuple(_stamps(self._path, self._folders))
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        return _digest(self._path, self._folders) != self._seen

    def reload(self) -> Reloaded | Kept:
        """Read everything again; only if all of it is right does it come into force."""
        try:
            self._now = self._load()
        except ConfigError as error:
            return Kept(problems=error.problems)
        return Reloaded(loaded=self._now)

    def _load(self) -> Loaded:
        self._look()
        settings = load(self._path, environ=self._environ, via=self._via)
        self._folders = [self._shipped, *map(Path, settings.runbooks)]
        self._look()
        runbooks = load_runbooks(self._folders, actions=self._actions(settings), via=self._via)
        return Loaded(settings=settings, runbooks=runbooks, digest=self._seen)

    def _look(self) -> None:
        """Remember the files as they are before they are read: what changes meanwhile is a change to the next look."""
        self._stamps, self._seen = tuple(_stamps(self._path, self._folders)), _digest(self._path, self._folders)


_Stamp = tuple[str, int, int, int]


def _files(path: Path | None, folders: Collection[Path]) -> Iterator[Path]:
    if path is not None:
        yield path
    for folder in folders:
        try:
            yield from sorted(file for file in folder.iterdir() if file.suffix in (".yaml", ".yml"))
        except OSError:
            yield folder


def _stamps(path: Path | None, folders: Collection[Path]) -> Iterator[_Stamp]:
    for file in _files(path, folders):
        try:
            seen = file.stat()
        except OSError:
            yield str(file), 0, -1, 0
        else:
            yield str(file), seen.st_mtime_ns, seen.st_size, seen.st_ino


def _digest(path: Path | None, folders: Collection[Path]) -> str:
    digest = sha256()
    for file in _files(path, folders):
        digest.update(f"{file}\0".encode())
        try:
            content = file.read_bytes()
        except OSError:
            content = b"cannot be read"
        digest.update(sha256(content).digest())
    return digest.hexdigest()[:16]
