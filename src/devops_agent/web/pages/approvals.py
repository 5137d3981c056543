"""The inbox of questions: what waits for a person, the oldest first, and what was answered lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from devops_agent.model.decision import Answer
from devops_agent.store import approvals, attempts
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.attempt import Attempt
    from devops_agent.model.decision import Approval
    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)

_SHOWN = 50
_LATELY = 30


@router.get("/approvals")
async def approvals_(request: Request, desk: DeskOf) -> Response:
    """Show what waits for an answer, each with its plan."""

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        waiting = [asked for asked in approvals.pending(rows) if asked.expires_at > now]
        lately = [asked for asked in approvals.latest(rows, limit=_SHOWN) if asked.answer is not Answer.PENDING]
        return {
            "questions": [(asked, plan_of(rows, asked)) for asked in waiting[:_SHOWN]],
            "every": len(waiting),
            "lately": lately[:_LATELY],
        }

    return await show(request, desk, "approvals", read)


def plan_of(rows: Rows, asked: Approval) -> Attempt | None:
    """Return the attempt whose plan is asked about; None when it is not kept any more."""
    made = [one for one in attempts.of_incident(rows, asked.incident) if one.plan.digest == asked.digest]
    return made[-1] if made else None
