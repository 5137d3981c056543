"""Telling people: what the worker process for notices and reports is built from; light, until a channel needs more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from devops_agent.app.channels import Channels
from devops_agent.config.calendars import Calendars
from devops_agent.engine import calendar, switches
from devops_agent.store import outbox
from devops_agent.workers import answers, notify, report, routing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.durable.dispatch import Job
    from devops_agent.ports import Clock
    from devops_agent.store import Store


class Telling:
    """The bench of queues that tell people something."""

    def __init__(self, settings: Settings, store: Store, *, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._channels = Channels(settings, clock=clock)
        self._answer = answers.answering(store, clock=clock)
        self._calendars = Calendars()
        desk = notify.Desk(
            store=store,
            clock=clock,
            settings=settings,
            channels=self._channels,
            look_up=self._look_up,
            route=partial(routing.route, updates=self._channels.updates(), calendars=self._calendars),
            next_due=routing.next_due,
        )
        reports = report.Desk(store=store, clock=clock, settings=lambda: settings)
        self._jobs = {outbox.QUEUE: notify.jobs(desk), calendar.QUEUE: report.jobs(reports)}

    @property
    def stays(self) -> bool:
        """Whether people may ask something at any moment."""
        return self._channels.open

    def jobs(self, queue: str) -> Mapping[str, Job]:
        """Return what is done with the runs of one of its queues."""
        return self._jobs[queue]

    async def _look_up(self, now: datetime) -> None:
        # Not on a thread: those may all be held by mail servers that hang.
        self._calendars.on_call(self._settings.notify, now)

    async def look_around(self) -> None:
        """Be where people ask questions, as long as that is switched on."""
        names = await self._store.read(partial(switches.asks_from, settings=self._settings))
        self._channels.stay(names, answer=self._answer)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._channels.close()
