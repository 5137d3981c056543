"""Routing: decides of each new notice who is told, where and when; part of the postman's turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.notice import Delivery
from devops_agent.store import controls, deliveries, outbox

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.store.rows import Rows


def route(rows: Rows, settings: Settings, now: datetime) -> None:
    """Plan the deliveries of every notice that nobody has decided on yet: without routes, to every channel."""
    pam = controls.flags(rows).get("PAM_INTEGRATION_ENABLED", settings.flags.PAM_INTEGRATION_ENABLED)
    channels = [one.name for one in settings.notify.channels if pam or one.via != "pam"]
    fresh = outbox.unrouted(rows)
    for notice in fresh:
        deliveries.plan(
            rows,
            (
                Delivery(notice=notice.id, channel=name, thread=notice.incident, not_before=now, created_at=now)
                for name in channels
            ),
        )
    outbox.mark_routed(rows, [notice.id for notice in fresh], now=now)


def next_due(rows: Rows, settings: Settings) -> datetime | None:
    """Return when something is to be put or told again by itself; None: nothing is."""
    del rows, settings
    return None
