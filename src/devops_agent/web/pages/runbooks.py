"""What is done about which trouble."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/runbooks")
async def runbooks_(request: Request, desk: DeskOf) -> Response:
    """List runbooks."""
    known = sorted(desk.parts.runbooks(), key=lambda runbook: runbook.name)
    return await show(request, desk, "runbooks", lambda _, __: {"runbooks": known})
