"""What there is: targets, runbooks, actions, and how often they helped; the configuration in force."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Response

from devops_agent.analysis import secrets
from devops_agent.analysis.secrets import Hidden
from devops_agent.config.settings import Settings
from devops_agent.kit.http import HIDDEN, bare
from devops_agent.model.duration import write_duration
from devops_agent.model.runbook import Runbook
from devops_agent.store import attempts, targets
from devops_agent.web import schemas
from devops_agent.web.api.overview import read_target, target_shape
from devops_agent.web.asking import DeskOf, needs, problems
from devops_agent.web.problem import ProblemError

router = APIRouter(prefix="/api/v1", tags=["catalogue"])

_SECRET = re.compile(r"token|secret|password|passwd|credential|api_?key|authorization|cookie", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"://[^/?#\s]*@")


@router.get("/targets", responses=problems(), dependencies=[needs("read")])
async def targets_(desk: DeskOf) -> schemas.Page[schemas.Target]:
    """List all targets as last seen."""
    found = await desk.read(targets.all_)
    return schemas.Page(items=[target_shape(one) for one in found])


@router.get("/targets/{target}", responses=problems(404), dependencies=[needs("read")])
async def target_(desk: DeskOf, target: str) -> schemas.TargetInFull:
    """Show a target with what is going on around it."""
    now = desk.parts.clock.now()
    full, _ = await desk.read(lambda rows: read_target(rows, target, now=now))
    return full


@router.get("/runbooks", responses=problems(), dependencies=[needs("read")])
async def runbooks(desk: DeskOf) -> schemas.Page[schemas.Runbook]:
    """List the runbooks."""
    return schemas.Page(items=[runbook_shape(one) for one in sorted(desk.parts.runbooks(), key=lambda one: one.name)])


@router.get("/runbooks/{runbook}", responses=problems(404), dependencies=[needs("read")])
async def runbook_(desk: DeskOf, runbook: str) -> schemas.Runbook:
    """Show a runbook."""
    known = {one.name: one for one in desk.parts.runbooks()}
    if runbook not in known:
        raise ProblemError(404, f"no runbook {runbook!r}; known: {', '.join(sorted(known)) or 'none'}")
    return runbook_shape(known[runbook])


def runbook_shape(runbook: Runbook) -> schemas.Runbook:
    """Return a runbook's shape."""
    parts = msgspec.structs.asdict(runbook)
    return schemas.Runbook.model_validate({**parts, "kinds": runbook.match.kinds, "alerts": runbook.match.alerts})


@router.get("/actions", responses=problems(), dependencies=[needs("read")])
async def actions(desk: DeskOf) -> schemas.Page[schemas.Action]:
    """List every action that plugins offer."""
    known = desk.parts.actions()
    return schemas.Page(items=[schemas.Action.model_validate(known[name]) for name in sorted(known)])


@router.get("/statistics", responses=problems(), dependencies=[needs("read")])
async def statistics(desk: DeskOf, target: Annotated[str, Query(max_length=253)] = "") -> schemas.Page[schemas.Success]:
    """Tell how often each action worked, by fault class and target."""
    found = await desk.read(lambda rows: attempts.success(rows, target=target))
    return schemas.Page(items=[schemas.Success.model_validate(one) for one in found])


@router.get(
    "/config",
    responses={**problems(), 304: {"description": "It is what `If-None-Match` names"}},
    dependencies=[needs("admin")],
)
async def config(
    desk: DeskOf, response: Response, if_none_match: Annotated[str, Header(max_length=200)] = ""
) -> dict[str, Any]:
    """Show the configuration in force, without secrets."""
    shown = without_secrets(desk.parts.settings())
    tag = f'"{hashlib.sha256(msgspec.json.encode(shown, order="sorted")).hexdigest()[:16]}"'
    if tag in (part.strip() for part in if_none_match.split(",")):
        return Response(status_code=304, headers={"ETag": tag})  # type: ignore[return-value]  # FastAPI sends it as it is
    response.headers["ETag"] = tag
    return shown


def without_secrets(settings: Settings) -> dict[str, Any]:
    """Return all settings, defaults too, as JSON can say them; what is or may be a secret is hidden.

    The names of secret files are no secrets.
    """
    shown: dict[str, Any] = _hide(_plain(settings), "")
    for channel in shown["notify"]["channels"]:
        channel["options"] = _hide_places(channel["options"])
    return shown


def _hide_places(value: Any) -> Any:  # noqa: ANN401 — options hold values of any shape
    """Hide all of a URL but its scheme: those of channels (`slack://A/B/C`, a webhook's) are keys as a whole."""
    if isinstance(value, dict):
        return {key: _hide_places(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_hide_places(one) for one in value]
    if isinstance(value, str) and "://" in value:
        return f"{value.partition('://')[0]}://{HIDDEN}"
    return value


def _plain(value: object) -> Any:  # noqa: ANN401 — settings hold values of any shape
    if isinstance(value, msgspec.Struct):
        return {name: _plain(one) for name, one in msgspec.structs.asdict(value).items()}
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return write_duration(value) if isinstance(value, timedelta) else value


def _hide(value: Any, name: str) -> Any:  # noqa: ANN401 — settings hold values of any shape
    if isinstance(value, dict):
        every = name in {"headers", "environment", "env"}
        return {key: HIDDEN if every and one else _hide(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_hide(one, name) for one in value]
    if isinstance(value, str):
        if value and _SECRET.search(name) and not name.endswith("_file"):
            return HIDDEN
        shown = _PASSWORD_IN_URL.sub(f"://{HIDDEN}@", value)
        shown = bare(shown) if "?" in shown else shown
        return HIDDEN if any(found.kind is Hidden.SECRET for found in secrets.find(shown)) else shown
    return value
