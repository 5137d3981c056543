"""What every page has around it, and how problems are told to people."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from devops_agent.store import controls, events, heartbeats
from devops_agent.web.api.overview import SILENT_AFTER, read_flags
from devops_agent.web.problem import ProblemError
from devops_agent.web.render import page

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

SHOWN = 40
"""Rows of a list on one page."""
Cursor = Annotated[str, Query(pattern=r"^[0-9]{0,18}$")]


def static_files() -> StaticFiles:
    """Return style, script and picture."""
    return StaticFiles(packages=[("devops_agent.web", "static")])


def is_for_people(request: Request) -> bool:
    """Whether a browser asked for a page, so that problems are told as one."""
    first = request.url.path.split("/")[1]
    return first in request.app.state.places and "text/html" in request.headers.get("accept", "")


def problem(request: Request, told: ProblemError) -> Response:
    """Tell a problem as a page; who is not logged in is sent to do so."""
    if told.status == 401 and request.method == "GET":  # noqa: PLR2004 — unauthorized
        return RedirectResponse(f"/login?next={quote(_here(request))}", status_code=303)
    shown = page(
        "problem",
        code=told.status,
        title=HTTPStatus(told.status).phrase,
        detail=told.detail,
        back=back(request),
        viewer=None,
        version=request.app.version,
        here="",
    )
    shown.headers.update(told.headers)
    return shown


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def back(request: Request) -> str:
    """Return the page that a form was on, never another site."""
    try:
        return safe(urlsplit(request.headers.get("referer", "")).path)
    except ValueError:
        return "/"


def safe(next_: str) -> str:
    """Return a path of ours, whatever was given."""
    return next_ if next_.startswith("/") and not next_.startswith(("//", "/\\")) and "\\" not in next_ else "/"


async def show(request: Request, desk: Desk, name: str, read: Callable[[Rows, datetime], dict[str, Any]]) -> Response:
    """Return a page: what every page tells, and what `read` finds for this one.

    Raises:
        ProblemError: 401 not logged in, 429, 503, or what `read` raises.

    """
    viewer = await desk.gate.viewer(request)
    desk.count(viewer.token.id)
    now = desk.parts.clock.now()

    def work(rows: Rows) -> dict[str, Any]:
        beat = heartbeats.all_(rows).get("agent")
        alive = beat is not None and (now - beat.at).total_seconds() <= SILENT_AFTER
        return {
            "seq": events.head(rows)[0],
            "agent": {"alive": alive, "at": beat.at} if beat else None,
            "pauses": controls.pauses(rows, now=now),
            "flags": {flag.name: flag.value for flag in read_flags(rows, desk)},
            **read(rows, now),
        }

    values = await desk.read(work)
    return page(
        name,
        viewer=viewer,
        version=desk.parts.version,
        now=now,
        here=f"/{name}" if name != "overview" else "/",
        **values,
    )
