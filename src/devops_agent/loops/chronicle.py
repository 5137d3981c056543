"""The chronicle: tells the timeline in the log, line by line, once each line is safely in the store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from devops_agent.store import events

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.event import Event
    from devops_agent.store import Store

log = logging.getLogger("devops_agent.timeline")

_WARN = frozenset({"escalated", "failed", "frozen", "config_kept", "expired"})


_DATA = ("action", "ok", "verified", "seconds", "rule", "approval", "mute", "to")
"""What of an event's data is worth a field."""


class Chronicle:
    """Follows the events of all processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told = -1

    async def tick(self, now: datetime) -> None:
        """Tell what has come since the last call; what was there before the first is not told again."""
        del now
        if self._told < 0:
            self._told = (await self._store.read(events.head))[0]
        while page := await self._store.read(lambda rows: events.after(rows, self._told)):
            for event in page:
                level = logging.WARNING if event.kind in _WARN else logging.INFO
                log.log(level, event.kind, extra=_fields(event))
            self._told = page[-1].seq


def _fields(event: Event) -> dict[str, object]:
    told = {name: event.data[name] for name in _DATA if name in event.data}
    return {"incident": event.incident, "target": event.target, "actor": event.actor, **told, "says": event.says}
