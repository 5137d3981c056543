"""Hands on what watchers tell the moment it happens, and starts a watcher again when its source comes back."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.durable.retry import backoff
from devops_agent.model.incident import Status
from devops_agent.ports import PluginError
from devops_agent.store import incidents
from devops_agent.store.rows import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from devops_agent.engine.receive import Received
    from devops_agent.model.alert import Alert
    from devops_agent.model.directory import Directory
    from devops_agent.ports import Clock, Watcher
    from devops_agent.store import Store

log = logging.getLogger("devops_agent.watchers")

_ACTING = (Status.REMEDIATING, Status.VERIFYING)
_MOST = timedelta(seconds=15)


class Relay:
    """Runs one watcher for ever."""

    def __init__(  # noqa: PLR0913 — everything it does is handed to it
        self,
        name: str,
        watcher: Watcher,
        *,
        store: Store,
        receive: Callable[[Sequence[Alert]], Awaitable[Received]],
        directory: Callable[[], Directory],
        soon: Callable[[str], None],
        strangers: Callable[[], None],
        on: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._name = name
        self._watcher = watcher
        self._store = store
        self._receive = receive
        self._directory = directory
        self._soon = soon
        self._strangers = strangers
        """Called when something happened to a thing that is no target: it may have become one."""
        self._on = on
        """Whether monitoring is switched on."""
        self._clock = clock
        self.connected = False

    async def run(self) -> None:
        """Listen; when the source goes away say so once, and come back with growing pauses."""
        tries = 0
        while True:
            try:
                async for alert in self._watcher.changes():
                    if not self.connected:
                        self.connected, tries = True, 0
                        log.info("watcher is connected", extra={"watcher": self._name})
                    await self._hand_on(alert)
            except PluginError as error:
                tries += 1
                if self.connected or tries == 1:
                    log.warning("watcher lost its source", extra={"watcher": self._name, "error": str(error)})
                self.connected = False
            except Exception:  # the edge of a loop: polls see what is missed meanwhile
                tries += 1
                log.exception("watcher failed", extra={"watcher": self._name})
            await self._clock.sleep(backoff(tries, most=_MOST).total_seconds())

    async def _hand_on(self, alert: Alert) -> None:
        if not self._on():
            return
        target, name, _ = self._directory().find(alert.labels)
        if target is None:
            log.debug("happened to no target", extra={"watcher": self._name, "alert": alert.name, "name_": name})
            self._strangers()
            return
        self._soon(target.name)
        if alert.firing and await self._acting_on(target.name):
            return  # our own doing; if it is not, the look that follows sees it
        for wait in (0.05, 0.5, 2.0, 0.0):
            try:
                await self._receive([alert])
            except StoreError as error:
                log.warning("cannot write an event", extra={"watcher": self._name, "error": str(error)})
                await self._clock.sleep(wait)
            else:
                return

    async def _acting_on(self, target: str) -> bool:
        page = await self._store.read(lambda rows: incidents.page(rows, status="unresolved", target=target, limit=20))
        return any(incident.status in _ACTING for incident in page)
