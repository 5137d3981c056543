"""Compresses one file so that a kill at any instant loses nothing, and a second run finishes what the first began."""

from __future__ import annotations

import contextlib
import gzip
import os
import stat
import zlib
from collections.abc import Generator
from datetime import UTC, datetime

from devops_agent.plugins.host.walk import Found, look, same

SUFFIX = ".gz"
PART = ".gz.part"
_SLICE = 1 << 20
_NANO = 1_000_000_000
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: in the place of the file there may be a pipe by now.
_OLD = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class CannotCompressError(Exception):
    """This file stays as it is; says why."""


def compress(folder: int, found: Found, *, truncate: bool = False) -> Generator[None, None, int]:
    """Put a compressed copy in place of a file; pauses after each slice, returns the number of bytes freed.

    The copy is written as NAME.gz.part, made durable and renamed to NAME.gz before the file is removed or, with
    `truncate`, emptied, since somebody goes on writing it. A NAME.gz with the same content was left by a run that was
    killed: only the removal is missing. One with other content stays, and the copy gets the file's time into its name.

    Raises:
        CannotCompressError: it changed meanwhile, does not get smaller, or has further names.
        OSError: reading or writing failed; nothing was lost.

    """
    source = os.open(found.name, _OLD | (os.O_RDWR if truncate else os.O_RDONLY), dir_fd=folder)
    try:
        seen = os.fstat(source)
        if not (same(found, seen) or (truncate and (seen.st_dev, seen.st_ino) == found.mark)):
            raise CannotCompressError("it changed meanwhile")
        if seen.st_nlink != 1:
            raise CannotCompressError(f"it has {seen.st_nlink} names (hard links)")
        freed = yield from _replace(folder, found, source, truncate=truncate)
    finally:
        os.close(source)
    return freed


def _replace(folder: int, found: Found, source: int, *, truncate: bool) -> Generator[None, None, int]:
    written = datetime.fromtimestamp(found.written / _NANO, tz=UTC)
    stamped = f"{found.name}-{written:%Y%m%dT%H%M%S%fZ}{SUFFIX}"
    for name in (stamped,) if truncate else (found.name + SUFFIX, stamped):
        if look(folder, name) is None:
            size = yield from _write_copy(folder, found, source, name)
            if truncate:
                os.ftruncate(source, 0)
            elif not same(found, look(folder, found.name)):
                os.unlink(name, dir_fd=folder)
                raise CannotCompressError("it changed meanwhile")
            else:
                _remove(folder, found.name)
            return found.size - size
        if not truncate and (yield from _holds_the_same(folder, name, source)):
            _remove(folder, found.name)
            return found.size
    raise CannotCompressError(f"{stamped} is there already, with other content")


def _write_copy(folder: int, found: Found, source: int, name: str) -> Generator[None, None, int]:
    """Write, make durable and name the copy; return its size."""
    part = found.name + PART
    _discard(folder, part)
    copy = os.open(part, _NEW, 0o600, dir_fd=folder)
    named = False
    try:
        with (
            os.fdopen(copy, "wb", closefd=False) as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=found.written // _NANO) as packed,
        ):
            at = 0
            while piece := os.pread(source, _SLICE, at):
                packed.write(piece)
                at += len(piece)
                yield
        size = os.fstat(copy).st_size
        if size >= at:
            raise CannotCompressError("it does not get smaller")
        os.fchmod(copy, found.mode)
        with contextlib.suppress(PermissionError):
            os.fchown(copy, os.fstat(source).st_uid, os.fstat(source).st_gid)
        os.utime(copy, ns=(found.written, found.written))
        os.fsync(copy)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        named = True
        os.fsync(folder)
    finally:
        os.close(copy)
        if not named:
            _discard(folder, part)
    return size


def _holds_the_same(folder: int, name: str, source: int) -> Generator[None, None, bool]:
    try:
        copy = os.open(name, _OLD | os.O_RDONLY, dir_fd=folder)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(copy).st_mode):
            return False
        with os.fdopen(copy, "rb", closefd=False) as raw, gzip.GzipFile(fileobj=raw, mode="rb") as packed:
            at = 0
            while piece := packed.read(_SLICE):
                if os.pread(source, len(piece), at) != piece:
                    return False
                at += len(piece)
                yield
        return at == os.fstat(source).st_size
    except (OSError, EOFError, zlib.error):
        return False
    finally:
        os.close(copy)


def _remove(folder: int, name: str) -> None:
    os.unlink(name, dir_fd=folder)
    os.fsync(folder)


def _discard(folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
