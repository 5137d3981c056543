"""What watching costs: memory and processor time of agent and web, with incidents on the way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.table import Row
from benchmarks.usage import Usage, rss, watch
from devops_agent.model.incident import Status
from devops_agent.store import heartbeats, incidents
from devops_agent.store.rows import Rows
from tests.real.running import Site, marked, site, until

_VICTIMS = 10
_PATHS = {"status": False, "system": False}


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much there is to watch, and the budgets for it."""

    targets: int
    every: int
    """Seconds."""
    rss: float
    cpu: float
    lateness: float | None = None

    @property
    def says(self) -> str:
        """The load in words."""
        return f"{self.targets:,} targets every {self.every} s"


LOADS = (
    Load(targets=100, every=30, rss=50, cpu=1),
    Load(targets=1_000, every=10, rss=80, cpu=8, lateness=1),
)


def measure(*, quick: bool) -> list[Row]:
    """Return memory and processor time for each load."""
    rows: list[Row] = []
    for load in LOADS:
        rows += asyncio.run(_under(load, seconds=20 if quick else 185, kills=2 if quick else 10))
    return rows


async def _under(load: Load, *, seconds: float, kills: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, serving() as port:
        settings = _settings(load, port=port, folder=Path(folder))
        async with site(Path(folder), settings) as made:
            await made.start()
            names = [target["name"] for target in settings["targets"]]
            await made.well(*names)
            await until(lambda: made.store.read(_settled), "the first starts to be over")
            pids = {role: await made.pid_of(role) for role in ("agent", "web")}
            at_start = rss(pids["agent"])
            killing = asyncio.create_task(_kill_now_and_then(made, kills=kills, within=seconds * 0.8))
            late = asyncio.create_task(_lateness(made, seconds=seconds))
            used = await watch(pids, seconds=seconds)
            healed = await killing
            return _rows(load, used, at_start=at_start, healed=healed, lateness=await late)


def _rows(load: Load, used: dict[str, Usage], *, at_start: float, healed: int, lateness: float) -> list[Row]:
    agent, web, says = used["agent"], used["web"], load.says
    return [
        Row(what=f"agent RSS once all are well, {says}", value=at_start, unit="MB"),
        Row(what=f"agent RSS at most, {says}", value=agent.rss_max, unit="MB", below=load.rss),
        Row(what=f"agent RSS after {healed} incidents, {says}", value=agent.rss_end, unit="MB", below=load.rss),
        Row(what=f"agent PSS after {healed} incidents, {says}", value=agent.pss_end, unit="MB"),
        Row(what=f"agent processor, {says}", value=agent.cpu_percent, unit="% of a core", below=load.cpu),
        Row(what=f"polls begun late (p99), {says}", value=lateness, unit="s", below=load.lateness),
        Row(what=f"web RSS at the end, {says}", value=web.rss_end, unit="MB"),
        Row(what=f"web PSS at the end, {says}", value=web.pss_end, unit="MB"),
        Row(what=f"web processor, {says}", value=web.cpu_percent, unit="% of a core"),
    ]


@contextmanager
def serving() -> Iterator[int]:
    """Run the service that is watched, in a process of its own; yield its port."""
    command = [sys.executable, str(Path(__file__).with_name("service.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else 0)
        finally:
            process.terminate()


def _settings(load: Load, *, port: int, folder: Path) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    services = [{"name": f"service-{number}", "url": url, "paths": _PATHS} for number in range(load.targets - _VICTIMS)]
    workers = [
        {
            "name": f"worker-{number}",
            "process": {"command": ["/bin/sleep", "100000"], "log": str(folder / f"{number}.log")},
            "start_period": "1s",
        }
        for number in range(_VICTIMS)
    ]
    return {
        "polling": {"well": f"{load.every}s", "flapping_window": "1s"},
        "guard": {"cooldown": "1s", "strikes": {"count": 100, "window": "1s"}, "actions_per_hour": 1_000},
        "alerting": {"group_window": "1s"},
        "targets": [*services, *workers],
    }


async def _kill_now_and_then(made: Site, *, kills: int, within: float) -> int:
    """Kill one worker after another; return how many incidents were resolved on the way."""
    before = await made.store.read(_resolved)
    for turn in range(kills):
        await asyncio.sleep(within / kills)
        for pid in marked(f"worker-{turn % _VICTIMS}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def resolved() -> int:
        found = await made.store.read(_resolved) - before
        return found if found >= kills else 0

    return await until(resolved, "incidents to be resolved", within=90)


def _settled(rows: Rows) -> bool:
    return all(one.status is Status.RESOLVED for one in incidents.page(rows, limit=200))


def _resolved(rows: Rows) -> int:
    return sum(1 for one in incidents.page(rows, limit=200) if one.status is Status.RESOLVED)


async def _lateness(made: Site, *, seconds: float) -> float:
    """Return the worst p99 of ten seconds that the agent's heartbeats told, once it was under way."""
    end = time.monotonic() + seconds
    worst = 0.0
    await asyncio.sleep(min(11.0, seconds / 2))
    while time.monotonic() < end:
        beat = (await made.store.read(heartbeats.all_))["agent"]
        worst = max(worst, float(beat.data.get("lateness_p99_seconds", 0.0)))
        await asyncio.sleep(2)
    return worst
