"""What a process costs, as the kernel counts it."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
MB = 2**20


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process used over a window."""

    cpu_percent: float
    """Share of one core."""
    rss_max: float
    """MB, the most that was seen."""
    rss_end: float
    pss_end: float
    """MB, with a share only of what it has in common with other processes."""


async def watch(pids: dict[str, int], *, seconds: float) -> dict[str, Usage]:
    """Return what each process used in the next `seconds`."""
    began = time.monotonic()
    cpu = {name: cpu_seconds(pid) for name, pid in pids.items()}
    most = dict.fromkeys(pids, 0.0)
    while time.monotonic() - began < seconds:
        await asyncio.sleep(min(1.0, seconds / 10))
        for name, pid in pids.items():
            most[name] = max(most[name], rss(pid))
    span = time.monotonic() - began
    return {
        name: Usage(
            cpu_percent=(cpu_seconds(pid) - cpu[name]) / span * 100,
            rss_max=max(most[name], rss(pid)),
            rss_end=rss(pid),
            pss_end=pss(pid),
        )
        for name, pid in pids.items()
    }


def rss(pid: int) -> float:
    """Return resident memory in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / MB


def pss(pid: int) -> float:
    """Return resident memory in MB, shared pages counted in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / MB
    return 0.0


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK
