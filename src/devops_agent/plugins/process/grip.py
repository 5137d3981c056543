"""Holds processes by descriptors: a signal reaches that very process or none, whatever its number stands for."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from devops_agent.kit import proc
from devops_agent.kit.proc import Process


class Grip:
    """One process, held until `close`."""

    def __init__(self, process: Process) -> None:
        """Take hold.

        Raises:
            ProcessLookupError: it is gone.

        """
        self.process = process
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fd = os.pidfd_open(process.pid)
        # From here on the descriptor stands for one process for good: see whether it is the one that was meant.
        now = proc.look_up(process.pid)
        if now is None or now.started != process.started:
            self.close()
            raise ProcessLookupError(f"process {process.instance} is gone")

    def send(self, number: signal.Signals) -> None:
        """Send a signal; one that is already dead feels nothing."""
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            return

    def when_ended(self, loop: asyncio.AbstractEventLoop, tell: Callable[[], object]) -> None:
        """Call `tell` once in `loop`, as soon as it has ended; instead of whom was to be called before."""

        def over() -> None:
            loop.remove_reader(self._fd)
            self._loop = None
            tell()

        loop.add_reader(self._fd, over)
        self._loop = loop

    async def ended(self, within: float) -> bool:
        """Wait for its end, at most `within` seconds; return whether it came."""
        over = asyncio.Event()
        self.when_ended(asyncio.get_running_loop(), over.set)
        try:
            async with asyncio.timeout(within):
                await over.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Let go of it; it lives on."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
        self._loop = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def grasp(processes: list[Process]) -> list[Grip]:
    """Take hold of those that still live and may be touched."""
    grips = []
    for process in processes:
        if proc.why_untouchable(process):
            continue
        try:
            grips.append(Grip(process))
        except ProcessLookupError:
            continue
    return grips
