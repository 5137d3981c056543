"""One agent for one state folder: a lock that the kernel releases however the process ends."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class TakenError(Exception):
    """Another agent works on this folder."""


def take(file: Path) -> int:
    """Lock `file` for as long as the process lives; return the descriptor that holds the lock.

    Raises:
        TakenError: another process holds it; says which.

    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        message = f"cannot start: another agent (pid {holder or 'unknown'}) works on {file.parent}; stop it first"
        raise TakenError(message) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
