"""The site: everything that responding needs to see, ask and touch. Built once by the agent role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from devops_agent.config.settings import Settings
    from devops_agent.engine.ground import Ground
    from devops_agent.engine.look import Eyes
    from devops_agent.model.action import Action
    from devops_agent.model.runbook import Runbook
    from devops_agent.model.sighting import Sighting
    from devops_agent.ports import Actuator, Clock, Guardian
    from devops_agent.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What is a function here may change while the agent runs: it is asked each time."""

    store: Store
    clock: Clock
    eyes: Eyes
    actuators: Mapping[str, Actuator]
    actions: Mapping[str, Action]
    """Every action that there is, by name."""
    guardian: Guardian
    settings: Callable[[], Settings]
    ground: Callable[[], Ground]
    runbooks: Callable[[], Sequence[Runbook]]
    sightings: Callable[[], Mapping[str, Sighting]]
    """Every target as last seen."""
    version: str

    def actuator_of(self, action: str) -> Actuator:
        """Return the plugin that offers an action (`docker.restart`)."""
        return self.actuators[action.partition(".")[0]]
