"""Forms that the page's people send."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from devops_agent.model.account import role_of
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from starlette.requests import Request

    from devops_agent.web.asking import Desk
    from devops_agent.web.auth import Viewer

_KIND = "application/x-www-form-urlencoded"
_LONGEST = 2_000
_FIELDS = 20


async def admit_form(request: Request, desk: Desk, scope: str) -> tuple[Viewer, dict[str, str]]:
    """Return who sent a form of ours, and its fields, if they may do what `scope` names.

    Raises:
        ProblemError: 401 no session, 403 not from our page or not allowed, 415 or 422 no form, 429 too many.

    """
    viewer = await desk.gate.viewer(request)
    desk.count(viewer.token.id)
    form = await read_form(request)
    viewer.check_form(form.get("form_key", ""))
    if not viewer.allows(scope):
        raise ProblemError(403, f"{viewer.name} is {viewer.role}; this takes an {role_of(scope)}.")
    return viewer, form


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        ProblemError: 415 or 422, it is no form.

    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != _KIND:
        raise ProblemError(415, f"send a form ({_KIND})")
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as error:
        raise ProblemError(422, f"cannot read the form: {error}") from error
    return {name: value[:_LONGEST].replace("\x00", "␀") for name, value in pairs}
