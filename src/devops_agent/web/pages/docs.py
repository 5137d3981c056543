"""The API, to be tried out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from devops_agent.web.render import page

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Let every operation of the API be tried."""
    return page("docs", viewer=None, version=request.app.version, here="")
