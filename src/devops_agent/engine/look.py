"""Look at a target: ask its actuator and every probe at once, and put their answers together."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.model.evidence import Evidence, State
from devops_agent.model.view import View, view_of
from devops_agent.ports import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.model.target import Target
    from devops_agent.ports import Actuator, Clock, Probe

log = logging.getLogger("devops_agent.look")

_WINDOW = timedelta(minutes=5)
_EVERYWHERE = ("host", "prometheus")
"""Probes that may know something of any target."""
_PATIENCE = 10.0  # seconds; a plugin that takes longer is left out of this look


class Eyes:
    """All plugins that can see; `fallback` is asked only when a vital check fails."""

    def __init__(
        self, *, actuators: Mapping[str, Actuator], probes: Mapping[str, Probe], fallback: Probe | None, clock: Clock
    ) -> None:
        self._actuators = actuators
        self._probes = probes
        self._fallback = fallback
        self._clock = clock

    async def look(self, target: Target, *, thoroughly: bool = True) -> View:
        """Return the target in one look; with `thoroughly` a failure is traced to the network or the target."""
        state, pieces = await asyncio.gather(
            self._observe(target), asyncio.gather(*(self._ask(name, target) for name in self._fitting(target)))
        )
        evidence = tuple(piece for group in pieces for piece in group)
        view = self._view(target, state, evidence)
        if thoroughly and view.failing and self._fallback is not None and not _surely_down(view):
            more = await self._fallback.look(target, window=_WINDOW)
            view = self._view(target, state, (*evidence, *more))
        return view

    async def observe(self, target: Target) -> State | None:
        """Return what the acting plugin sees of it; None when none acts on it or it cannot tell."""
        return await self._observe(target)

    def _view(self, target: Target, state: State | None, evidence: tuple[Evidence, ...]) -> View:
        return view_of(target, state=state, evidence=evidence, at=self._clock.now())

    def _fitting(self, target: Target) -> list[str]:
        kinds = {check.kind for check in target.checks}
        return [name for name in self._probes if name in kinds or name in (target.via, *_EVERYWHERE)]

    async def _observe(self, target: Target) -> State | None:
        actuator = self._actuators.get(target.via)
        if actuator is None:
            return None
        try:
            async with asyncio.timeout(_PATIENCE):
                return await actuator.observe(target)
        except (PluginError, TimeoutError) as error:
            log.warning("cannot see the state of a target", extra={"target": target.name, "error": str(error)})
            return None

    async def _ask(self, name: str, target: Target) -> list[Evidence]:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._probes[name].look(target, window=_WINDOW)
        except (PluginError, TimeoutError) as error:
            log.warning("probe failed", extra={"target": target.name, "probe": name, "error": str(error)})
            return []


def _surely_down(view: View) -> bool:
    return view.state is not None and view.state.running is False
