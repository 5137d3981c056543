"""What the figures were measured on."""

import os
import platform
from pathlib import Path


def describe() -> str:
    """Return processor, cores, memory, kernel and Python in one line."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = len(os.sched_getaffinity(0))
    words = "core" if cores == 1 else "cores"
    return (
        f"{_processor()}, {cores} {words}, {memory:.0f} GB, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()
