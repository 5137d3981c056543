"""Telling people: what the worker process for notices is built from; light, until a channel needs a library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.app.channels import Channels
from devops_agent.engine import calendar
from devops_agent.store import outbox
from devops_agent.workers import notify, report, routing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.config.settings import Settings
    from devops_agent.durable.dispatch import Job
    from devops_agent.ports import Clock
    from devops_agent.store import Store


class Telling:
    """The bench of queues that tell people something."""

    def __init__(self, settings: Settings, store: Store, *, clock: Clock) -> None:
        self._channels = Channels(settings, clock=clock)
        desk = notify.Desk(
            store=store,
            clock=clock,
            settings=settings,
            channels=self._channels,
            route=routing.route,
            next_due=routing.next_due,
        )
        reports = report.Desk(store=store, clock=clock, settings=lambda: settings)
        self._jobs = {outbox.QUEUE: notify.jobs(desk), calendar.QUEUE: report.jobs(reports)}

    def jobs(self, queue: str) -> Mapping[str, Job]:
        """Return what is done with the runs of one of its queues."""
        return self._jobs[queue]

    async def look_around(self) -> None:
        """Nothing is kept that could change: notices are read from the rows."""

    async def close(self) -> None:
        """Let go of every connection."""
        await self._channels.close()
