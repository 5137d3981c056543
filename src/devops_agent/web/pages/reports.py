"""Reports, objectives and their budgets, what was done, and post-mortems, to be read and taken along."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from markupsafe import Markup

from devops_agent.analysis import changelog, paper, postmortem, report
from devops_agent.engine import aftermath, objectives, reporting
from devops_agent.model import clockface, period
from devops_agent.store import changes, reports, targets
from devops_agent.web.api.reports import span, written
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.incidents import Day, moment
from devops_agent.web.pages.shell import show
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from devops_agent.analysis.paper import Paper
    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

router = APIRouter(include_in_schema=False, default_response_class=Response)

Form = Annotated[Literal["", "markdown", "html"], Query(alias="format")]
Kind = Annotated[Literal["daily", "weekly", "monthly"], Path()]
_WEEK = timedelta(days=7)
_SHOWN = 60


@router.get("/reports")
async def reports_(request: Request, desk: DeskOf) -> Response:
    """List the reports that there are, and how targets stand against their objectives."""
    settings = desk.parts.settings()
    where = clockface.zone(settings.reports.time_zone)

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        return {
            "last": [period.last_whole(kind, now=now, where=where) for kind in period.KINDS],
            "kept": reports.latest(rows, limit=_SHOWN),
            "standings": objectives.standings(rows, [one.target for one in targets.all_(rows)], now=now),
            "told": settings.reports,
            "share": report.share,
            "span": report.span,
        }

    return await show(request, desk, "reports", read)


@router.get("/reports/changes")
async def changes_(
    request: Request,
    desk: DeskOf,
    since: Annotated[Day, Query()] = "",
    until: Annotated[Day, Query()] = "",
    form: Form = "",
) -> Response:
    """Show everything that was done, of the last week unless another time is asked for."""
    begin, end = span(moment(since), moment(until), now=desk.parts.clock.now(), last=_WEEK)

    def make(rows: Rows, _: datetime) -> Paper:
        url = _way_here(desk, form)
        return changelog.paper_of(changes.done(rows, begin=begin, end=end), begin=begin, end=end, url=url)

    given = {"since": f"{begin:%Y-%m-%d}", "until": f"{end:%Y-%m-%d}"}
    return await _show_paper(
        request, desk, make, form, file=f"changes-{begin:%Y-%m-%d}", crumb="Change log", span=given
    )


@router.get("/reports/{kind}")
async def last_report(request: Request, desk: DeskOf, kind: Kind, form: Form = "") -> Response:
    """Show the report of the last day, week or month that is over."""
    return await _show_report(request, desk, kind, "", form)


@router.get("/reports/{kind}/{name}")
async def report_(
    request: Request, desk: DeskOf, kind: Kind, name: Annotated[str, Path(max_length=20)], form: Form = ""
) -> Response:
    """Show a report as it was made when its time had come, else one that is made now."""
    return await _show_report(request, desk, kind, name, form)


@router.get("/incidents/{incident}/post-mortem")
async def post_mortem(request: Request, desk: DeskOf, incident: str, form: Form = "") -> Response:
    """Show the draft of an incident's post-mortem."""
    settings = desk.parts.settings()

    def make(rows: Rows, now: datetime) -> Paper:
        found = aftermath.post_mortem(rows, incident, now=now)
        return postmortem.paper_of(found, time_zone=settings.reports.time_zone, url=_way_here(desk, form))

    return await _show_paper(
        request, desk, make, form, file=f"post-mortem-{incident}", crumb="Post-mortem", of=incident
    )


def _way_here(desk: Desk, form: str) -> str | None:
    """Return what links begin with: nothing on the page itself; in what is saved, the address if it is known."""
    return desk.parts.settings().web.public_url.rstrip("/") or None if form else ""


async def _show_report(request: Request, desk: Desk, kind: str, name: str, form: str) -> Response:
    settings, now = desk.parts.settings(), desk.parts.clock.now()
    where = clockface.zone(settings.reports.time_zone)
    try:
        wanted = period.named(kind, name, where=where) if name else period.last_whole(kind, now=now, where=where)
    except ValueError as error:
        raise ProblemError(422, str(error)) from error

    def make(rows: Rows, now: datetime) -> Paper:
        return report.paper_of(reporting.find(rows, wanted, settings=settings, now=now), url=_way_here(desk, form))

    return await _show_paper(request, desk, make, form, file=f"report-{kind}-{wanted.name}", crumb=wanted.name)


async def _show_paper(  # noqa: PLR0913 — a page of these parts
    request: Request,
    desk: Desk,
    make: Callable[[Rows, datetime], Paper],
    form: str,
    *,
    file: str,
    crumb: str,
    of: str = "",
    span: dict[str, str] | None = None,
) -> Response:
    """Show a paper within the page, or give it to be saved as Markdown or as a page of HTML of its own."""
    if form:
        viewer = await desk.gate.viewer(request)
        desk.count(viewer.token.id)
        now = desk.parts.clock.now()
        return written(await desk.read(lambda rows: make(rows, now)), form, file=file)

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        told = make(rows, now)
        # Escaped by its own template, in which every text from outside is only text.
        body = Markup(paper.fragment(told))  # noqa: S704
        return {"paper": body, "name": told.title, "crumb": crumb, "of": of, "span": span}

    return await show(request, desk, "paper", read)
