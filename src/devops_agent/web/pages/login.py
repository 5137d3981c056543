"""Where a session begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from devops_agent.web.asking import DeskOf
from devops_agent.web.auth import COOKIE, SESSION_LASTS, address_of
from devops_agent.web.pages.shell import safe
from devops_agent.web.problem import ProblemError
from devops_agent.web.render import page

if TYPE_CHECKING:
    from devops_agent.web.asking import Desk

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/login")
async def login(
    request: Request,
    desk: DeskOf,
    token: Annotated[str, Query(max_length=500)] = "",
    next: str = "/",  # noqa: A002 — a query
) -> Response:
    """Ask for a token, or take a ticket (`/login?token=`) that is good for one use."""
    if not token:
        return page("login", viewer=None, version=request.app.version, here="", says="", next=safe(next))
    return await let_in(request, desk, token, next_=next)


async def let_in(request: Request, desk: Desk, token: str, *, next_: str) -> Response:
    """Begin a session and go on to where somebody wanted to be."""
    try:
        session = await desk.gate.log_in(token, address=address_of(request))
    except ProblemError as told:
        values: dict[str, Any] = {"viewer": None, "version": request.app.version, "here": "", "next": safe(next_)}
        return page("login", code=told.status, says=f"{told.detail[:1].upper()}{told.detail[1:]}.", **values)
    answer = RedirectResponse(safe(next_), status_code=303)
    secure = request.url.scheme == "https" or desk.parts.settings().web.public_url.startswith("https://")
    lasts = int(SESSION_LASTS.total_seconds())
    answer.set_cookie(COOKIE, session, max_age=lasts, httponly=True, samesite="strict", secure=secure, path="/")
    return answer
