"""The API, to be tried out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from devops_agent.web.asking import DeskOf, admit_viewer
from devops_agent.web.pages.shell import show

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/docs")
async def docs(request: Request, desk: DeskOf) -> Response:
    """Let every operation of the API be tried."""
    return await show(request, desk, "docs", lambda _, __: {})


@router.get("/openapi.json", response_class=JSONResponse)
async def openapi(request: Request, desk: DeskOf) -> JSONResponse:
    """Describe the API to programs and to the page above."""
    await admit_viewer(request, desk)
    return JSONResponse(request.app.openapi())
