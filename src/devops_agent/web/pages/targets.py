"""All targets: those in trouble first; by name, group or label, and by how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from devops_agent.model.sighting import Health
from devops_agent.store import controls, targets
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.overview import ORDER
from devops_agent.web.pages.shell import show

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.model.sighting import Sighting
    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)

_AT_ONCE = 100
HealthAsked = Literal["", "well", "starting", "degraded", "down", "unreachable", "unknown"]


@router.get("/targets")
async def targets_(
    request: Request,
    desk: DeskOf,
    q: Annotated[str, Query(max_length=253)] = "",
    health: HealthAsked = "",
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """List targets; who looks for one by its name is led to it."""
    await desk.gate.viewer(request)
    if q:
        named = await desk.read(lambda rows: matching(targets.all_(rows), q))
        exact = [one for one in named if one.target.name == q] or named
        if len(exact) == 1:
            return RedirectResponse(f"/targets/{quote(exact[0].target.name)}", status_code=303)

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        named = matching(targets.all_(rows), q)
        found = [one for one in named if one.health.value == health or not health]
        found.sort(key=lambda one: (ORDER.index(one.health), one.target.name))
        return {
            "found": found[skip : skip + _AT_ONCE],
            "every": len(found),
            "counts": [(one.value, n) for one in ORDER if (n := sum(1 for seen in named if seen.health is one))],
            "named": len(named),
            "q": q,
            "health": health,
            "skip": skip,
            "before": _address(q, health, max(skip - _AT_ONCE, 0)) if skip else "",
            "after": _address(q, health, skip + _AT_ONCE) if skip + _AT_ONCE < len(found) else "",
            "address": lambda health: _address(q, health, 0),
            "paused": {pause.target for pause in controls.pauses(rows, now=now)},
        }

    return await show(request, desk, "targets", read)


def matching(seen: Sequence[Sighting], words: str) -> list[Sighting]:
    """Return the targets whose name, group, aliases or labels hold all of these words."""
    asked = words.lower().split()
    return [one for one in seen if all(word in _told(one) for word in asked)] if asked else list(seen)


def _told(one: Sighting) -> str:
    target = one.target
    labels = (f"{name}={value}" for name, value in target.labels.items())
    return " ".join((target.name, target.group, target.via, *target.aliases, *labels)).lower()


def _address(words: str, health: Health | str, skip: int) -> str:
    given = {"q": words, "health": str(health), "skip": skip or ""}
    asked = urlencode({name: value for name, value in given.items() if value})
    return f"/targets?{asked}" if asked else "/targets"
