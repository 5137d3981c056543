"""Which local ports something listens on, and which process; read from `/proc`, so that nothing is contacted."""

from collections.abc import Iterator
from pathlib import Path

from devops_agent.model.fact import Fact

_LISTEN = "0A"
_ANY_OR_LOOPBACK = frozenset(
    {"00000000", "0100007F", "0" * 32, "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
)


class Port(Fact, kw_only=True):
    """A local port on which a process takes connections."""

    number: int
    process: str = ""
    """The process's name; empty: it may not be seen by this user."""
    pid: int | None = None


def listening_ports(*, proc: Path = Path("/proc")) -> tuple[Port, ...]:
    """Return the TCP ports that are listened on at loopback or all addresses, in order, as far as they can be seen."""
    inodes: dict[str, int] = {}
    for table in ("tcp", "tcp6"):
        inodes |= dict(_sockets(proc / "net" / table))
    owners = _owners(proc, set(inodes))
    ports: dict[int, Port] = {}
    for inode, number in inodes.items():
        pid = owners.get(inode)
        name = _text(proc / str(pid) / "comm").strip() if pid is not None else ""
        if number not in ports or (name and not ports[number].process):
            ports[number] = Port(number=number, process=name, pid=pid)
    return tuple(ports[number] for number in sorted(ports))


def _sockets(table: Path) -> Iterator[tuple[str, int]]:
    """Yield (inode, port) of each listening socket."""
    for line in _text(table).splitlines()[1:]:
        fields = line.split()
        address, _, port = fields[1].partition(":")
        if fields[3] == _LISTEN and address in _ANY_OR_LOOPBACK:
            yield fields[9], int(port, 16)


def _owners(proc: Path, inodes: set[str]) -> dict[str, int]:
    """Return inode → pid of the process that has it open, as far as this user may look."""
    owners: dict[str, int] = {}
    for process in sorted((path for path in proc.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)):
        for inode in inodes.intersection(_open_sockets(process)):
            owners.setdefault(inode, int(process.name))
    return owners


def _open_sockets(process: Path) -> Iterator[str]:
    """Yield the inodes of a process's sockets; none of a process that has ended or is not ours to look at."""
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return
    for link in links:
        try:
            yield str(link.readlink()).removeprefix("socket:[").removesuffix("]")
        except OSError:
            continue  # closed since the folder was read


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
