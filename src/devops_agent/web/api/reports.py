"""What is told over time: a target's history, objectives and their error budgets, reports, what was done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from devops_agent.analysis import changelog, paper, postmortem, report
from devops_agent.engine import aftermath, objectives, reporting
from devops_agent.model import clockface, period
from devops_agent.store import changes, readings, reports, targets
from devops_agent.web import reported
from devops_agent.web.api.incidents import IncidentId
from devops_agent.web.asking import DeskOf, needs, problems
from devops_agent.web.problem import ProblemError
from devops_agent.web.schemas import Page

if TYPE_CHECKING:
    from pydantic import BaseModel

    from devops_agent.model.slo import Standing
    from devops_agent.store.rows import Rows

router = APIRouter(prefix="/api/v1", tags=["reports"])

_LAST = timedelta(hours=24)
_WEEK = timedelta(days=7)
Form = Annotated[Literal["json", "markdown", "html"], Query(alias="format")]
Name = Annotated[str, Query(max_length=20, description="`2026-11-20`, `2026-W47` or `2026-11`; else the last one")]
_FORMS: dict[str, Any] = {
    "description": "As JSON, as Markdown, or as a page of HTML that needs nothing from outside",
    "content": {"text/markdown": {"schema": {"type": "string"}}, "text/html": {"schema": {"type": "string"}}},
}
Moment = Annotated[datetime | None, Query(description="ISO 8601; without an offset UTC is meant")]


@router.get("/targets/{name}/history", responses=problems(404), dependencies=[needs("read")])
async def history(
    desk: DeskOf,
    name: str,
    since: Moment = None,
    until: Moment = None,
    points: Annotated[int, Query(ge=1, le=1_000)] = 300,
) -> reported.History:
    """Tell how a target was over time: without `since` over the last day, in the finest buckets that are still kept."""
    begin, end = span(since, until, now=desk.parts.clock.now(), last=_LAST)
    found = await desk.read(lambda rows: readings.history(rows, name, begin=begin, end=end, limit=points))
    if not found and await desk.read(lambda rows: targets.get(rows, name)) is None:
        raise ProblemError(404, f"no target {name!r} and nothing kept of one; `devops-agent targets` lists those known")
    buckets = [reported.Bucket.model_validate(bucket) for bucket in found]
    return reported.History(target=name, begin=begin, end=end, buckets=buckets)


@router.get("/slo", responses=problems(), dependencies=[needs("read")])
async def objectives_of_targets(desk: DeskOf) -> Page[reported.Standing]:
    """Tell how each target that has an objective stands against it: availability, error budget, burn rates."""
    now = desk.parts.clock.now()

    def read(rows: Rows) -> list[Standing]:
        return objectives.standings(rows, [one.target for one in targets.all_(rows)], now=now)

    return Page(items=[reported.standing_of(one) for one in await desk.read(read)])


@router.get("/reports", responses=problems(), dependencies=[needs("read")])
async def list_reports(desk: DeskOf, kind: Literal["", "daily", "weekly", "monthly"] = "") -> Page[reported.Made]:
    """List the reports that were made when their time had come, the newest first."""
    found = await desk.read(lambda rows: reports.latest(rows, kind=kind))
    return Page(items=[reported.Made.model_validate(one) for one in found])


@router.get(
    "/reports/{kind}",
    response_model=reported.Report,
    responses={**problems(), 200: _FORMS},
    dependencies=[needs("read")],
)
async def report_of(
    desk: DeskOf,
    kind: Literal["daily", "weekly", "monthly", "custom"],
    name: Name = "",
    since: Moment = None,
    until: Moment = None,
    form: Form = "json",
) -> Response:
    """Tell a period: the one that is named, else the last that is over; `custom` takes `since` and `until`.

    One that was made when its time had come is told as it was made then; any other is made now, and not kept.
    """
    settings, now = desk.parts.settings(), desk.parts.clock.now()
    try:
        where = clockface.zone(settings.reports.time_zone)
        if kind == "custom":
            wanted = period.custom(*span(since, until, now=now, last=_WEEK))
        elif name:
            wanted = period.named(kind, name, where=where)
        else:
            wanted = period.last_whole(kind, now=now, where=where)
    except ValueError as error:
        raise ProblemError(422, str(error)) from error
    made = await desk.read(lambda rows: reporting.find(rows, wanted, settings=settings, now=now))
    if form == "json":
        return _json(reported.Report.model_validate(made))
    url = settings.web.public_url.rstrip("/") or None
    return written(report.paper_of(made, url=url), form, file=f"report-{kind}-{made.period.begin:%Y-%m-%d}")


@router.get(
    "/incidents/{incident}/postmortem",
    response_model=reported.PostMortem,
    responses={**problems(404), 200: _FORMS},
    dependencies=[needs("read")],
)
async def post_mortem(desk: DeskOf, incident: IncidentId, form: Form = "json") -> Response:
    """Draft the post-mortem of an incident from what is kept of it."""
    settings, now = desk.parts.settings(), desk.parts.clock.now()
    found = await desk.read(lambda rows: aftermath.post_mortem(rows, incident, now=now))
    if form == "json":
        return _json(reported.PostMortem.model_validate(found))
    url = settings.web.public_url.rstrip("/") or None
    told = postmortem.paper_of(found, time_zone=settings.reports.time_zone, url=url)
    return written(told, form, file=f"post-mortem-{incident}")


@router.get(
    "/changes",
    response_model=reported.Changes,
    responses={**problems(), 200: _FORMS},
    dependencies=[needs("read")],
)
async def log_of_changes(desk: DeskOf, since: Moment = None, until: Moment = None, form: Form = "json") -> Response:
    """Tell everything that was done, by whom, why, with what result and how it is taken back; else of the last week."""
    begin, end = span(since, until, now=desk.parts.clock.now(), last=_WEEK)
    done = await desk.read(lambda rows: changes.done(rows, begin=begin, end=end))
    if form == "json":
        shapes = [reported.Change.model_validate(one) for one in done]
        return _json(reported.Changes(begin=begin, end=end, changes=shapes))
    url = desk.parts.settings().web.public_url.rstrip("/") or None
    return written(changelog.paper_of(done, begin=begin, end=end, url=url), form, file=f"changes-{begin:%Y-%m-%d}")


def span(
    since: datetime | None, until: datetime | None, *, now: datetime, last: timedelta
) -> tuple[datetime, datetime]:
    """Return (begin, end) in UTC of the time that is asked for.

    Raises:
        ProblemError: 422, it ends before it begins.

    """
    try:
        end = now if until is None else _utc(until)
        begin = end - last if since is None else _utc(since)
    except OverflowError as error:
        raise ProblemError(422, "cannot tell of that time: it lies outside of the calendar") from error
    if begin >= end:
        raise ProblemError(422, f"cannot tell of a time that ends ({end:%FT%TZ}) before it begins ({begin:%FT%TZ})")
    return begin, end


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _json(shape: BaseModel) -> Response:
    return Response(shape.model_dump_json(), media_type="application/json")


def written(told: paper.Paper, form: str, *, file: str) -> Response:
    """Return a paper as text. HTML is for saving: it brings its own style, which no page served here may."""
    if form == "markdown":
        return Response(paper.markdown(told), media_type="text/markdown")
    headers = {"Content-Disposition": f'attachment; filename="{file}.html"'}
    return Response(paper.html(told), media_type="text/html", headers=headers)
