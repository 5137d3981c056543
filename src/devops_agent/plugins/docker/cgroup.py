"""Reads what a container uses from the kernel itself: at once, where the engine's own sample takes a second.

Source: https://docs.kernel.org/admin-guide/cgroup-v1/ and …/cgroup-v2.html.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from devops_agent.plugins.docker.usage import Usage

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def sample(
    container: str, pid: int, *, proc: Path = Path("/proc"), tree: Path = Path("/sys/fs/cgroup")
) -> Usage | None:
    """Return what the control groups of a container say; None where they cannot be read, as from inside another one.

    Args:
        container: full id; a process of another container is thereby never taken for it.
        pid: its first process.
        proc: where the kernel shows processes.
        tree: where it shows control groups, of either version.

    """
    try:
        groups = _groups(container, (proc / str(pid) / "cgroup").read_text())
        if not groups:
            return None
        machine = _fields((proc / "meminfo").read_text())["MemTotal:"] * 1024
        system = sum(int(word) for word in (proc / "stat").read_text().partition("\n")[0].split()[1:9]) * _TICK_NS
        reading = _first(tree, groups) if "memory" in groups else _second(tree, groups[""])
    except (OSError, KeyError, ValueError):
        return None
    used, limit, cache, cpu, pids = reading
    return Usage(
        memory_bytes=max(0, used - cache),
        memory_limit_bytes=min(limit, machine),
        cpu_ns=cpu,
        system_ns=system,
        processors=os.cpu_count() or 1,
        pids=pids,
    )


def _groups(container: str, text: str) -> dict[str, str]:
    """Return controller → the container's own group; the second version has one, under the empty name."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        parts = path.split("/")
        own = next((index for index, part in enumerate(parts) if container in part), None)
        if own is not None:
            found.update(dict.fromkeys(controllers.split(","), "/".join(parts[1 : own + 1])))
    return found


def _first(tree: Path, groups: Mapping[str, str]) -> tuple[int, int, int, int, int]:
    memory = tree / "memory" / groups["memory"]
    return (
        _number(memory / "memory.usage_in_bytes"),
        _number(memory / "memory.limit_in_bytes"),
        _fields((memory / "memory.stat").read_text()).get("total_inactive_file", 0),
        _number(tree / "cpuacct" / groups["cpuacct"] / "cpuacct.usage"),
        _number(tree / "pids" / groups["pids"] / "pids.current") if "pids" in groups else 0,
    )


def _second(tree: Path, group: str) -> tuple[int, int, int, int, int]:
    folder = tree / group
    return (
        _number(folder / "memory.current"),
        _number(folder / "memory.max"),
        _fields((folder / "memory.stat").read_text()).get("inactive_file", 0),
        _fields((folder / "cpu.stat").read_text())["usage_usec"] * 1000,
        _number(folder / "pids.current"),
    )


def _number(file: Path) -> int:
    text = file.read_text().strip()
    return 2**63 if text == "max" else int(text)


def _fields(text: str) -> dict[str, int]:
    return {words[0]: int(words[1]) for line in text.splitlines() if len(words := line.split()) > 1}
