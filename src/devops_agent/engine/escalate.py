"""Escalate: say in plain words what is wrong and what a person should do; log it, put it in the outbox."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.engine import lifecycle
from devops_agent.model.alert import Severity
from devops_agent.model.incident import Incident, Status
from devops_agent.model.notice import Notice
from devops_agent.store import events, outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.store.rows import Rows

_STORM = timedelta(hours=1)
"""How long one notice speaks for a storm."""

_LATELY = 50
"""Events that are looked at for whether people have an incident already."""

log = logging.getLogger("devops_agent.notices")


def climb(
    rows: Rows, incident: Incident, *, reason: str, next_steps: Sequence[str], settings: Settings, now: datetime
) -> Incident:
    """Hand an incident to a person: mark it, say why and what next."""
    steps = tuple(dict.fromkeys(step for step in next_steps if step))
    kind = "found" if _was_handed_over(rows, incident) else "escalated"
    moved = lifecycle.move(rows, incident, Status.ESCALATED, reason=reason, next_steps=steps, now=now)
    tell(rows, moved, kind=kind, says=reason, next_steps=steps, settings=settings, now=now)
    return moved


def _was_handed_over(rows: Rows, incident: Incident) -> bool:
    """Whether people have it already, as bad as it is, and nothing was done since: then only more is known."""
    told = (one for one in outbox.of_incident(rows, incident.id) if one.kind == "escalated")
    worst = max((one.severity.rank for one in told), default=None)
    lately = (event.kind for event in reversed(events.tail(rows, incident.id, limit=_LATELY)))
    last = next((kind for kind in lately if kind in ("escalated", "step", "opened", "reopened")), "")
    return last == "escalated" and worst is not None and worst >= incident.severity.rank


def tell(  # noqa: PLR0913 — a notice has these parts
    rows: Rows,
    incident: Incident,
    *,
    kind: str,
    says: str,
    settings: Settings,
    now: datetime,
    next_steps: Sequence[str] = (),
) -> None:
    """Put a notice in the outbox, in the transaction of the fact that it tells."""
    outbox.put(
        rows,
        Notice(
            key=f"{incident.id}/{kind}/{int(now.timestamp() * 1000)}",
            incident=incident.id,
            kind=kind,
            severity=incident.severity,
            message={
                "title": f"{incident.id} {incident.target}: {incident.title}",
                "says": says,
                "next_steps": list(next_steps),
                "links": {"incident": _link(settings, f"/incidents/{incident.id}")},
            },
            created_at=now,
        ),
        wakes=bool(settings.notify.channels),
    )
    log.info("notice", extra={"incident": incident.id, "about": kind, "says": says, "next_steps": list(next_steps)})


def tell_storm(rows: Rows, *, says: str, settings: Settings, now: datetime) -> None:
    """Put one notice for the whole storm in the outbox, however many incidents it holds back."""
    window = int(now.timestamp() // _STORM.total_seconds())
    fresh = outbox.put(
        rows,
        Notice(
            key=f"storm/{window}",
            incident="",
            kind="storm",
            severity=Severity.CRITICAL,
            message={
                "title": "many targets are in trouble at once",
                "says": f"{says}. Nothing is repaired automatically until fewer are.",
                "next_steps": ["look for what they share: network, storage, a database, this machine"],
                "links": {"incidents": _link(settings, "/incidents")},
            },
            created_at=now,
        ),
        wakes=bool(settings.notify.channels),
    )
    if fresh:
        log.warning("notice", extra={"incident": "", "about": "storm", "says": says})


def _link(settings: Settings, path: str) -> str:
    return settings.web.public_url.rstrip("/") + path
