"""What is known from closed incidents: those alike, drafts of runbooks, proposals of permanent fixes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Path, Query

from devops_agent.engine import drafts
from devops_agent.model.knowledge import Draft, Similar, Standing
from devops_agent.store import incidents, knowledge
from devops_agent.store.rows import Rows
from devops_agent.web import bodies, knowing
from devops_agent.web.api.catalogue import runbook_shape
from devops_agent.web.api.incidents import IncidentId
from devops_agent.web.asking import DeskOf, Operator, needs, problems
from devops_agent.web.problem import ProblemError
from devops_agent.web.schemas import Page

router = APIRouter(prefix="/api/v1", tags=["knowledge"])

DraftName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$", examples=["memory-pressure-docker-restart"])]


@router.get("/incidents/{incident}/similar", responses=problems(404), dependencies=[needs("read")])
async def similar(
    desk: DeskOf, incident: IncidentId, limit: Annotated[int, Query(ge=1, le=50)] = 5
) -> Page[knowing.Similar]:
    """List closed incidents like this one, the most alike first; none until a worker has looked at it."""

    def read(rows: Rows) -> list[Similar]:
        if incidents.get(rows, incident) is None:
            raise ProblemError(404, f"no incident {incident!r}; GET /api/v1/incidents lists them")
        document = knowledge.get(rows, incident)
        if document is None:
            return []
        return knowledge.like(rows, document.vector, model=document.model, limit=limit, besides=incident)

    return Page(items=[knowing.Similar.model_validate(one) for one in await desk.read(read)])


@router.get("/drafts", responses=problems(), dependencies=[needs("read")])
async def list_drafts(
    desk: DeskOf, standing: Literal["", "waiting", "accepted", "rejected"] = "waiting"
) -> Page[knowing.Draft]:
    """List runbooks drafted from what people did with success; `devops-agent draft accept` takes one into use."""
    found = await desk.read(lambda rows: knowledge.drafts(rows, standing=standing))
    return Page(items=[draft_shape(one) for one in found])


@router.get("/drafts/{draft}", responses=problems(404), dependencies=[needs("read")])
async def show_draft(desk: DeskOf, draft: DraftName) -> knowing.Draft:
    """Show a drafted runbook with the incidents that it rests on."""
    found = await desk.read(lambda rows: knowledge.draft(rows, draft))
    if found is None:
        raise ProblemError(404, f"no draft {draft!r}; GET /api/v1/drafts lists those that wait")
    return draft_shape(found)


@router.post("/drafts/{draft}/reject", responses=problems(404, 409))
async def reject_draft(desk: DeskOf, draft: DraftName, asked: bodies.RejectAsked, once: Operator) -> knowing.Draft:
    """Reject a draft; the same one is not made again."""
    now = desk.parts.clock.now()
    rejected = await desk.command(
        lambda rows: drafts.answer(rows, draft, Standing.REJECTED, by=once.by, comment=asked.comment, now=now),
        once=once,
    )
    return draft_shape(rejected)


@router.get("/proposals", responses=problems(), dependencies=[needs("read")])
async def list_proposals(desk: DeskOf) -> Page[knowing.Proposal]:
    """List what recurs, by which rhythm, and what would end it for good, the newest first."""
    found = await desk.read(knowledge.proposals)
    return Page(items=[knowing.Proposal.model_validate(one) for one in found])


def draft_shape(draft: Draft) -> knowing.Draft:
    """Return a draft's shape."""
    parts = msgspec.structs.asdict(draft)
    return knowing.Draft.model_validate({**parts, "runbook": runbook_shape(draft.runbook)})
