"""The record: alerts, the audit log and its proof, notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query

from devops_agent.store import alerts, deliveries, events, outbox
from devops_agent.web import schemas
from devops_agent.web.api.incidents import NEWEST, Cursor, Limit, Word
from devops_agent.web.asking import Desk, DeskOf, needs, problems

if TYPE_CHECKING:
    from devops_agent.model.notice import Delivery, Notice
    from devops_agent.store.rows import Rows

router = APIRouter(prefix="/api/v1", tags=["record"])

_LINKS_AT_ONCE = 2_000


@router.get("/alerts", responses=problems(), dependencies=[needs("read")])
async def received(desk: DeskOf, limit: Limit = 100) -> schemas.Page[schemas.AlertReceived]:
    """List the alerts received last, newest first."""
    found = await desk.read(lambda rows: alerts.latest(rows, limit=limit))
    return schemas.Page(
        items=[
            schemas.AlertReceived(**schemas.Alert.model_validate(alert).model_dump(), incident=incident)
            for alert, incident in found
        ]
    )


@router.get("/audit", responses=problems(), dependencies=[needs("read")])
async def audit(  # noqa: PLR0913, PLR0917 — what may be asked for
    desk: DeskOf,
    kind: Word = "",
    actor: Word = "",
    target: Word = "",
    incident: Word = "",
    text: Annotated[str, Query(max_length=253, description="part of what they say, in letters of any case")] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> schemas.Page[schemas.Event]:
    """List events, newest first: all, or those that are as asked."""
    sought = events.Sought(kind=kind, actor=actor, target=target, incident=incident, text=text)
    before = int(cursor or NEWEST)
    found = await desk.read(lambda rows: events.search(rows, sought, before=before, limit=limit + 1))
    items = [schemas.Event.model_validate(one) for one in found[:limit]]
    return schemas.Page(items=items, next=str(items[-1].seq) if len(found) > limit else None)


@router.get("/audit/verify", responses=problems(), dependencies=[needs("read")])
async def verify(desk: DeskOf) -> schemas.AuditProof:
    """Walk the chain of events and tell whether anything was altered, removed or slipped in."""
    return await prove(desk)


async def walk(desk: Desk, walked: events.Walked, *, most: int | None = None) -> events.Walked:
    """Walk the chain of events on, at most `most` events; other requests are served between its parts."""
    end = None if most is None else walked.seq + most
    async with desk.proving:
        while not walked.done and (end is None or walked.seq < end):
            before = walked
            walked = await desk.read(lambda rows: events.walk_on(rows, before, limit=_LINKS_AT_ONCE))  # noqa: B023 — awaited at once
    return walked


async def prove(desk: Desk) -> schemas.AuditProof:
    """Return whether the chain of events holds."""
    walked = await walk(desk, events.Walked())
    if walked.broken is None:
        says = f"all {walked.seq} events are as they were written"
        return schemas.AuditProof(intact=True, events=walked.seq, head=walked.hash, broken_at=None, says=says)
    broken_at, says = walked.broken
    return schemas.AuditProof(intact=False, events=walked.seq, head=walked.hash, broken_at=broken_at, says=says)


@router.get("/outbox", responses=problems(), dependencies=[needs("read")])
async def notices(desk: DeskOf, limit: Limit = 100) -> schemas.Page[schemas.NoticeTold]:
    """List the notices for people, newest first, with what became of each on its channels."""
    found, told = await desk.read(lambda rows: _told(rows, limit))
    return schemas.Page(
        items=[
            schemas.NoticeTold(
                **schemas.Notice.model_validate(one).model_dump(),
                deliveries=[schemas.NoticeDelivery.model_validate(each) for each in told[one.id]],
            )
            for one in found
        ]
    )


def _told(rows: Rows, limit: int) -> tuple[list[Notice], dict[int, list[Delivery]]]:
    found = outbox.latest(rows, limit=limit)
    return found, deliveries.of_notices(rows, [one.id for one in found])
