"""Report: makes the reports that are due, keeps each, and has people told, all in one transaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devops_agent.analysis import paper, report
from devops_agent.durable.dispatch import Job
from devops_agent.engine import calendar, reporting
from devops_agent.model import clockface
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Notice
from devops_agent.model.period import named
from devops_agent.model.report import Report
from devops_agent.store import events, outbox, reports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devops_agent.config.settings import Settings
    from devops_agent.durable.journal import Run
    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows
    from devops_agent.store.runs import Claim

log = logging.getLogger("devops_agent.report")


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that making reports needs."""

    store: Store
    clock: Clock
    settings: Callable[[], Settings]


def jobs(desk: Desk) -> Mapping[str, Job]:
    """Return what is done with the runs of the queue."""

    def give_up(rows: Rows, claim: Claim, says: str) -> None:
        told = f"the report {claim.key} cannot be made: {says}"
        events.add(rows, "report_failed", told, at=desk.clock.now(), report=claim.key)
        log.error("cannot make a report", extra={"report": claim.key, "error": says, "run": claim.id})

    return {calendar.JOB: Job(do=lambda run: _make(run, desk), give_up=give_up)}


async def _make(run: Run, desk: Desk) -> None:
    """Make the report whose period the run's key names, unless it is there already."""
    settings, now = desk.settings(), desk.clock.now()
    kind, _, name = run.key.partition("/")
    period = named(kind, name, where=clockface.zone(settings.reports.time_zone))

    def read(rows: Rows) -> Report | None:
        return None if reports.is_made(rows, period) else reporting.make(rows, period, settings=settings, now=now)

    made = await desk.store.read(read)
    if made is None:
        return
    notice = notice_of(made, settings=settings)

    def keep(rows: Rows) -> bool:
        if not reports.keep(rows, made):
            return False
        outbox.put(rows, notice, wakes=bool(settings.reports.tell))
        events.add(rows, "report", f"the {period.kind} report {period.name} was made", at=now, report=period.key)
        return True

    if await desk.store.write(keep, tell=("events", outbox.QUEUE)):
        log.info("report made", extra={"report": period.key})


def notice_of(made: Report, *, settings: Settings) -> Notice:
    """Return the notice that brings a report to people; in short, and whole in Markdown and HTML."""
    url = settings.web.public_url.rstrip("/")
    told = report.paper_of(made, url=url or None)
    return Notice(
        key=f"report/{made.period.key}",
        incident="",
        kind="report",
        severity=Severity.INFO,
        message={
            "title": told.title,
            "says": report.in_short(made),
            "tell": list(settings.reports.tell),
            "links": {"report": f"{url}/reports/{made.period.key}"},
            "body_text": paper.markdown(told),
            "body_html": paper.html(told),
        },
        created_at=made.made_at,
    )
