"""What every page has around it, and how problems are told to people."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import quote, urlsplit

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from devops_agent.store import accounts, approvals, controls, events, heartbeats
from devops_agent.web.api.overview import SILENT_AFTER, read_flags
from devops_agent.web.problem import ProblemError
from devops_agent.web.render import page

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.types import Scope

    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk


class Place(NamedTuple):
    """Where the navigation leads."""

    path: str
    name: str
    key: str
    """What follows `g` on the keyboard to go there."""


PLACES = (
    Place("/", "Overview", "o"),
    Place("/incidents", "Incidents", "i"),
    Place("/approvals", "Approvals", "a"),
    Place("/targets", "Targets", "t"),
    Place("/silences", "Silences", "s"),
    Place("/runbooks", "Runbooks", "r"),
    Place("/learning", "Learning", "l"),
    Place("/reports", "Reports", "p"),
    Place("/audit", "Audit", "u"),
    Place("/settings", "Settings", "e"),
)
SHOWN = 40
"""Rows of a list on one page."""
Cursor = Annotated[str, Query(pattern=r"^[0-9]{0,18}$")]


class _Files(StaticFiles):
    """Files that browsers keep: their addresses change with what is in them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        kept = "public, max-age=31536000, immutable" if scope["query_string"] else "no-cache"
        answer.headers["Cache-Control"] = kept
        return answer


def static_files() -> StaticFiles:
    """Return style, scripts and picture."""
    return _Files(packages=[("devops_agent.web", "static")])


def is_for_people(request: Request) -> bool:
    """Whether a browser asked for a page, or mistyped one, so that problems are told as one."""
    first = request.url.path.split("/")[1]
    return first not in request.app.state.programs and "text/html" in request.headers.get("accept", "")


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
    # Browsers take a backslash for a slash, and drop line ends and tabs before they look.
    ours = next_.startswith("/") and not next_.startswith("//") and "\\" not in next_ and next_.isprintable()
    return next_ if ours else "/"


def _lacks_password(rows: Rows, name: str) -> bool:
    """Whether an account came by a link and has nothing else to sign in with."""
    account = accounts.get(rows, name) if name else None
    return account is not None and not account.has_password and not account.subject


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
            "waiting": approvals.count_pending(rows),
            "agent": {"alive": alive, "at": beat.at} if beat else None,
            "pauses": controls.pauses(rows, now=now),
            "no_password": _lacks_password(rows, viewer.account),
            "flags": {flag.name: flag.value for flag in read_flags(rows, desk)},
            **read(rows, now),
        }

    values = await desk.read(work)
    return page(
        name,
        viewer=viewer,
        version=desk.parts.version,
        now=now,
        here=request.url.path,
        places=[place for place in PLACES if place.path.split("/")[1] in request.app.state.places],
        **values,
    )
