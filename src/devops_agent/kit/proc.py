"""Reads /proc: which processes there are and what is known of one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devops_agent.model.identity import Identity, Protected
from devops_agent.ports import Untouchable

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD in include/linux/sched.h."""
_LISTEN = "0A"
_INTERPRETERS = ("python", "pypy", "sh", "bash", "dash", "node", "java", "perl", "ruby", "php", "env", "busybox")
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One process as /proc/<pid>/stat has it."""

    pid: int
    parent: int
    session: int
    state: str
    """R, S, D run or wait; T is stopped by a signal; Z and X are dead."""
    started: int
    """Clock ticks after boot; with the pid it names this very process, whatever reuses the number later."""
    flags: int
    cpu: int
    """Clock ticks of processor time used, user and system."""
    rss_bytes: int

    @property
    def instance(self) -> str:
        """Name this very process."""
        return f"{self.pid}@{self.started}"

    @property
    def alive(self) -> bool:
        """Whether it is more than an entry that nobody has reaped."""
        return self.state not in "ZX"

    @property
    def stopped(self) -> bool:
        """Whether a signal (or a debugger) holds it."""
        return self.state in "Tt"

    @property
    def kernel(self) -> bool:
        """Whether it is a kernel thread."""
        return bool(self.flags & _KERNEL_THREAD)

    @property
    def started_seconds(self) -> float:
        """Seconds after boot at which it started."""
        return self.started / _TICKS

    @property
    def cpu_seconds(self) -> float:
        """Seconds of processor time used."""
        return self.cpu / _TICKS


def look_up(pid: int) -> Process | None:
    """Return the process of that number; None when there is none."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except _GONE:
        return None
    # The name in parentheses may itself hold spaces and parentheses (proc(5)).
    fields = text.rpartition(")")[2].split()
    return Process(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        flags=int(fields[6]),
        cpu=int(fields[11]) + int(fields[12]),
        started=int(fields[19]),
        rss_bytes=int(fields[21]) * _PAGE,
    )


def pids() -> Iterator[int]:
    """Yield the numbers of all processes."""
    with os.scandir(PROC) as entries:
        for entry in entries:
            if entry.name.isdigit():
                yield int(entry.name)


def argv(pid: int) -> tuple[str, ...]:
    """Return program and arguments; empty for kernel threads, dead and foreign ones."""
    text = _read(pid, "cmdline").rstrip(b"\0")
    return tuple(part.decode(errors="replace") for part in text.split(b"\0")) if text else ()


def environment(pid: int) -> dict[str, str]:
    """Return the environment it was started with; empty when it may not be read."""
    pairs = (part.decode(errors="replace").partition("=") for part in raw_environment(pid).split(b"\0") if part)
    return {name: value for name, _, value in pairs}


def raw_environment(pid: int) -> bytes:
    """Return the same as it stands in memory: `NAME=value`, each ended by a zero byte."""
    return _read(pid, "environ")


def users(pid: int) -> frozenset[int]:
    """Return the real, effective, saved and file system user it runs as; none when it is gone."""
    line = next((line for line in _read(pid, "status").splitlines() if line.startswith(b"Uid:")), b"Uid:")
    return frozenset(map(int, line.split()[1:]))


def program(pid: int) -> str:
    """Return the path of the program file; empty when it may not be read."""
    try:
        return str((PROC / str(pid) / "exe").readlink()).removesuffix(" (deleted)")
    except _GONE:
        return ""


def children(pid: int) -> list[int]:
    """Return the direct children of all its threads."""
    found: list[int] = []
    try:
        tasks = os.listdir(PROC / str(pid) / "task")  # noqa: PTH208 — only the names are needed
    except _GONE:
        return found
    for task in tasks:
        try:
            found += [int(child) for child in (PROC / str(pid) / "task" / task / "children").read_text().split()]
        except _GONE:
            continue
    return found


def descendants(pid: int) -> list[int]:
    """Return children, their children and so on, nearest first."""
    found: list[int] = []
    todo = children(pid)
    while todo:
        found += todo
        todo = [grandchild for child in todo for grandchild in children(child)]
    return found


def ancestors(pid: int) -> list[int]:
    """Return parent, its parent and so on up to 1."""
    found: list[int] = []
    while (process := look_up(pid)) is not None and process.parent > 0:
        pid = process.parent
        found.append(pid)
    return found


def open_files(pid: int) -> list[str]:
    """Return what its descriptors point to (`/var/log/x`, `socket:[123]`); empty when it may not be read."""
    folder = PROC / str(pid) / "fd"
    found = []
    try:
        numbers = os.listdir(folder)  # noqa: PTH208 — only the names are needed
    except _GONE:
        return []
    for number in numbers:
        try:
            found.append(str((folder / number).readlink()))
        except _GONE:
            continue
    return found


def listening_ports(of: set[int]) -> frozenset[int]:
    """Return the local TCP ports on which any of these processes listens."""
    sockets = {file for pid in of for file in open_files(pid) if file.startswith("socket:[")}
    if not sockets:
        return frozenset()
    ports = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except _GONE:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and f"socket:[{fields[9]}]" in sockets:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return frozenset(ports)


def boot_time() -> float:
    """Return when the machine started, in seconds since 1970."""
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def recognise(pids: set[int], *, names: Iterable[str] = ()) -> Identity:
    """Return the identity of running processes: `names`, their programs' names, their numbers and listening ports."""
    known = set(names)
    for pid in pids:
        known |= names_of(argv(pid)) | names_of((program(pid),))
    return Identity(names=frozenset(known - {""}), pids=frozenset(pids), ports=listening_ports(pids))


def names_of(command: tuple[str, ...]) -> set[str]:
    """Return the names a command is known by: its program, or what an interpreter runs; interpreters say nothing."""
    for given in command:
        name = given.rpartition("/")[2]
        if not name or given.startswith("-") or name.rstrip("0123456789.") in _INTERPRETERS:
            continue
        return {name, name.removesuffix(".py")}
    return set()


def refuse_by_nature(process: Process) -> None:
    """Raise Untouchable for what no guardian has to be asked about: init, the kernel, ourselves and our parents."""
    if why := why_untouchable(process):
        what = f"process {process.pid}"
        raise Untouchable(Protected(what=what, why=why, is_=Identity(pids=frozenset({process.pid}))))


def why_untouchable(process: Process) -> str:
    """Return why a process is never acted on; empty when it may be."""
    if process.pid == 1:
        return "it is the first process, that all others hang on"
    if process.kernel:
        return "it is part of the kernel"
    own = os.getpid()
    if process.pid == own:
        return "it is the agent itself"
    if process.pid in ancestors(own):
        return "the agent runs under it"
    return ""


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except _GONE:
        return b""
