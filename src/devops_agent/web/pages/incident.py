"""An incident with its whole story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from devops_agent.model.event import last_diagnosis
from devops_agent.store import alerts, approvals, attempts, events, evidence, incidents, insights, targets
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/incidents/{incident}")
async def incident_(request: Request, desk: DeskOf, incident: str) -> Response:
    """Show an incident with its whole story."""

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        one = incidents.get(rows, incident)
        if one is None:
            raise ProblemError(404, f"There is no incident {incident}.")
        made = attempts.of_incident(rows, one.id)
        firing, every = alerts.counts(rows, one.id)
        told = events.of_incident(rows, one.id)
        return {
            "one": one,
            "sighting": targets.get(rows, one.target),
            "told": told,
            "diagnosis": last_diagnosis(told),
            "insight": insights.get(rows, one.id),
            "attempts": made,
            "plans": {attempt.plan.digest: attempt.plan for attempt in made},
            "questions": approvals.of_incident(rows, one.id),
            "evidence": evidence.of_incident(rows, one.id),
            "alerts": alerts.of_incident(rows, one.id, limit=50),
            "firing": firing,
            "every": every,
            "runbooks": sorted(desk.parts.runbooks(), key=lambda runbook: runbook.name),
        }

    return await show(request, desk, "incident", read)
