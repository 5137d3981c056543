"""Which files are open in any process."""

from __future__ import annotations

import contextlib
import os
import time

from devops_agent.kit import proc
from devops_agent.plugins.host.walk import Mark

_FRESH = 2.0


class InUse:
    """Open files by device and inode, looked up again when the knowledge is older than two seconds.

    Of other users' processes only root sees the files; files that are only mapped into memory show for nobody.
    """

    def __init__(self) -> None:
        self._marks: set[Mark] = set()
        self._at = -_FRESH

    def holds(self, mark: Mark) -> bool:
        """Whether some process has the file open."""
        if time.monotonic() - self._at >= _FRESH:
            self._marks = _open_files()
            self._at = time.monotonic()
        return mark in self._marks


def _open_files() -> set[Mark]:
    found = set()
    for pid in proc.pids():
        try:
            with os.scandir(f"/proc/{pid}/fd") as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        seen = entry.stat()
                        found.add((seen.st_dev, seen.st_ino))
        except OSError:
            continue
    return found
