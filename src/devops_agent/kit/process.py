"""Run a command to its end: bounded in time and output, without a shell, and nothing of it left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devops_agent.ports import PluginError

OUTPUT_BYTES = 256_000
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LAST_WORDS = 0.5
"""Seconds to wait for output after the end: what a command left running may hold its pipes for ever."""
_GONE_WITHIN = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """How a command ended."""

    code: int
    """Exit code; minus the number of the signal that ended it."""
    out: str
    err: str
    seconds: float
    cut: bool
    """Whether there was more output than was kept."""

    @property
    def last_words(self) -> str:
        """The last line it said, from standard error when there is one; for messages."""
        said = (self.err.strip() or self.out.strip()).splitlines()
        return said[-1].strip()[:300] if said else ""


async def run(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    limit: int = OUTPUT_BYTES,
) -> Completed:
    """Run `argv` and wait for its end, whatever its exit code.

    Its environment is PATH, LANG and `env`, nothing of ours. Standard input is empty. Of standard output and standard
    error the first `limit` bytes each are kept. After `timeout` seconds, or when the caller is cancelled, the command
    and its whole process group are killed.

    Raises:
        PluginError: it cannot be started (not retryable), or did not end in time.

    """
    began = time.monotonic()
    pipes = [await _Pipe.open(limit), await _Pipe.open(limit)]
    try:
        process = await _start(argv, cwd=cwd, env=clean_environment(env), pipes=pipes)
        try:
            async with asyncio.timeout(timeout):
                code = await process.wait()
        except TimeoutError as error:
            raise PluginError(f"cannot wait longer for {argv[0]}: no end after {timeout:g} s, killed") from error
        finally:
            await _leave_nothing(process)
        await _hear_the_rest(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
    out, err = pipes
    return Completed(code=code, out=out.text, err=err.text, seconds=time.monotonic() - began, cut=out.cut or err.cut)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return PATH, LANG and `extra`: what a program that we start gets to see."""
    return {"PATH": SEARCHED, "LANG": "C.UTF-8", **(extra or {})}


class _Pipe(asyncio.Protocol):
    """Keeps the beginning of what comes out of a pipe and reads on, so that the writer is never blocked."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._transport: asyncio.BaseTransport | None = None
        self.cut = False
        self.ended = asyncio.Event()
        self.write_end = -1

    @classmethod
    async def open(cls, limit: int) -> _Pipe:
        pipe = cls(limit)
        read_end, pipe.write_end = os.pipe()
        loop = asyncio.get_running_loop()
        pipe._transport, _ = await loop.connect_read_pipe(lambda: pipe, os.fdopen(read_end, "rb", buffering=0))
        return pipe

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")

    def data_received(self, data: bytes) -> None:
        room = self._limit - len(self._kept)
        self._kept += data[:room]
        self.cut = self.cut or len(data) > room

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    def close_write_end(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        self.close_write_end()
        if self._transport is not None:
            self._transport.close()


async def _start(
    argv: Sequence[str], *, cwd: Path | str | None, env: Mapping[str, str], pipes: Sequence[_Pipe]
) -> asyncio.subprocess.Process:
    out, err = pipes
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out.write_end,
            stderr=err.write_end,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
        )
    except OSError as error:
        raise PluginError(f"cannot start {argv[0]}: {error.strerror}", retryable=False) from error
    except ValueError as error:
        raise PluginError(f"cannot start {argv[0]!r}: {error}", retryable=False) from error
    finally:
        for pipe in pipes:
            pipe.close_write_end()


async def _leave_nothing(process: asyncio.subprocess.Process) -> None:
    # Only while it is not reaped: afterwards its number may be somebody else's.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        async with asyncio.timeout(_GONE_WITHIN):
            await process.wait()


async def _hear_the_rest(pipes: Sequence[_Pipe]) -> None:
    try:
        async with asyncio.timeout(_LAST_WORDS):
            for pipe in pipes:
                await pipe.ended.wait()
    except TimeoutError:
        return
