"""Everything at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from devops_agent.store import approvals, attempts, controls, events, incidents, targets
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import SHOWN, show

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.decision import Approval
    from devops_agent.model.incident import Incident
    from devops_agent.model.runbook import Plan
    from devops_agent.model.sighting import Sighting
    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)

_TROUBLED = frozenset({"down", "unreachable", "degraded"})
_NEEDING = frozenset({"escalated", "awaiting_approval"})


@router.get("/")
async def overview(request: Request, desk: DeskOf) -> Response:
    """Show everything at a glance."""
    return await show(request, desk, "overview", read_overview)


def read_overview(rows: Rows, now: datetime) -> dict[str, Any]:
    """Return what the overview tells."""
    sightings = sorted(targets.all_(rows), key=lambda one: (one.health.value not in _TROUBLED, one.target.name))
    open_ones = incidents.open_ones(rows, limit=SHOWN)
    questions = [(asked, _plan_of(rows, asked)) for asked in approvals.pending(rows)[:10]]
    needing = [one for one in open_ones if one.status.value == "escalated"]
    troubled = [one for one in sightings if one.health.value in _TROUBLED]
    headline, says = _headline(sightings, troubled, questions=len(questions), needing=needing)
    return {
        "sightings": sightings,
        "troubled": troubled,
        "questions": questions,
        "needing": needing,
        "doing": [one for one in open_ones if one.status.value not in _NEEDING],
        "told": events.latest(rows, limit=14),
        "paused": {pause.target for pause in controls.pauses(rows, now=now)},
        "headline": headline,
        "says": says,
    }


def _headline(
    sightings: list[Sighting], troubled: list[Sighting], *, questions: int, needing: list[Incident]
) -> tuple[str, str]:
    if not sightings:
        return "Nothing is watched yet.", ""
    waiting = questions + len(needing)
    asks = f"{waiting} thing{'s' if waiting != 1 else ''} wait{'s' if waiting == 1 else ''} for you." if waiting else ""
    if not troubled:
        every = "The target is" if len(sightings) == 1 else f"All {len(sightings)} targets are"
        return f"{every} well.", asks
    return f"{len(troubled)} of {len(sightings)} targets in trouble.", asks or "The agent is on it."


def _plan_of(rows: Rows, asked: Approval) -> Plan | None:
    plans = [one.plan for one in attempts.of_incident(rows, asked.incident) if one.plan.digest == asked.digest]
    return plans[-1] if plans else None
