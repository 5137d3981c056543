"""Run a tick again and again: the one place where a loop's errors are caught, told, and survived."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from devops_agent.ports import Clock

log = logging.getLogger("devops_agent.loops")


async def every(
    seconds: float,
    tick: Callable[[datetime], Awaitable[object]],
    *,
    clock: Clock,
    name: str,
    bell: asyncio.Event | None = None,
) -> None:
    """Call `tick(now)` every `seconds`, and at once when `bell` rings; until cancelled."""
    while True:
        try:
            await tick(clock.now())
        except Exception:  # the edge of a loop: it goes on, and says so
            log.exception("loop failed, goes on", extra={"loop": name})
        if bell is None:
            await clock.sleep(seconds)
            continue
        try:
            await asyncio.wait_for(bell.wait(), seconds)
        except TimeoutError:
            continue
        bell.clear()
