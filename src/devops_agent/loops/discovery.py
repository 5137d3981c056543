"""Discovery: asks the inventories which targets there are, and lets the others know when that changes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from devops_agent.ports import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from devops_agent.model.target import Target
    from devops_agent.ports import Inventory

log = logging.getLogger("devops_agent.discovery")


class Discovery:
    """Remembers what each inventory found last; one that cannot be reached keeps what it had."""

    def __init__(self, inventories: Mapping[str, Inventory], *, changed: Callable[[], None]) -> None:
        self._inventories = inventories
        self._changed = changed
        self._found: dict[str, list[Target]] = {}
        self._lost: set[str] = set()

    @property
    def targets(self) -> list[Target]:
        """Everything that was found."""
        return [target for found in self._found.values() for target in found]

    async def tick(self, now: datetime) -> None:
        """Ask all inventories."""
        del now
        before = self.targets
        for name, inventory in self._inventories.items():
            try:
                self._found[name] = await inventory.discover()
                self._lost.discard(name)
            except PluginError as error:
                if name not in self._lost:
                    log.warning("cannot look for targets", extra={"inventory": name, "error": str(error)})
                self._lost.add(name)
        if self.targets != before:
            log.info("targets found", extra={"targets": [target.name for target in self.targets]})
            self._changed()
