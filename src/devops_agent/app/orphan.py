"""Ends a role whose parent is gone: nobody would start it again, and it would hold lock and socket against the next."""

from __future__ import annotations

import asyncio
import os


async def stop_with(parent: int, stop: asyncio.Event) -> None:
    """Set `stop` when `parent` is not our parent any more."""
    while os.getppid() == parent:  # noqa: ASYNC110 — the kernel tells of it in no other way
        await asyncio.sleep(0.5)
    stop.set()
