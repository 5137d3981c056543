"""Who lives: ends a role whose parent is gone (it would hold lock and socket against the next), knows dead owners."""

from __future__ import annotations

import asyncio
import os

from devops_agent.kit import proc


async def stop_with(parent: int, stop: asyncio.Event) -> None:
    """Set `stop` when `parent` is not our parent any more."""
    while os.getppid() == parent:  # noqa: ASYNC110 — the kernel tells of it in no other way
        await asyncio.sleep(0.5)
    stop.set()


def birth(pid: int) -> str:
    """Return what tells a process from a later one of the same number; empty when there is none."""
    process = proc.look_up(pid)
    return str(process.instance) if process is not None else ""


def alive(owner: str) -> bool:
    """Whether the process that claimed a run (`role:pid:birth`), on this machine, still lives."""
    _, pid, born = owner.split(":", 2)
    return birth(int(pid)) == born
