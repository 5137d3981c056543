"""Incidents: what happened, why, and what people say to it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from devops_agent.engine import commands
from devops_agent.model.decision import Answer
from devops_agent.model.incident import Incident
from devops_agent.model.story import Story, tell
from devops_agent.store import alerts, approvals, attempts, events, evidence, incidents, insights
from devops_agent.store.rows import Rows
from devops_agent.web import bodies, causes, schemas
from devops_agent.web.asking import DeskOf, Operator, needs, problems
from devops_agent.web.problem import ProblemError

router = APIRouter(prefix="/api/v1", tags=["incidents"])

IncidentId = Annotated[str, Path(pattern=r"^INC-[1-9][0-9]{0,17}$", examples=["INC-17"])]
ApprovalId = Annotated[str, Path(pattern=r"^APR-[1-9][0-9]{0,17}$", examples=["APR-4"])]
Cursor = Annotated[
    str, Query(pattern=r"^[0-9]{0,18}$", description="`next` of the answer before; empty: from the start")
]
Limit = Annotated[int, Query(ge=1, le=500)]
Word = Annotated[str, Query(max_length=253)]
StatusAsked = Literal[
    "", "unresolved", "open", "investigating", "awaiting_approval", "remediating", "verifying", "escalated", "resolved"
]
NEWEST = 2**62


@router.get("/incidents", responses=problems(), dependencies=[needs("read")])
async def list_(  # noqa: PLR0913, PLR0917 — what may be asked for
    desk: DeskOf,
    status: StatusAsked = "",
    target: Word = "",
    severity: Literal["", "critical", "warning", "info", "none"] = "",
    kind: Annotated[str, Query(max_length=253, description="fault class")] = "",
    text: Annotated[str, Query(max_length=253, description="part of title, reason, target or id, in any case")] = "",
    cursor: Cursor = "",
    limit: Limit = 50,
) -> schemas.Page[schemas.Incident]:
    """List incidents, newest first: all, or those that are as asked."""
    sought = incidents.Sought(status=status, target=target, severity=severity, kind=kind, text=text)
    before = int(cursor or NEWEST)
    found = await desk.read(lambda rows: incidents.search(rows, sought, before=before, limit=limit + 1))
    items = [schemas.Incident.model_validate(one) for one in found[:limit]]
    more = len(found) > limit
    return schemas.Page(items=items, next=items[-1].id.removeprefix("INC-") if more else None)


@router.get("/incidents/{incident}", responses=problems(404), dependencies=[needs("read")])
async def get(desk: DeskOf, incident: IncidentId) -> schemas.Incident:
    """Show an incident."""
    return schemas.Incident.model_validate(await desk.read(lambda rows: _known(rows, incident)))


@router.get("/incidents/{incident}/story", responses=problems(404), dependencies=[needs("read")])
async def story(desk: DeskOf, incident: IncidentId) -> schemas.Story:
    """Tell an incident in a few plain sentences: what happened, why, what was done, what is asked of people."""
    now = desk.parts.clock.now()

    def read(rows: Rows) -> Story:
        found = _known(rows, incident)
        tried, asked = attempts.of_incident(rows, incident), approvals.of_incident(rows, incident)
        diagnosis = events.diagnosed(rows, incident, tried)
        return tell(found, diagnosis=diagnosis, attempts=tried, questions=asked, now=now)

    return schemas.Story.model_validate(await desk.read(read))


@router.get("/incidents/{incident}/timeline", responses=problems(404), dependencies=[needs("read")])
async def timeline(
    desk: DeskOf, incident: IncidentId, cursor: Cursor = "", limit: Limit = 200
) -> schemas.Page[schemas.Event]:
    """Tell everything that happened in an incident, in order."""

    def read(rows: Rows) -> list[schemas.Event]:
        _known(rows, incident)
        found = events.of_incident(rows, incident, after=int(cursor or 0), limit=limit + 1)
        return [schemas.Event.model_validate(one) for one in found]

    found = await desk.read(read)
    more = len(found) > limit
    return schemas.Page(items=found[:limit], next=str(found[limit - 1].seq) if more else None)


@router.get("/incidents/{incident}/evidence", responses=problems(404), dependencies=[needs("read")])
async def seen(desk: DeskOf, incident: IncidentId) -> schemas.Page[schemas.Evidence]:
    """List what was seen, oldest first."""

    def read(rows: Rows) -> list[schemas.Evidence]:
        _known(rows, incident)
        return [schemas.Evidence.model_validate(one) for one in evidence.of_incident(rows, incident)]

    return schemas.Page(items=await desk.read(read))


@router.get("/incidents/{incident}/causes", responses=problems(404), dependencies=[needs("read")])
async def explained(desk: DeskOf, incident: IncidentId) -> causes.Causes:
    """Tell what is likely wrong, how sure that is, and which evidence it rests on."""

    def read(rows: Rows) -> causes.Causes:
        _known(rows, incident)
        made = events.diagnosed(rows, incident, attempts.of_incident(rows, incident))
        found = insights.get(rows, incident)
        return causes.Causes(
            diagnosis=[causes.Hypothesis.model_validate(one) for one in made.hypotheses] if made else [],
            insight=causes.Insight.model_validate(found) if found else None,
        )

    return await desk.read(read)


@router.get("/incidents/{incident}/alerts", responses=problems(404), dependencies=[needs("read")])
async def joined(desk: DeskOf, incident: IncidentId) -> schemas.Page[schemas.Alert]:
    """List the alerts that make it up, firing ones first."""

    def read(rows: Rows) -> list[schemas.Alert]:
        _known(rows, incident)
        return [schemas.Alert.model_validate(one) for one in alerts.of_incident(rows, incident)]

    return schemas.Page(items=await desk.read(read))


@router.get("/incidents/{incident}/attempts", responses=problems(404), dependencies=[needs("read")])
async def attempted(desk: DeskOf, incident: IncidentId) -> schemas.Page[schemas.Attempt]:
    """List the plans that were decided on, oldest first, each with what every rule of the guard said."""

    def read(rows: Rows) -> list[schemas.Attempt]:
        _known(rows, incident)
        return [schemas.Attempt.model_validate(one) for one in attempts.of_incident(rows, incident)]

    return schemas.Page(items=await desk.read(read))


@router.post("/incidents/{incident}/guide", responses=problems(404, 409))
async def guide(desk: DeskOf, incident: IncidentId, asked: bodies.GuideAsked, once: Operator) -> schemas.Incident:
    """Say which runbook to use; the guard still decides on the plan."""
    known = sorted(runbook.name for runbook in desk.parts.runbooks())
    if asked.runbook not in known:
        raise ProblemError(
            404, f"no runbook {asked.runbook!r}; known: {', '.join(known) or 'none'}", more={"known": known}
        )
    now = desk.parts.clock.now()
    guided = await desk.command(
        lambda rows: commands.guide(rows, incident, runbook=asked.runbook, by=once.by, comment=asked.comment, now=now),
        once=once,
    )
    return schemas.Incident.model_validate(guided)


@router.post("/incidents/{incident}/resolve", responses=problems(404, 409))
async def resolve(desk: DeskOf, incident: IncidentId, asked: bodies.ResolveAsked, once: Operator) -> schemas.Incident:
    """Close an incident by hand."""
    now = desk.parts.clock.now()
    closed = await desk.command(
        lambda rows: commands.resolve(rows, incident, by=once.by, comment=asked.comment, now=now), once=once
    )
    return schemas.Incident.model_validate(closed)


@router.get("/approvals", responses=problems(), dependencies=[needs("read")])
async def questions(
    desk: DeskOf,
    waiting: Annotated[bool, Query(description="only those that wait for an answer")] = True,  # noqa: FBT002 — a query
    limit: Limit = 100,
) -> schemas.Page[schemas.Approval]:
    """List approvals."""
    found = await desk.read(lambda rows: approvals.pending(rows) if waiting else approvals.latest(rows, limit=limit))
    return schemas.Page(items=[schemas.Approval.model_validate(one) for one in found[:limit]])


@router.get("/approvals/{approval}", responses=problems(404), dependencies=[needs("read")])
async def question(desk: DeskOf, approval: ApprovalId) -> schemas.ApprovalInFull:
    """Show an approval with the plan that it is about."""

    def read(rows: Rows) -> schemas.ApprovalInFull:
        asked = approvals.get(rows, approval)
        if asked is None:
            raise _no_approval(approval)
        plans = [one.plan for one in attempts.of_incident(rows, asked.incident) if one.plan.digest == asked.digest]
        return schemas.ApprovalInFull(
            **schemas.Approval.model_validate(asked).model_dump(),
            plan=schemas.Plan.model_validate(plans[-1]) if plans else None,
        )

    return await desk.read(read)


@router.post("/approvals/{approval}/approve", responses=problems(404, 409))
async def approve(desk: DeskOf, approval: ApprovalId, asked: bodies.AnswerAsked, once: Operator) -> schemas.Approval:
    """Let exactly the plan with this digest be carried out."""
    return await _answer(desk, approval, Answer.APPROVED, asked, once)


@router.post("/approvals/{approval}/deny", responses=problems(404, 409))
async def deny(desk: DeskOf, approval: ApprovalId, asked: bodies.AnswerAsked, once: Operator) -> schemas.Approval:
    """Refuse the plan with this digest."""
    return await _answer(desk, approval, Answer.DENIED, asked, once)


async def _answer(
    desk: DeskOf, approval: str, given: Answer, asked: bodies.AnswerAsked, once: Operator
) -> schemas.Approval:
    now = desk.parts.clock.now()

    def work(rows: Rows) -> schemas.Approval:
        check_digest(rows, approval, asked.digest)
        answered = commands.answer(rows, approval, given, by=once.by, comment=asked.comment, now=now)
        return schemas.Approval.model_validate(answered)

    return await desk.command(work, once=once)


def check_digest(rows: Rows, approval: str, digest: str) -> None:
    """See that the plan which was looked at is the one that is asked about.

    Raises:
        ProblemError: 404 no such approval, 409 the plan is another.

    """
    asked = approvals.get(rows, approval)
    if asked is None:
        raise _no_approval(approval)
    if asked.digest != digest:
        raise ProblemError(
            409,
            f"The plan has changed since you looked at it, so nothing was answered: {approval} is about another plan"
            f" (digest {asked.digest}). Look at it again before you answer.",
        )


def _no_approval(id_: str) -> ProblemError:
    return ProblemError(404, f"no approval {id_!r}; GET /api/v1/approvals lists those that wait")


def _known(rows: Rows, id_: str) -> Incident:
    found = incidents.get(rows, id_)
    if found is None:
        raise ProblemError(404, f"no incident {id_!r}; GET /api/v1/incidents lists them")
    return found
