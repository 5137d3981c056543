"""Alerts that nobody wants to hear of for a while."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from devops_agent.store import controls
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/silences")
async def silences_(request: Request, desk: DeskOf) -> Response:
    """List silences."""
    return await show(request, desk, "silences", lambda rows, now: {"silences": controls.silences(rows, now=now)})
