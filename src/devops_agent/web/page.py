"""The page: what people look at. Made here from the rows, kept right by a small script; works without it too."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from devops_agent.model.event import last_diagnosis
from devops_agent.store import (
    alerts,
    approvals,
    attempts,
    controls,
    events,
    evidence,
    heartbeats,
    incidents,
    insights,
    targets,
)
from devops_agent.web.api.incidents import NEWEST, StatusAsked
from devops_agent.web.api.overview import SILENT_AFTER, read_flags
from devops_agent.web.api.record import prove
from devops_agent.web.asking import DeskOf
from devops_agent.web.auth import COOKIE, SESSION_LASTS, address_of
from devops_agent.web.problem import ProblemError
from devops_agent.web.render import page

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from devops_agent.model.decision import Approval
    from devops_agent.model.incident import Incident
    from devops_agent.model.runbook import Plan
    from devops_agent.model.sighting import Sighting
    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

router = APIRouter(include_in_schema=False, default_response_class=Response)

_PAGES = ("/incidents", "/targets", "/silences", "/runbooks", "/audit", "/login", "/logout", "/docs", "/approvals")
_POSTS_ONLY = ("/pause", "/resume")
_SHOWN = 40
_TROUBLED = frozenset({"down", "unreachable", "degraded"})
_NEEDING = frozenset({"escalated", "awaiting_approval"})
Cursor = Annotated[str, Query(pattern=r"^[0-9]{0,18}$")]


def static_files() -> StaticFiles:
    """Return style, script and picture."""
    return StaticFiles(packages=[("devops_agent.web", "static")])


def is_for_people(request: Request) -> bool:
    """Whether a browser asked for a page, so that problems are told as one."""
    path = request.url.path
    ours = path == "/" or path.startswith(_PAGES) or path in _POSTS_ONLY
    return ours and "text/html" in request.headers.get("accept", "")


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
        return _safe(urlsplit(request.headers.get("referer", "")).path)
    except ValueError:
        return "/"


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


@router.get("/")
async def overview(request: Request, desk: DeskOf) -> Response:
    """Show everything at a glance."""
    return await show(request, desk, "overview", read_overview)


def read_overview(rows: Rows, now: datetime) -> dict[str, Any]:
    """Return what the overview tells."""
    sightings = sorted(targets.all_(rows), key=lambda one: (one.health.value not in _TROUBLED, one.target.name))
    open_ones = incidents.open_ones(rows, limit=_SHOWN)
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


@router.get("/incidents")
async def incidents_(
    request: Request,
    desk: DeskOf,
    status: StatusAsked = "",
    target: Annotated[str, Query(max_length=253)] = "",
    cursor: Cursor = "",
) -> Response:
    """List incidents."""

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        before = int(cursor or NEWEST)
        found = incidents.page(rows, before=before, status=status, target=target, limit=_SHOWN + 1)
        more = found[_SHOWN - 1].id.removeprefix("INC-") if len(found) > _SHOWN else ""
        return {"found": found[:_SHOWN], "status": status, "target": target, "next": more}

    return await show(request, desk, "incidents", read)


@router.get("/incidents/{incident}")
async def incident_(request: Request, desk: DeskOf, incident: str) -> Response:
    """Show an incident with its whole story."""

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        one = incidents.get(rows, incident)
        if one is None:
            raise ProblemError(404, f"There is no incident {incident}.")
        made = attempts.of_incident(rows, one.id)
        firing, every = alerts.counts(rows, one.id)
        told = events.of_incident(rows, one.id)
        return {
            "one": one,
            "sighting": targets.get(rows, one.target),
            "told": told,
            "diagnosis": last_diagnosis(told),
            "insight": insights.get(rows, one.id),
            "attempts": made,
            "plans": {attempt.plan.digest: attempt.plan for attempt in made},
            "questions": approvals.of_incident(rows, one.id),
            "evidence": evidence.of_incident(rows, one.id),
            "alerts": alerts.of_incident(rows, one.id, limit=50),
            "firing": firing,
            "every": every,
            "runbooks": sorted(desk.parts.runbooks(), key=lambda runbook: runbook.name),
        }

    return await show(request, desk, "incident", read)


@router.get("/targets")
async def targets_(request: Request, desk: DeskOf) -> Response:
    """List targets."""

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        paused = {pause.target for pause in controls.pauses(rows, now=now)}
        return {"sightings": targets.all_(rows), "paused": paused}

    return await show(request, desk, "targets", read)


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


@router.get("/silences")
async def silences_(request: Request, desk: DeskOf) -> Response:
    """List silences."""
    return await show(request, desk, "silences", lambda rows, now: {"silences": controls.silences(rows, now=now)})


@router.get("/runbooks")
async def runbooks_(request: Request, desk: DeskOf) -> Response:
    """List runbooks."""
    known = sorted(desk.parts.runbooks(), key=lambda runbook: runbook.name)
    return await show(request, desk, "runbooks", lambda _, __: {"runbooks": known})


@router.get("/audit")
async def audit_(request: Request, desk: DeskOf, cursor: Cursor = "", *, verify: bool = False) -> Response:
    """List everything that happened."""
    await desk.gate.viewer(request)
    proof = await prove(desk) if verify else None

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        told = events.latest(rows, before=int(cursor or NEWEST), limit=101)
        more = str(told[99].seq) if len(told) > 100 else ""  # noqa: PLR2004 — one more than is shown
        return {"told": told[:100], "next": more, "proof": proof}

    return await show(request, desk, "audit", read)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Let every operation of the API be tried."""
    return page("docs", viewer=None, version=request.app.version, here="")


@router.get("/login")
async def login(
    request: Request,
    desk: DeskOf,
    token: Annotated[str, Query(max_length=500)] = "",
    next: str = "/",  # noqa: A002 — a query
) -> Response:
    """Ask for a token, or take a ticket (`/login?token=`) that is good for one use."""
    if not token:
        return page("login", viewer=None, version=request.app.version, here="", says="", next=_safe(next))
    return await let_in(request, desk, token, next_=next)


async def let_in(request: Request, desk: Desk, token: str, *, next_: str) -> Response:
    """Begin a session and go on to where somebody wanted to be."""
    try:
        session = await desk.gate.log_in(token, address=address_of(request))
    except ProblemError as told:
        values: dict[str, Any] = {"viewer": None, "version": request.app.version, "here": "", "next": _safe(next_)}
        return page("login", code=told.status, says=f"{told.detail[:1].upper()}{told.detail[1:]}.", **values)
    answer = RedirectResponse(_safe(next_), status_code=303)
    secure = request.url.scheme == "https" or desk.parts.settings().web.public_url.startswith("https://")
    lasts = int(SESSION_LASTS.total_seconds())
    answer.set_cookie(COOKIE, session, max_age=lasts, httponly=True, samesite="strict", secure=secure, path="/")
    return answer


def _safe(next_: str) -> str:
    """Return a path of ours, whatever was given."""
    return next_ if next_.startswith("/") and not next_.startswith(("//", "/\\")) and "\\" not in next_ else "/"
