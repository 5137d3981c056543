"""The heartbeat: the agent says that it lives, what it costs and how it does; and notices when the alerting stops."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent.engine.stock import overdue
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Notice
from devops_agent.store import events, heartbeats, outbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.loops.poller import Poller
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows

log = logging.getLogger("devops_agent.heartbeat")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Heart:
    """Beats for one role."""

    def __init__(self, role: str, *, store: Store, version: str, started_at: datetime) -> None:
        self._role = role
        self._store = store
        self._version = version
        self._started_at = started_at

    async def beat(self, now: datetime, **data: object) -> None:
        """Write a sign of life with what the role has to say of itself."""
        times = os.times()
        beat = heartbeats.Heartbeat(
            role=self._role,
            pid=os.getpid(),
            version=self._version,
            started_at=self._started_at,
            at=now,
            data={"rss_bytes": rss(), "cpu_seconds": round(times.user + times.system, 2), **data},
        )
        await self._store.write(lambda rows: heartbeats.beat(rows, beat))
        log.debug("heartbeat", extra={"role": self._role, **beat.data})


class Vigil:
    """Watches over the alert that always fires: without it, silence means nothing and automatic actions freeze."""

    def __init__(self, *, store: Store, settings: Callable[[], Settings]) -> None:
        self._store = store
        self._settings = settings
        self._frozen = False

    async def tick(self, now: datetime) -> None:
        """Tell once when it begins to be missing, and once when it is back."""
        late = await self._store.read(lambda rows: overdue(rows, self._settings(), now=now))
        frozen = late is not None
        if frozen == self._frozen:
            return
        self._frozen = frozen
        name = self._settings().watchdog.alertname
        says = (
            f"the alert {name} has not come for too long: the alerting may be broken; automatic actions are frozen"
            if frozen
            else f"the alert {name} comes again; automatic actions go on"
        )

        def tell(rows: Rows) -> None:
            events.add(rows, "frozen" if frozen else "thawed", says, at=now)
            notice = Notice(
                key=f"watchdog/{now.isoformat()}",
                incident="",
                kind="frozen" if frozen else "thawed",
                severity=Severity.CRITICAL if frozen else Severity.INFO,
                message={"title": "alerting", "says": says, "next_steps": ["look at Prometheus and Alertmanager"]},
                created_at=now,
            )
            outbox.put(rows, notice, wakes=bool(self._settings().notify.channels))

        await self._store.write(tell, tell=("events",))
        log.warning(says)


def figures(poller: Poller, *, busy: int) -> dict[str, object]:
    """Return what the poller has done since the last call, for the heartbeat."""
    late = sorted(poller.lateness)
    poller.lateness.clear()
    return {
        "targets": len(poller.sightings),
        "polls": poller.polls,
        "responses": busy,
        "lateness_p99_seconds": round(late[int(len(late) * 0.99)], 3) if late else 0.0,
    }


def rss() -> int:
    """Return this process's resident memory in bytes (Linux, /proc/self/statm)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
