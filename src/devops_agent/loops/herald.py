"""The herald: has people told when an error budget goes too fast, and has reports made when their time has come."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from devops_agent.engine import calendar, objectives
from devops_agent.model.reading import FIVE_MINUTES, floor
from devops_agent.store import outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.model.target import Target
    from devops_agent.store import Store

log = logging.getLogger("devops_agent.herald")


class Herald:
    """Looks at what was written about targets, and at the calendar."""

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        watched: Callable[[], Iterable[Target]],
        version: str,
    ) -> None:
        self._store = store
        self._settings = settings
        self._watched = watched
        self._version = version
        self._burned_at: datetime | None = None
        self._scheduled: frozenset[str] = frozenset()

    async def tick(self, now: datetime) -> None:
        """Look at budgets once in five minutes, for as long a bucket lasts, and at the calendar."""
        bucket = floor(now, FIVE_MINUTES)
        if bucket != self._burned_at:
            await self._tell_burns(now)
            self._burned_at = bucket
        await self._schedule(now)

    async def _tell_burns(self, now: datetime) -> None:
        promised = [target for target in self._watched() if target.objective is not None]
        if not promised:
            return
        burning = await self._store.read(lambda rows: objectives.burning(rows, promised, now=now))
        if not burning:
            return
        settings = self._settings()
        told = await self._store.write(
            lambda rows: objectives.tell(rows, burning, settings=settings, now=now), tell=(outbox.QUEUE,)
        )
        if told:
            log.warning("error budgets go too fast", extra={"targets": ",".join(told)})

    async def _schedule(self, now: datetime) -> None:
        periods = calendar.due(self._settings(), now=now)
        if {period.key for period in periods} <= self._scheduled:
            return
        wanted = await self._store.write(
            lambda rows: calendar.schedule(rows, periods, now=now, version=self._version), tell=(calendar.QUEUE,)
        )
        self._scheduled = frozenset(period.key for period in periods)
        for period in wanted:
            log.info("report is due", extra={"report": period.key})
