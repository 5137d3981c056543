"""A clock that tests own."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_PASSES = 30
"""Passes of the event loop without a new sleeper after which nothing else seems to want to run."""


class FakeClock:
    """Time that only tests move; sleepers wake in the order in which they are due.

    With `auto` (the default) a sleep jumps ahead as soon as everything else that could run has run, so that code which
    sleeps for minutes ends at once. Without it time stands still until `advance`: choose that for endless loops.
    """

    def __init__(self, start: datetime = START, *, auto: bool = True) -> None:
        self._start = start
        self._seconds = 0.0
        self._auto = auto
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0
        self._quiet_passes = 0
        self._driving = False

    def now(self) -> datetime:
        """Return the wall clock's time, aware, UTC."""
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Return the seconds since the clock was made."""
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has moved by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._seconds + seconds, self._count, woken))
        self._quiet_passes = 0
        if self._auto and not self._driving:
            self._driving = True
            loop.call_soon(self._drive, loop)
        await woken

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: wake every sleeper that becomes due, in order, and let each go on before the next."""
        end = self._seconds + seconds
        await self._let_run()
        while (due := self._next_due()) is not None and due <= end:
            self._wake_first()
            await self._let_run()
        self._seconds = max(self._seconds, end)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP would; sleepers feel nothing."""
        self._start += timedelta(seconds=seconds)

    @property
    def sleepers(self) -> int:
        """How many wait for the clock."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def _let_run(self) -> None:
        for _ in range(_PASSES):
            await asyncio.sleep(0)

    def _next_due(self) -> float | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _wake_first(self) -> None:
        due, _, woken = heapq.heappop(self._sleepers)
        self._seconds = max(self._seconds, due)
        woken.set_result(None)

    def _drive(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._next_due() is None:
            self._driving = False
            return
        self._quiet_passes += 1
        if self._quiet_passes >= _PASSES:
            self._quiet_passes = 0
            self._wake_first()
        loop.call_soon(self._drive, loop)
