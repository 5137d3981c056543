"""What people set for themselves: password, sessions, tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from devops_agent.engine import accounts
from devops_agent.model.account import SCOPES, includes
from devops_agent.store import accounts as kept
from devops_agent.store import tokens
from devops_agent.store.tokens import SESSION, TICKET
from devops_agent.web import sessions
from devops_agent.web.asking import DeskOf, Once
from devops_agent.web.auth import address_of
from devops_agent.web.pages.shell import show
from devops_agent.web.passwords import SHORTEST, see_fit
from devops_agent.web.posted import admit_form
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk
    from devops_agent.web.auth import Viewer

    T = TypeVar("T")

router = APIRouter(include_in_schema=False, default_response_class=Response)

_DAYS = (1, 30, 90, 365)
"""How long a token may last."""


@router.get("/account")
async def account_(request: Request, desk: DeskOf) -> Response:
    """Show who one is here."""
    return await _show(request, desk)


@router.post("/account/password")
async def change_password(request: Request, desk: DeskOf) -> Response:
    """Set another password; the other sessions end."""
    viewer, form = await _admit(request, desk)
    new = form.get("new", "")
    if new != form.get("again", ""):
        raise ProblemError(422, "The two new passwords differ.")
    see_fit(new, name=viewer.account)
    account = await desk.read(lambda rows: accounts.get(rows, viewer.account))
    if account.has_password and not sessions.is_of_link(viewer.token):
        try:
            await desk.gate.check(viewer.account, form.get("current", ""), address=address_of(request))
        except ProblemError as told:
            raise ProblemError(403 if told.status == 401 else told.status, "The current password is wrong.") from told  # noqa: PLR2004 — unauthorized
    hashed, now = await desk.gate.passwords.hash(new), desk.parts.clock.now()
    await _do(
        request,
        desk,
        viewer,
        lambda rows: accounts.set_password(rows, viewer.account, hashed, by=viewer.by, now=now, keep=viewer.token.id),
    )
    return RedirectResponse("/account", status_code=303)


@router.post("/account/sessions/end")
async def end_session(request: Request, desk: DeskOf) -> Response:
    """End one session of one's own."""
    return await _end(request, desk, prefixes=(SESSION,))


@router.post("/account/tokens")
async def make_token(request: Request, desk: DeskOf) -> Response:
    """Make a token of one's own, and show its secret this once."""
    viewer, form = await _admit(request, desk)
    scope, days = form.get("scope", ""), form.get("days", "")
    if scope not in SCOPES or days not in map(str, _DAYS):
        raise ProblemError(422, "Say what the token may do, and how long it lasts.")
    now = desk.parts.clock.now()
    _, secret = await _do(
        request,
        desk,
        viewer,
        lambda rows: accounts.make_token(
            rows,
            form.get("name", "").strip(),
            scope=scope,
            by=viewer.by,
            now=now,
            expires_at=now + timedelta(days=int(days)),
            account=viewer.account,
        ),
    )
    return await _show(request, desk, fresh=secret)


@router.post("/account/tokens/end")
async def end_token(request: Request, desk: DeskOf) -> Response:
    """End one token of one's own."""
    return await _end(request, desk)


async def _show(request: Request, desk: Desk, *, fresh: str = "") -> Response:
    viewer = await desk.gate.viewer(request)

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        mine = tokens.of_account(rows, viewer.account, now=now) if viewer.account else []
        return {
            "account": kept.get(rows, viewer.account) if viewer.account else None,
            "sessions": [one for one in mine if one.name.startswith(SESSION)],
            "tokens": [one for one in mine if not one.name.startswith((SESSION, TICKET))],
            "scopes": [scope for scope in SCOPES if includes(viewer.role.scope, scope)],
            "days": _DAYS,
            "asks_current": not sessions.is_of_link(viewer.token),
            "shortest": SHORTEST,
            "fresh": fresh,
        }

    return await show(request, desk, "account", read)


async def _admit(request: Request, desk: Desk) -> tuple[Viewer, dict[str, str]]:
    viewer, form = await admit_form(request, desk, "read")
    if not viewer.account:
        raise ProblemError(409, f"{viewer.name} is no account; an administrator makes one under Accounts.")
    return viewer, form


async def _end(request: Request, desk: Desk, *, prefixes: tuple[str, ...] = ("",)) -> Response:
    """End what belongs to whoever asks, and to nobody else."""
    viewer, form = await _admit(request, desk)
    now = desk.parts.clock.now()

    def work(rows: Rows) -> None:
        mine = tokens.of_account(rows, viewer.account, now=now)
        found = [one for one in mine if one.id == form.get("id") and one.name.startswith(prefixes)]
        if not found:
            raise ProblemError(404, "This is no session or token of yours that lives.")
        accounts.revoke_token(rows, found[0].name, by=viewer.by, now=now)

    await _do(request, desk, viewer, work)
    return RedirectResponse("/account", status_code=303)


async def _do(request: Request, desk: Desk, viewer: Viewer, work: Callable[[Rows], T]) -> T:
    return await desk.command(work, once=Once(viewer.token, request), topics=accounts.TOPICS)
