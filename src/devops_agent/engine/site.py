"""The site: everything that deciding has to know, and everything that responding needs to see, ask and touch."""

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
class Known:
    """What deciding on a plan rests on beside the rows. What is a function may change meanwhile: it is asked each time.

    Whoever has no more than this can tell what would be decided, and do nothing.
    """

    actions: Mapping[str, Action]
    """Every action that there is, by name."""
    settings: Callable[[], Settings]
    ground: Callable[[], Ground]
    runbooks: Callable[[], Sequence[Runbook]]
    sightings: Callable[[], Mapping[str, Sighting]]
    """Every target as last seen."""
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Site(Known):
    """All of it; built once by the agent role."""

    store: Store
    clock: Clock
    eyes: Eyes
    actuators: Mapping[str, Actuator]
    guardian: Guardian

    def actuator_of(self, action: str) -> Actuator:
        """Return the plugin that offers an action (`docker.restart`)."""
        return self.actuators[action.partition(".")[0]]
