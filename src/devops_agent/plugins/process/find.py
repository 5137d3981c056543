"""Finds the process that a target means: by its pid file, by its arguments, or by the marks that a start left on it.

A process that the agent starts carries two variables in its environment, which its children inherit and which can be
read back from /proc for as long as it lives: they survive a kill -9 of the agent.
"""

from __future__ import annotations

import os
import time
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from devops_agent.kit import proc
from devops_agent.kit.proc import Process
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.plugins.process.config import Options
from devops_agent.plugins.process.plain import opened
from devops_agent.ports import PluginError

TARGET_MARK = "DEVOPS_AGENT_TARGET"
"""Environment variable that holds the target's name. Whoever starts a service may set it, so that it is found."""
HOME_MARK = "DEVOPS_AGENT_HOME"
"""Environment variable that holds the state folder of the agent that started it: another agent's targets may be called
the same, and are none of ours. A process without it is anybody's."""
KEY_MARK = "DEVOPS_AGENT_KEY"
"""Environment variable that holds the key of the execution that started it."""

_PID_BYTES = 100
"""What is read of a pid file; some hold more lines."""
_WRITTEN_AFTER = 2.0
"""Seconds by which the time of a pid file may lie before the start of its process: boot time is known to a second."""
_YOUNG = 5.0
"""Seconds after a start in which a process may still become another program."""
_KEPT = 30.0
"""Seconds for which the marks of older ones are not read again: a search goes through all processes of the machine."""


class Finder:
    """Remembers which process each target was last found to be, so that a look costs one read while it lives."""

    def __init__(self, home: str = "") -> None:
        self._home = home
        self._known: dict[str, Process] = {}
        self._booted = proc.boot_time()

    def find(self, target: Target, options: Options) -> Process | None:
        """Return the target's main process; a dead one that nobody has reaped only when there is no other.

        Raises:
            PluginError: more than one process matches.

        """
        known = self._known.get(target.name)
        now = proc.look_up(known.pid) if known else None
        if known and (now is None or now.started != known.started):
            now = None
        if now is None or not now.alive:
            now = self._search(target, options) or now
        self.remember(target, now)
        return now

    def remember(self, target: Target, process: Process | None) -> None:
        """Take it as known which process the target is."""
        if process is None:
            self._known.pop(target.name, None)
        else:
            self._known[target.name] = process

    def since(self, process: Process) -> float:
        """Return when it started, in seconds since 1970; the same for one process however often it is asked."""
        return self._booted + process.started_seconds

    def _search(self, target: Target, options: Options) -> Process | None:
        if options.pid_file:
            return self._by_pid_file(Path(options.pid_file))
        if options.match:
            return _by_arguments(target, options.match)
        return main_of(marked(target.name, home=self._home))

    def _by_pid_file(self, path: Path) -> Process | None:
        try:
            with opened(str(path)) as file:
                process = proc.look_up(int(os.read(file, _PID_BYTES).split()[0]))
                seen = os.fstat(file)
            owners = {seen.st_uid, path.lstat().st_uid}
        except (OSError, ValueError, IndexError):
            return None
        # A file older than the process was left behind by a former one that had the same number.
        if process is None or self.since(process) > seen.st_mtime + _WRITTEN_AFTER:
            return None
        # A service that runs as another user may write its own number, not that of somebody else's process.
        if not owners <= {0, os.geteuid(), *proc.users(process.pid)}:
            return None
        return process


def marked(name: str, *, home: str = "") -> list[Process]:
    """Return the living processes of this user that carry the target's mark, oldest first.

    With `home`, those that an agent of another state folder started are left out.
    """
    mark = f"{TARGET_MARK}={name}".encode()
    found = []
    for pid in proc.pids():
        marks = _marks(pid)
        if mark in marks and not _of_another(marks, home):
            process = proc.look_up(pid)
            if process is not None and process.alive:
                found.append(process)
    return sorted(found, key=lambda process: (process.started, process.pid))


def _marks(pid: int) -> tuple[bytes, ...]:
    """Return the marks on a process of this user.

    They change only when it runs another program, as young processes are about to. The folder's number in /proc belongs
    to this very process, and the folder is never older than it.
    """
    try:
        folder = os.stat(f"/proc/{pid}")  # noqa: PTH116 — for each process of the machine: half the time of Path
    except OSError:
        return ()
    if folder.st_uid != os.geteuid():
        return ()
    now = time.time()
    if now - folder.st_ctime < _YOUNG:
        return _read_marks(pid)
    return _kept_marks(pid, folder.st_ino, int(now / _KEPT))


@lru_cache(maxsize=4096)
def _kept_marks(pid: int, _number: int, _while: int) -> tuple[bytes, ...]:
    return _read_marks(pid)


def _read_marks(pid: int) -> tuple[bytes, ...]:
    return tuple(one for one in proc.raw_environment(pid).split(b"\0") if one.startswith(b"DEVOPS_AGENT_"))


def _of_another(marks: tuple[bytes, ...], home: str) -> bool:
    """Whether another agent started it."""
    begins = f"{HOME_MARK}=".encode()
    return bool(home) and any(one.startswith(begins) and one != begins + os.fsencode(home) for one in marks)


def main_of(processes: list[Process]) -> Process | None:
    """Return the one that the others descend from; None when its former children are all that is left."""
    those = {process.pid for process in processes}
    for process in processes:
        if process.parent in those:
            continue
        leader = process if process.session == process.pid else proc.look_up(process.session)
        if leader is not None and leader.alive:
            return process
    return None


def family(target: Target, main: Process | None, *, home: str = "") -> list[Process]:
    """Return the descendants of `main` in its session, and what former instances left behind; without `main`."""
    found = {process.pid: process for process in marked(target.name, home=home)}
    if main is None:
        return list(found.values())
    for pid in proc.descendants(main.pid):
        process = proc.look_up(pid)
        if process is not None and process.alive and process.session == main.session:
            found[pid] = process
    found.pop(main.pid, None)
    return list(found.values())


def identity(target: Target, options: Options, main: Process | None, *, home: str = "") -> Identity:
    """Return names, process ids and listening ports of what runs, and the names that would run."""
    names = {target.name, target.ref, *proc.names_of(options.command)}
    pids = {process.pid for process in family(target, main, home=home)}
    if main is not None and main.alive:
        pids.add(main.pid)
    return proc.recognise(pids, names=names)


def _by_arguments(target: Target, patterns: tuple[str, ...]) -> Process | None:
    found = {}
    for pid in proc.pids():
        if _matches(proc.argv(pid), patterns) and (process := proc.look_up(pid)) is not None and process.alive:
            found[pid] = process
    mains = [process for process in found.values() if process.parent not in found]
    if len(mains) > 1:
        numbers = ", ".join(str(process.pid) for process in mains)
        raise PluginError(
            f"cannot tell which process {target.name} is: {numbers} match (targets[{target.name}].options.match)",
            retryable=False,
        )
    return mains[0] if mains else None


def _matches(argv: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    if not argv:
        return False
    if patterns[-1] == "...":
        patterns = patterns[:-1]
        argv = argv[: len(patterns)]
    if len(argv) != len(patterns):
        return False
    program = argv[0] if "/" in patterns[0] else argv[0].rpartition("/")[2]
    return all(fnmatchcase(given, pattern) for given, pattern in zip((program, *argv[1:]), patterns, strict=True))
