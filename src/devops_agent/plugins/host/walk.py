"""Finds files by descriptors: nothing outside the root can be reached, whatever is swapped for a link meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from devops_agent.plugins.host.roots import FOLDER

Mark = tuple[int, int]
"""Device and inode: which file it is, whatever its name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One regular file as it was when it was found."""

    folder: tuple[str, ...]
    """Names of the folders from the root down to it."""
    name: str
    mark: Mark
    size: int
    written: int
    """Nanoseconds since 1970."""
    links: int
    mode: int

    @property
    def path(self) -> str:
        """Its path below the root."""
        return "/".join((*self.folder, self.name))


def walk(root: int, *, cross_devices: bool = False) -> Iterator[tuple[int, Found] | None]:
    """Yield every regular file below the open folder `root`, with a descriptor of the folder that it is in.

    The descriptor is good until the next step. None is yielded after each folder, as a moment to pause. Folders on
    other devices are passed over unless `cross_devices`.
    """
    device = os.fstat(root).st_dev
    todo: list[tuple[str, ...]] = [()]
    while todo:
        where = todo.pop()
        folder = _enter(root, where)
        if folder is None:
            continue
        try:
            if not cross_devices and os.fstat(folder).st_dev != device:
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    seen = look(folder, entry.name)
                    if seen is not None and stat.S_ISDIR(seen.st_mode):
                        todo.append((*where, entry.name))
                    elif seen is not None and stat.S_ISREG(seen.st_mode):
                        yield folder, _found(where, entry.name, seen)
        finally:
            os.close(folder)
        yield None


def look(folder: int, name: str) -> os.stat_result | None:
    """Return what stands under a name in an open folder, itself and not what it links to; None for nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None


def same(found: Found, seen: os.stat_result | None) -> bool:
    """Whether this is still the file that was found, and nobody has written it since."""
    return (
        seen is not None
        and stat.S_ISREG(seen.st_mode)
        and (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns) == (*found.mark, found.size, found.written)
    )


def _enter(root: int, where: tuple[str, ...]) -> int | None:
    """Return a descriptor of a folder, reached from `root` without following a link; None when that cannot be."""
    folder = os.dup(root)
    for name in where:
        try:
            deeper = os.open(name, FOLDER, dir_fd=folder)
        except OSError:
            return None
        finally:
            os.close(folder)
        folder = deeper
    return folder


def _found(where: tuple[str, ...], name: str, seen: os.stat_result) -> Found:
    return Found(
        folder=where,
        name=name,
        mark=(seen.st_dev, seen.st_ino),
        size=seen.st_size,
        written=seen.st_mtime_ns,
        links=seen.st_nlink,
        mode=stat.S_IMODE(seen.st_mode),
    )
