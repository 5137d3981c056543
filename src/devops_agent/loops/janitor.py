"""The janitor: ends what is over by time (approvals, stale alerts, pauses) and deletes what nobody needs any more."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.engine.commands import RUNS
from devops_agent.model.alert import AlertStatus
from devops_agent.store import (
    alerts,
    approvals,
    attempts,
    controls,
    escalations,
    events,
    evidence,
    gatherings,
    incidents,
    insights,
    judgements,
    knowledge,
    learning,
    mutes,
    outbox,
    readings,
    reports,
    runs,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.engine.receive import Received
    from devops_agent.model.alert import Alert
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows

log = logging.getLogger("devops_agent.janitor")

KEEP = timedelta(days=30)
"""How long evidence, judgements, plans that were not carried out and the journals of finished runs are kept; incidents,
what was done, and the timeline are kept for ever. Readings: see `model.reading.KEPT`."""
KEEP_TOLD = timedelta(days=35)
"""The same for resolved alerts and notices: the report of a whole month still counts them."""
KEEP_LEARNT = KEEP_TOLD
"""How much longer than `learning.memory` trials, waits, predictions and proposals are kept: they count for nothing by
then, but a monthly report still tells how trust stood when the month began."""
KEEP_REPORTS = timedelta(days=396)
"""The same for reports, and for the texts by which closed incidents are found: a year and a month."""
_KEEP_ROUNDS = timedelta(days=1)
"""The same for journals of rounds after which a response only went on waiting: there may be one every few seconds."""


class Janitor:
    """Looks for what is over."""

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        receive: Callable[[Sequence[Alert]], Awaitable[Received]],
        seen_before: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._settings = settings
        self._receive = receive
        self._started = seen_before
        """When this process began: nothing is stale because nobody was there to hear it."""
        self._pauses: dict[str, str] = {}

    async def tick(self, now: datetime) -> None:
        """Do one round."""
        await self._expire_approvals(now)
        await self._end_pauses(now)
        await self._end_stale(now)

    async def sweep(self, now: datetime) -> None:
        """Delete what is old."""
        old, told, long_ago = now - KEEP, now - KEEP_TOLD, now - KEEP_REPORTS
        learnt = now - self._settings().learning.memory - KEEP_LEARNT

        def forget(rows: Rows) -> dict[str, int]:
            return {
                "alerts": alerts.forget(rows, resolved_before=told),
                "runs": runs.forget(rows, finished_before=old, rounds_before=now - _KEEP_ROUNDS),
                "evidence": evidence.forget(rows, seen_before=old),
                "insights": insights.forget(rows, asked_before=old),
                "judgements": judgements.forget(rows, judged_before=old),
                "notices": outbox.forget(rows, created_before=told),
                "attempts": attempts.forget_undone(rows, decided_before=old),
                "readings": readings.forget(rows, now=now),
                "reports": reports.forget(rows, made_before=long_ago),
                "learnt": learning.forget(rows, learnt_before=learnt),
                "knowledge": knowledge.forget(rows, texts_before=long_ago, proposals_before=learnt),
                "escalations": escalations.forget(rows, ended_before=old),
                "mutes": mutes.forget(rows, ended_before=old),
                "told": gatherings.forget(rows, told_before=old, now=now),
            }

        deleted = await self._store.write(forget)
        if any(deleted.values()):
            log.info("deleted what is old", extra=deleted)

    async def _expire_approvals(self, now: datetime) -> None:
        def expire(rows: Rows) -> int:
            over = approvals.expire(rows, now=now)
            for asked in over:
                says = f"nobody answered {asked.id} in time: nothing is done"
                events.add(rows, "expired", says, at=now, incident=asked.incident, approval=asked.id)
                runs.wake(rows, RUNS, asked.incident, now=now)
            return len(over)

        if any(asked.expires_at <= now for asked in await self._store.read(approvals.pending)):
            await self._store.write(expire, tell=("events", RUNS))

    async def _end_pauses(self, now: datetime) -> None:
        """Wake what a pause held back when its time is over."""
        holding = {
            pause.id: pause.target for pause in await self._store.read(lambda rows: controls.pauses(rows, now=now))
        }
        ended = {target for id_, target in self._pauses.items() if id_ not in holding}
        self._pauses = holding
        if not ended:
            return

        def wake(rows: Rows) -> None:
            for incident in incidents.open_ones(rows):
                if "" in ended or incident.target in ended:
                    runs.wake(rows, RUNS, incident.id, now=now)

        await self._store.write(wake, tell=(RUNS,))

    async def _end_stale(self, now: datetime) -> None:
        """Resolve firings from outside that nobody has repeated for long: their end got lost."""
        age = self._settings().alerting.stale_after
        if now - self._started() < age:
            return
        stale = await self._store.read(lambda rows: alerts.stale(rows, seen_before=now - age))
        if stale:
            await self._receive([one.with_(status=AlertStatus.RESOLVED, ends_at=now) for one in stale])
            log.info("ended alerts that nobody repeats", extra={"alerts": len(stale)})
