"""Alerts that nobody wants to hear of for a while, and windows in which nothing is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request, Response

from devops_agent.model.maintenance import last_beginning, next_beginning, parse_cron
from devops_agent.store import alerts, controls
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from devops_agent.config.settings import Maintenance
    from devops_agent.model.control import Silence
    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)

_ALERTS = 500
"""Newest alerts among which a silence's are counted."""


class Window(NamedTuple):
    """A configured window, and when it is open."""

    configured: Maintenance
    open_until: datetime | None
    """None: it is closed now."""
    opens_at: datetime | None
    """None: never again."""


@router.get("/silences")
async def silences_(request: Request, desk: DeskOf, matchers: Annotated[str, Query(max_length=1_000)] = "") -> Response:
    """List silences and maintenance windows; `matchers` fill in the form for a new silence."""

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        held = controls.silences(rows, now=now)
        return {
            "silences": [(one, caught) for one, caught in zip(held, _caught(rows, held), strict=True)],
            "windows": windows(desk.parts.settings().maintenance, now=now),
            "matchers": matchers,
        }

    return await show(request, desk, "silences", read)


def windows(configured: Iterable[Maintenance], *, now: datetime) -> list[Window]:
    """Return the windows that are configured, the ones that are open or open next first."""
    found = []
    for one in configured:
        cron = parse_cron(one.cron)
        opened = last_beginning(cron, now=now, within=one.lasts)
        until = opened + one.lasts if opened is not None else None
        found.append(Window(one, until, next_beginning(cron, now=now)))
    return sorted(found, key=lambda one: (one.open_until is None, one.opens_at is None, one.opens_at or now))


def _caught(rows: Rows, held: list[Silence]) -> list[int]:
    """Return how many of the newest alerts that fire each silence covers: one that covers none may be mistyped."""
    newest = [alert for alert, _ in alerts.latest(rows, limit=_ALERTS) if alert.firing] if held else []
    return [sum(one.covers(alert.labels) for alert in newest) for one in held]
