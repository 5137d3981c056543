"""Looks at this machine: disk, memory, load, and how fast logs grow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from devops_agent.kit.tools import Tools, settings
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Target
from devops_agent.plugins.host.config import Config, Options, options
from devops_agent.ports import PluginError

_MB = 1_000_000
_MINUTE = 60.0
_PATIENCE = 5.0
_OURS = frozenset(Options.__struct_fields__)


def build(config: Mapping[str, object], *, tools: Tools) -> HostProbe:
    """Build the probe from `plugins.host`."""
    settings(Config, config, where="plugins.host")
    return HostProbe(tools=tools)


class HostProbe:
    """Reads this machine's figures for targets that are the host, or name a `path` or `logs` on it."""

    def __init__(self, *, tools: Tools) -> None:
        self._clock = tools.clock
        self._sizes: dict[str, tuple[float, dict[str, int]]] = {}
        """Target → monotonic seconds and size of each log at the last look."""

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        """Return `disk_percent`, `disk_free_mb`, `memory_percent`, `load_1m` and `log_growth_mb_per_minute`.

        The disk is that of `options.path`, for a host `/` by default; memory and load come for hosts only; growth is
        the mean since the last look, over all of `options.logs`.
        """
        if target.via != "host" and not target.options.keys() & _OURS:
            return []
        now = self._clock.now()
        try:
            chosen = options(target)
        except PluginError as error:
            return [Evidence(source="host", name="host", value=False, at=now, says=str(error))]
        disk = await self._disk(target, chosen, now)
        return [*disk, *self._memory(target, now), *self._growth(target, chosen, now)]

    async def _disk(self, target: Target, chosen: Options, now: datetime) -> list[Evidence]:
        path = chosen.path or ("/" if target.via == "host" else "")
        if not path:
            return []
        try:
            # A file system of the network may never answer.
            async with asyncio.timeout(_PATIENCE):
                disk = await asyncio.to_thread(os.statvfs, path)
        except OSError as error:
            says = f"cannot look at the disk of {path}: {error.strerror or 'no answer'}"
            return [Evidence(source="host", name="disk", value=False, at=now, query=path, says=says)]
        used = disk.f_blocks - disk.f_bfree
        # As df counts: what is reserved for root is neither used nor free.
        percent = 100 * used / max(1, used + disk.f_bavail)
        return [
            _seen("disk_percent", round(percent, 1), now, unit="%", query=path),
            _seen("disk_free_mb", round(disk.f_bavail * disk.f_frsize / _MB, 1), now, unit="MB", query=path),
        ]

    def _memory(self, target: Target, now: datetime) -> Iterator[Evidence]:
        if target.via != "host":
            return
        lines = Path("/proc/meminfo").read_text().splitlines()
        kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        percent = 100 * (1 - kilobytes["MemAvailable"] / kilobytes["MemTotal"])
        yield _seen("memory_percent", round(percent, 1), now, unit="%", query="/proc/meminfo")
        yield _seen("load_1m", round(os.getloadavg()[0], 2), now, query="/proc/loadavg")

    def _growth(self, target: Target, chosen: Options, now: datetime) -> Iterator[Evidence]:
        if not chosen.logs:
            return
        seconds = self._clock.monotonic()
        sizes = dict(_sizes(chosen.logs))
        last = self._sizes.get(target.name)
        self._sizes[target.name] = (seconds, sizes)
        if last is None or seconds <= last[0]:
            return
        # One that got smaller was rotated or emptied: what it holds now is new.
        grown = sum(
            size - (last[1].get(path, 0) if size >= last[1].get(path, 0) else 0) for path, size in sizes.items()
        )
        rate = grown / _MB / ((seconds - last[0]) / _MINUTE)
        yield _seen("log_growth_mb_per_minute", round(rate, 3), now, unit="MB/min", query=", ".join(chosen.logs))


def _sizes(logs: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    for log in logs:
        path = Path(log)
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            try:
                if file.is_file():
                    yield str(file), file.stat().st_size
            except OSError:
                continue


def _seen(name: str, value: float, at: datetime, *, unit: str = "", query: str = "") -> Evidence:
    return Evidence(source="host", name=name, value=value, unit=unit, at=at, query=query)
