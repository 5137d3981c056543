"""All targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from devops_agent.store import controls, targets
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/targets")
async def targets_(request: Request, desk: DeskOf) -> Response:
    """List targets."""

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        paused = {pause.target for pause in controls.pauses(rows, now=now)}
        return {"sightings": targets.all_(rows), "paused": paused}

    return await show(request, desk, "targets", read)
