"""What is told over time: a target's history, objectives and their error budgets, reports, what was done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from devops_agent.store import readings, targets
from devops_agent.web import reported
from devops_agent.web.asking import DeskOf, needs, problems
from devops_agent.web.problem import ProblemError

router = APIRouter(prefix="/api/v1", tags=["reports"])

_LAST = timedelta(hours=24)
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
