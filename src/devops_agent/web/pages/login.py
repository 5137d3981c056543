"""Where a session begins and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from devops_agent.engine import accounts
from devops_agent.engine.commands import RefusedError
from devops_agent.web import sessions
from devops_agent.web.asking import DeskOf, Once
from devops_agent.web.auth import address_of
from devops_agent.web.crossing import is_from_elsewhere, see_ours
from devops_agent.web.limits import neighbourhood
from devops_agent.web.oidc import BACK, COOKIE, Provider
from devops_agent.web.pages.shell import safe
from devops_agent.web.posted import admit_form, read_form
from devops_agent.web.problem import ProblemError
from devops_agent.web.render import page

if TYPE_CHECKING:
    from devops_agent.web.asking import Desk

router = APIRouter(include_in_schema=False, default_response_class=Response)

_LONGEST = 2_000


@router.get("/login")
async def login(
    request: Request,
    desk: DeskOf,
    token: Annotated[str, Query(max_length=500)] = "",
    next: str = "/",  # noqa: A002 — a query
) -> Response:
    """Ask who it is, or take a ticket (`/login?token=`) that is good for one use."""
    if not token:
        return _ask(request, desk, next_=next)
    if is_from_elsewhere(request):
        # A link in a mail: browsers do not send the new cookie along the redirect, and another site could sign
        # somebody in as somebody else. One press of a button on our own page mends both.
        return _ask(request, desk, next_=next, ticket=token)
    try:
        session = await desk.gate.exchange(token, request, ticket=True)
    except ProblemError as told:
        return _ask(request, desk, next_=next, told=told)
    return _let_in(request, desk, session, next_=next)


@router.post("/login")
async def log_in(request: Request, desk: DeskOf) -> Response:
    """Begin a session by name and password, or by a token."""
    see_ours(request, public_url=desk.parts.settings().web.public_url)
    form = await read_form(request)
    next_, name, token = form.get("next", "/"), form.get("name", "").strip(), form.get("token", "").strip()
    try:
        if token or not name:
            session = await desk.gate.exchange(token, request)
        else:
            session = await desk.gate.sign_in(name, form.get("password", ""), request)
    except ProblemError as told:
        return _ask(request, desk, next_=next_, told=told, name=name)
    return _let_in(request, desk, session, next_=next_)


@router.post("/logout")
async def log_out(request: Request, desk: DeskOf) -> Response:
    """End a session; with `everywhere`, all of the account."""
    viewer, form = await admit_form(request, desk, "read")
    if form.get("everywhere") and viewer.account:
        now = desk.parts.clock.now()
        await desk.command(
            lambda rows: accounts.end_sessions(rows, viewer.account, by=viewer.by, now=now),
            once=Once(viewer.token, request),
            topics=accounts.TOPICS,
        )
    await desk.gate.log_out(viewer.token)
    answer = RedirectResponse("/login", status_code=303)
    sessions.take(answer, request, desk.parts.settings())
    return answer


@router.get("/login/oidc")
async def go_to_provider(request: Request, desk: DeskOf, next: str = "/") -> Response:  # noqa: A002 — a query
    """Send somebody to the identity provider."""
    provider = _provider(request)
    url, cookie = await provider.begin(
        back=_back(request, desk), next_=safe(next), place=neighbourhood(address_of(request))
    )
    answer = RedirectResponse(url, status_code=303)
    secure = sessions.is_secure(request, desk.parts.settings())
    # Lax, for it has to come along when the provider sends the browser back.
    answer.set_cookie(COOKIE, cookie, max_age=600, httponly=True, samesite="lax", secure=secure, path=BACK)
    return answer


@router.get(BACK)
async def come_back(
    request: Request,
    desk: DeskOf,
    code: Annotated[str, Query(max_length=_LONGEST)] = "",
    state: Annotated[str, Query(max_length=_LONGEST)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Take somebody whom the identity provider vouches for."""
    if error:
        raise ProblemError(403, f"the identity provider did not sign you in: {error}")
    cookie = request.cookies.get(COOKIE, "")
    found, next_ = await _provider(request).finish(code=code, state=state, cookie=cookie)
    now = desk.parts.clock.now()
    try:
        session = await desk.gate.begin_for(
            lambda rows: accounts.meet(rows, found.name, found.role, subject=found.subject, now=now), request
        )
    except RefusedError as refused:
        raise ProblemError(403, f"the identity provider knows you, but {refused}") from refused
    # A page and no redirect: the way here began on another site, so browsers would not send the new cookie along.
    answer = page("onward", version=request.app.version, next=safe(next_))
    sessions.give(answer, request, desk.parts.settings(), secret=session)
    answer.delete_cookie(COOKIE, path=BACK)
    return answer


def _provider(request: Request) -> Provider:
    provider: Provider = request.app.state.provider
    return provider


def _back(request: Request, desk: Desk) -> str:
    ours = desk.parts.settings().web.public_url or str(request.base_url)
    return ours.rstrip("/") + BACK


def _ask(
    request: Request, desk: Desk, *, next_: str, told: ProblemError | None = None, name: str = "", ticket: str = ""
) -> Response:
    shown = page(
        "login",
        code=told.status if told else 200,
        viewer=None,
        version=request.app.version,
        here="",
        says=f"{told.detail[:1].upper()}{told.detail[1:]}." if told else "",
        next=safe(next_),
        onward=quote(safe(next_)),
        name=name,
        ticket=ticket,
        provider=urlsplit(desk.parts.settings().accounts.oidc.issuer).netloc,
    )
    if told:
        shown.headers.update({name: value for name, value in told.headers.items() if name == "Retry-After"})
    return shown


def _let_in(request: Request, desk: Desk, session: str, *, next_: str) -> Response:
    """Go on to where somebody wanted to be."""
    answer = RedirectResponse(safe(next_), status_code=303)
    sessions.give(answer, request, desk.parts.settings(), secret=session)
    return answer
