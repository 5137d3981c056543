"""A target: how it is, what is done about it, and what has happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from devops_agent.store import attempts, controls, incidents, targets
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/targets/{target:path}")
async def target_(request: Request, desk: DeskOf, target: str) -> Response:
    """Show a target."""

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        one = targets.get(rows, target)
        if one is None:
            raise ProblemError(404, f"There is no target {target}.")
        return {
            "one": one,
            "found": incidents.page(rows, target=target, limit=10),
            "success": attempts.success(rows, target=target),
            "pauses": [pause for pause in controls.pauses(rows, now=now) if pause.holds(target)],
            "restartable": f"{one.target.via}.restart" in desk.parts.actions(),
        }

    return await show(request, desk, "target", read)
