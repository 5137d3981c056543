"""Carries out blocking work in a thread, in slices, so that it ends in time and leaves the event loop free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

_SLICE = 0.05


async def carry_out(work: Iterator[None], *, seconds: float) -> bool:
    """Step through `work` until its end, or for `seconds`; return whether it came to its end.

    An end before its own, also by cancellation, is one between two steps: `work` is closed there.
    """
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if await _finish_first(asyncio.create_task(asyncio.to_thread(_some, work))):
                return True
    finally:
        close = getattr(work, "close", None)
        if close is not None:
            await asyncio.shield(asyncio.to_thread(close))
    return False


def _some(work: Iterator[None]) -> bool:
    end = time.monotonic() + _SLICE
    return all(time.monotonic() < end for _ in work)


async def _finish_first(slice_: asyncio.Task[bool]) -> bool:
    try:
        return await asyncio.shield(slice_)
    except asyncio.CancelledError:
        # A thread cannot be stopped, and the work cannot be closed while it runs.
        await slice_
        raise
