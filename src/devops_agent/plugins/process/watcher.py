"""Tells of the death of a local process in the moment it dies, and of its return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from devops_agent.kit.tools import Tools, settings
from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.model.target import Target
from devops_agent.plugins.process.config import Config, options
from devops_agent.plugins.process.find import Finder
from devops_agent.plugins.process.grip import Grip
from devops_agent.ports import PluginError

_SLOWER = 1.5
_SLOWEST = 7
"""A process that stays away is looked for up to so many times more rarely."""


def build(config: Mapping[str, object], *, tools: Tools) -> ProcessWatcher:
    """Build the watcher from `plugins.process`."""
    return ProcessWatcher(settings(Config, config, where="plugins.process"), tools=tools)


class ProcessWatcher:
    """Holds a descriptor of each followed process, which the kernel makes readable when it dies.

    Call `follow` with all targets at the start, whenever the targets change, and after each start or restart: a new
    instance is then held at once. Without the call it is found within `look_again`.
    A death that the agent itself brought about is told too; whoever listens knows of its own steps.
    """

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._clock = tools.clock
        self._look_again = config.look_again.total_seconds()
        self._finder = Finder(str(tools.state_dir.resolve()))
        self._targets: dict[str, Target] = {}
        self._grips: dict[str, Grip] = {}
        self._firing: dict[str, Alert] = {}
        self._bell = asyncio.Event()
        self._deaths: list[str] = []
        self._new_targets = False

    def follow(self, targets: Sequence[Target]) -> None:
        """Watch these targets, as far as they are processes, and no others; find their instances of now."""
        self._targets = {target.name: target for target in targets if target.via == "process"}
        self._new_targets = True
        self._bell.set()

    async def changes(self) -> AsyncIterator[Alert]:
        """Yield `ProcessDied` alerts, firing when a followed process dies and resolved when it runs again.

        A target that never ran since it was followed gives none: that is for a poll to see.
        """
        pause = self._look_again
        try:
            while True:
                found = self._hold_all()
                for alert in found:
                    yield alert
                if found or self._new_targets:
                    pause = self._look_again
                self._new_targets = False
                waiting = any(name not in self._grips for name in self._targets)
                rung = await self._rung(pause if waiting else None)
                pause = self._look_again if rung else min(pause * _SLOWER, self._look_again * _SLOWEST)
                for alert in self._died():
                    yield alert
        finally:
            self._let_go(set(self._grips))

    def _hold_all(self) -> list[Alert]:
        """Take hold of what runs and is not held yet; return the alerts that are over by that."""
        self._let_go(self._grips.keys() - self._targets.keys())
        self._firing = {name: alert for name, alert in self._firing.items() if name in self._targets}
        back = []
        for name, target in self._targets.items():
            if name not in self._grips and self._hold(target) and (alert := self._firing.pop(name, None)):
                back.append(alert.with_(status=AlertStatus.RESOLVED, ends_at=self._clock.now()))
        return back

    def _hold(self, target: Target) -> bool:
        try:
            process = self._finder.find(target, options(target))
        except PluginError:
            return False
        if process is None or not process.alive:
            return False
        try:
            grip = Grip(process)
        except ProcessLookupError:
            return False
        self._grips[target.name] = grip
        grip.when_ended(asyncio.get_running_loop(), lambda: self._end(target.name))
        return True

    def _end(self, name: str) -> None:
        self._deaths.append(name)
        self._bell.set()

    async def _rung(self, within: float | None) -> bool:
        try:
            async with asyncio.timeout(within):
                await self._bell.wait()
        except TimeoutError:
            return False
        self._bell.clear()
        return True

    def _died(self) -> list[Alert]:
        told = []
        deaths, self._deaths = self._deaths, []
        for name in deaths:
            grip = self._grips.pop(name, None)
            if grip is None:
                continue
            grip.close()
            self._firing[name] = self._alert(name, grip)
            told.append(self._firing[name])
        return told

    def _alert(self, name: str, grip: Grip) -> Alert:
        labels = {"alertname": "ProcessDied", "devops_agent_target": name, "severity": "critical"}
        return Alert(
            fingerprint=fingerprint(labels),
            status=AlertStatus.FIRING,
            labels=labels,
            annotations={"summary": f"process {name}, pid {grip.process.pid}, died"},
            starts_at=self._clock.now(),
            source="process",
        )

    def _let_go(self, names: set[str]) -> None:
        for name in names:
            self._grips.pop(name).close()
