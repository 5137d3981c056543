"""Opens files whose folder may be somebody else's: a pipe put in their place would hold the whole agent for ever."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def opened(path: str) -> Iterator[int]:
    """Open a regular file for reading.

    Raises:
        OSError: it cannot be opened, or is none.

    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(0, "it is no regular file", path)
        yield file
    finally:
        os.close(file)


def open_for_output(path: str) -> int:
    """Open a file, a device, or a pipe that somebody reads, to be appended to; it is made when it is not there.

    Raises:
        OSError: it cannot be opened.

    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o644)
    os.set_blocking(file, True)
    return file
