"""Looks at a local process: its state, memory, processor time and open files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from devops_agent.kit import proc
from devops_agent.kit.proc import Process
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Target
from devops_agent.plugins.process.config import Config, Options, options
from devops_agent.plugins.process.find import Finder
from devops_agent.ports import PluginError

_MB = 1_000_000
_SHORTEST = 0.5
"""Seconds: the kernel counts processor time in hundredths, so a share of less time would be a guess."""


def build(config: Mapping[str, object], *, tools: Tools) -> ProcessProbe:
    """Build the probe from `plugins.process`."""
    settings(Config, config, where="plugins.process")
    return ProcessProbe(tools=tools)


class ProcessProbe:
    """Looks at processes of this machine; figures are sums over a process and its descendants."""

    def __init__(self, *, tools: Tools) -> None:
        self._tools = tools
        self._finder = Finder(str(tools.state_dir.resolve()))
        self._cpu: dict[str, tuple[str, float, float]] = {}
        """Target → instance, monotonic seconds and processor seconds at the last look."""

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        """Return `state` and the readings `rss_mb`, `memory_percent`, `cpu_percent` and `open_files`.

        `memory_percent` needs `options.memory_limit_mb`; `cpu_percent` is the mean of one core since the last look.
        """
        now = self._tools.clock.now()
        try:
            chosen = options(target)
            main = self._finder.find(target, chosen)
        except PluginError as error:
            return [Evidence(source="process", name="state", value="unknown", at=now, says=str(error))]
        if main is None or not main.alive:
            return [_seen("state", "dead", now, says=f"process {target.name} does not run")]
        word = "stopped" if main.stopped else "running"
        says = f"process {target.name}, pid {main.pid}, is {word}"
        return [_seen("state", word, now, says=says), *self._readings(target, chosen, main, now)]

    def _readings(self, target: Target, chosen: Options, main: Process, now: datetime) -> Iterator[Evidence]:
        everyone = [main.pid, *proc.descendants(main.pid)]
        seen = [process for pid in everyone if (process := proc.look_up(pid)) is not None]
        rss = sum(process.rss_bytes for process in seen) / _MB
        yield _seen("rss_mb", round(rss, 1), now, unit="MB")
        if chosen.memory_limit_mb:
            yield _seen("memory_percent", round(100 * rss / chosen.memory_limit_mb, 1), now, unit="%")
        cpu = sum(process.cpu_seconds for process in seen)
        if (percent := self._cpu_percent(target, main, cpu)) is not None:
            yield _seen("cpu_percent", round(percent, 1), now, unit="%")
        yield _seen("open_files", sum(len(proc.open_files(pid)) for pid in everyone), now)

    def _cpu_percent(self, target: Target, main: Process, cpu: float) -> float | None:
        seconds = self._tools.clock.monotonic()
        last = self._cpu.get(target.name)
        if last is not None and last[0] == main.instance and seconds - last[1] < _SHORTEST:
            return None
        self._cpu[target.name] = (main.instance, seconds, cpu)
        if last is None or last[0] != main.instance:
            return None
        # A child that ended takes its share with it.
        return max(0.0, 100 * (cpu - last[2]) / (seconds - last[1]))


def _seen(name: str, value: float | str, at: datetime, *, unit: str = "", says: str = "") -> Evidence:
    return Evidence(source="process", name=name, value=value, unit=unit, at=at, says=says)
