"""Who is called, and what they say to it: taken, handed over, muted."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from devops_agent.config.calendars import Calendars
from devops_agent.engine import escalation
from devops_agent.model.clockface import zone
from devops_agent.model.contact import Notify
from devops_agent.model.oncall import coming
from devops_agent.store import escalations, mutes
from devops_agent.web import called, schemas
from devops_agent.web.api.incidents import IncidentId, Limit
from devops_agent.web.asking import DeskOf, Operator, needs, problems

router = APIRouter(prefix="/api/v1", tags=["people"])

MuteId = Annotated[str, Path(pattern=r"^MUT-[1-9][0-9]{0,17}$", examples=["MUT-3"])]
_AHEAD = timedelta(days=14)


@router.post("/incidents/{incident}/acknowledge", responses=problems(404, 409))
async def acknowledge(
    desk: DeskOf, incident: IncidentId, asked: called.AcknowledgeAsked, once: Operator
) -> called.Escalation:
    """Take an incident: nobody else is told of it any more, but for its end."""
    now = desk.parts.clock.now()
    taken = await desk.command(
        lambda rows: escalation.acknowledge(rows, incident, by=once.by, comment=asked.comment, now=now),
        once=once,
        topics=escalation.TOPICS,
    )
    return called.Escalation.model_validate(taken)


@router.post("/incidents/{incident}/handover", responses=problems(404, 409))
async def hand_over(
    desk: DeskOf, incident: IncidentId, asked: called.HandOverAsked, once: Operator
) -> called.Escalation:
    """Give an incident to one person; who does not acknowledge in time loses it to the next rung."""
    now, notify = desk.parts.clock.now(), desk.parts.settings().notify
    handed = await desk.command(
        lambda rows: escalation.hand_over(
            rows, incident, to=asked.to, by=once.by, notify=notify, comment=asked.comment, now=now
        ),
        once=once,
        topics=escalation.TOPICS,
    )
    return called.Escalation.model_validate(handed)


@router.post("/incidents/{incident}/mute", status_code=201, responses=problems(404, 409))
async def mute(desk: DeskOf, incident: IncidentId, asked: called.MuteAsked, once: Operator) -> called.Mute:
    """Keep a person, or all, from being told of an incident for a while; what is still wrong then is told once."""
    now, notify = desk.parts.clock.now(), desk.parts.settings().notify
    made = await desk.command(
        lambda rows: escalation.mute(
            rows,
            incident=incident,
            person=asked.person,
            by=once.by,
            comment=asked.comment,
            until=now + timedelta(hours=asked.hours),
            notify=notify,
            now=now,
        ),
        once=once,
        topics=escalation.TOPICS,
    )
    return called.Mute.model_validate(made)


@router.get("/escalations", responses=problems(), dependencies=[needs("read")])
async def escalations_(
    desk: DeskOf,
    waiting: Annotated[bool, Query(description="only those that wait for a person")] = True,  # noqa: FBT002 — a query
    limit: Limit = 100,
) -> schemas.Page[called.Escalation]:
    """List what needs a person, or needed one."""
    read = escalations.every_living if waiting else escalations.newest
    found = await desk.read(lambda rows: read(rows, limit=limit))
    return schemas.Page(items=[called.Escalation.model_validate(one) for one in found])


@router.post("/escalations/acknowledge", responses=problems(409))
async def acknowledge_all(
    desk: DeskOf, asked: called.AcknowledgeAsked, once: Operator
) -> schemas.Page[called.Escalation]:
    """Take everything that waits for a person: in a storm nobody has the time to take it one by one."""
    now = desk.parts.clock.now()
    taken = await desk.command(
        lambda rows: escalation.acknowledge_all(rows, by=once.by, comment=asked.comment, now=now),
        once=once,
        topics=escalation.TOPICS,
    )
    return schemas.Page(items=[called.Escalation.model_validate(one) for one in taken])


@router.get("/mutes", responses=problems(), dependencies=[needs("read")])
async def mutes_(desk: DeskOf) -> schemas.Page[called.Mute]:
    """List the mutes that hold now."""
    now = desk.parts.clock.now()
    found = await desk.read(lambda rows: mutes.holding(rows, now=now))
    return schemas.Page(items=[called.Mute.model_validate(one) for one in found])


@router.post("/mutes", status_code=201, responses=problems(404, 409))
async def mute_target(desk: DeskOf, asked: called.TargetMuteAsked, once: Operator) -> called.Mute:
    """Keep a person, or all, from being told of a target for a while; what is still wrong then is told once."""
    now, notify = desk.parts.clock.now(), desk.parts.settings().notify
    made = await desk.command(
        lambda rows: escalation.mute(
            rows,
            target=asked.target,
            kind=asked.kind,
            person=asked.person,
            by=once.by,
            comment=asked.comment,
            until=now + timedelta(hours=asked.hours),
            notify=notify,
            now=now,
        ),
        once=once,
        topics=escalation.TOPICS,
    )
    return called.Mute.model_validate(made)


@router.delete("/mutes/{mute}", status_code=204, responses=problems(404))
async def unmute(desk: DeskOf, mute: MuteId, once: Operator) -> None:
    """End a mute; what is still wrong is then told once."""
    now = desk.parts.clock.now()
    await desk.command(
        lambda rows: escalation.unmute(rows, mute, by=once.by, now=now), once=once, topics=escalation.TOPICS
    )


@router.get("/oncall", responses=problems(), dependencies=[needs("read")])
async def on_call(desk: DeskOf) -> schemas.Page[called.OnCall]:
    """Tell who is on call by each schedule, now and for two weeks."""
    notify, now = desk.parts.settings().notify, desk.parts.clock.now()
    # Files are read and parsed outside of the loop, once for all who ask: a large calendar takes a while.
    async with desk.reading:
        calendars = desk.calendars_of(notify)
        return schemas.Page(items=await asyncio.to_thread(_on_call, calendars, notify, now))


def _on_call(calendars: Calendars, notify: Notify, now: datetime) -> list[called.OnCall]:
    found = []
    for schedule in notify.schedules:
        duties = calendars.duties(schedule, notify, now)
        turns = coming(schedule, now, where=zone(notify.time_zone), calendar=duties, until=now + _AHEAD)
        on = turns[0] if turns and turns[0].begins_at <= now < turns[0].ends_at else None
        found.append(
            called.OnCall(
                schedule=schedule.name,
                person=on.person if on else "",
                trouble=calendars.troubles(notify).get(schedule.name, ""),
                turns=[called.Turn.model_validate(turn) for turn in turns],
            )
        )
    return found
