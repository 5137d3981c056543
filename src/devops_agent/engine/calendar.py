"""The calendar: which reports are due by the settings, and having each made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model import clockface
from devops_agent.model.period import KINDS, Period, last_whole
from devops_agent.store import reports, runs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.store.rows import Rows

QUEUE = "report"
"""The queue, and the topic, of reports that are due."""
JOB = "report"


def due(settings: Settings, *, now: datetime) -> list[Period]:
    """Return for each kind of report that is sent the last period whose time to be told has come.

    The clock is that of the reports' time zone: 07:30 stays 07:30 when the clocks change.
    """
    where = clockface.zone(settings.reports.time_zone)
    found = []
    for kind in KINDS:
        if at := getattr(settings.reports, kind):
            told_at = clockface.last_time(clockface.parse_moment(at), now, where=where)
            found.append(last_whole(kind, now=told_at, where=where))
    return found


def schedule(rows: Rows, periods: Iterable[Period], *, now: datetime, version: str) -> list[Period]:
    """Have the reports of these periods made, each once ever; return those that are to be made now.

    One that was missed while nothing ran is made late; one of a time of which nothing is known is not made.
    """
    known = reports.begun_at(rows)
    wanted = [
        period
        for period in periods
        if known is not None
        and known < period.end
        and not reports.is_made(rows, period)
        and not runs.ever(rows, QUEUE, period.key)
    ]
    for period in wanted:
        runs.enqueue(rows, QUEUE, JOB, key=period.key, now=now, version=version)
    return wanted
