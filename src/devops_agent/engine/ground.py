"""The ground on which alerts are judged: who is who, how alerts group, what is in maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devops_agent.engine.correlate import Grouping
from devops_agent.model.control import Silence
from devops_agent.model.directory import Directory
from devops_agent.model.maintenance import last_beginning, parse_cron

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from devops_agent.config.settings import Maintenance, Settings
    from devops_agent.model.target import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """All that taking in alerts needs to know beside the rows; built anew when settings or targets change."""

    directory: Directory
    grouping: Grouping
    maintenance: tuple[Maintenance, ...]
    watchdog: str
    """Name of the alert that always fires."""
    version: str

    def windows(self, now: datetime) -> list[Silence]:
        """Return the maintenance windows that are open, as silences."""
        return [silence for window in self.maintenance for silence in _silences(window, now)]


def ground_of(settings: Settings, *, discovered: Iterable[Target], version: str) -> Ground:
    """Return the ground for these settings and the targets that were found beside those configured."""
    configured = {target.name for target in settings.targets}
    refs = {(target.via, target.ref) for target in settings.targets}
    found = [t for t in discovered if t.name not in configured and (t.via, t.ref) not in refs]
    return Ground(
        directory=Directory((*settings.targets, *found), order=settings.alerting.service_labels),
        grouping=Grouping(window=settings.alerting.group_window, self_alerts=settings.alerting.self_alerts),
        maintenance=settings.maintenance,
        watchdog=settings.watchdog.alertname,
        version=version,
    )


def _silences(window: Maintenance, now: datetime) -> list[Silence]:
    opened = last_beginning(parse_cron(window.cron), now=now, within=window.lasts)
    if opened is None:
        return []
    return [
        Silence(
            id="maintenance",
            matchers={"target": pattern},
            by="config",
            comment=window.reason,
            begins_at=opened,
            ends_at=opened + window.lasts,
        )
        for pattern in window.targets
    ]
