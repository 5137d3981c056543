"""Who may sign in: administrators make accounts, and change what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from devops_agent.engine import accounts
from devops_agent.model.account import Role
from devops_agent.store import accounts as kept
from devops_agent.web.asking import DeskOf, Once
from devops_agent.web.pages.shell import show
from devops_agent.web.posted import admit_form
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

    T = TypeVar("T")

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/accounts")
async def accounts_(request: Request, desk: DeskOf) -> Response:
    """List accounts."""
    return await _show(request, desk)


@router.post("/accounts")
async def add(request: Request, desk: DeskOf) -> Response:
    """Make an account, and show the link by which its owner signs in first, this once."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> tuple[str, str]:
        account = accounts.add(rows, form.get("name", "").strip(), _role(form), by=by, now=now)
        return account.name, accounts.make_link(rows, account.name, by=by, now=now)

    name, secret = await _do(request, desk, work)
    return await _show(request, desk, name=name, secret=secret)


@router.post("/accounts/{name}/link")
async def link(request: Request, desk: DeskOf, name: str) -> Response:
    """Make a link for whoever forgot the password, and show it this once."""
    now = desk.parts.clock.now()
    secret = await _do(request, desk, lambda rows, _, by: accounts.make_link(rows, name, by=by, now=now))
    return await _show(request, desk, name=name, secret=secret)


@router.post("/accounts/{name}/role")
async def change_role(request: Request, desk: DeskOf, name: str) -> Response:
    """Give an account another role."""
    now = desk.parts.clock.now()
    await _do(
        request,
        desk,
        lambda rows, form, by: accounts.set_role(
            rows, name, _role(form), by=by, comment=form.get("comment", ""), now=now
        ),
    )
    return RedirectResponse("/accounts", status_code=303)


@router.post("/accounts/{name}/disabled")
async def disable(request: Request, desk: DeskOf, name: str) -> Response:
    """Shut an account out, or let it in again."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        disabled = {"yes": True, "no": False}.get(form.get("disabled", ""))
        if disabled is None:
            raise ProblemError(422, "Disable it, or enable it?")
        accounts.set_disabled(rows, name, disabled=disabled, by=by, comment=form.get("comment", ""), now=now)

    await _do(request, desk, work)
    return RedirectResponse("/accounts", status_code=303)


@router.post("/accounts/{name}/sessions/end")
async def end_sessions(request: Request, desk: DeskOf, name: str) -> Response:
    """Sign an account out everywhere."""
    now = desk.parts.clock.now()
    await _do(request, desk, lambda rows, _, by: accounts.end_sessions(rows, name, by=by, now=now))
    return RedirectResponse("/accounts", status_code=303)


async def _show(request: Request, desk: Desk, *, name: str = "", secret: str = "") -> Response:
    viewer = await desk.gate.viewer(request)
    if not viewer.allows("admin"):
        raise ProblemError(403, f"{viewer.name} is {viewer.role}; accounts are for an admin.")
    settings = desk.parts.settings()
    page = settings.web.public_url.rstrip("/") or str(request.base_url).rstrip("/")

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        return {
            "accounts": kept.all_(rows),
            "roles": list(Role),
            "provider": urlsplit(settings.accounts.oidc.issuer).netloc,
            "linked": name,
            "link": f"{page}/login?token={quote(secret)}" if secret else "",
            "lasts": accounts.LINK_LASTS,
        }

    return await show(request, desk, "accounts", read)


def _role(form: dict[str, str]) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError as error:
        raise ProblemError(422, f"Say which role: {', '.join(Role)}.") from error


async def _do(request: Request, desk: Desk, work: Callable[[Rows, dict[str, str], str], T]) -> T:
    viewer, form = await admit_form(request, desk, "admin")
    once = Once(viewer.token, request)
    return await desk.command(lambda rows: work(rows, form, viewer.by), once=once, topics=accounts.TOPICS)
