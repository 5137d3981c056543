"""Elsewhere: what a channel will never take is told through the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.engine.switches import PAM, is_on
from devops_agent.model.notice import Delivery, Notice
from devops_agent.store import deliveries, events, outbox

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.store.rows import Rows

UNDELIVERABLE = "undeliverable"
"""The kind of a notice that tells elsewhere what a channel did not take."""


def tell(rows: Rows, one: Delivery, *, says: str, settings: Settings, now: datetime) -> None:
    """Tell through other channels what this one refused, and why; what tells that fails in silence."""
    notice = outbox.get(rows, one.notice)
    if notice is None:
        return
    why = f"{one.channel} did not take {notice.message.get('title') or notice.key!r}: {says}"
    events.add(rows, UNDELIVERABLE, why, at=now, incident=notice.incident, channel=one.channel, notice=one.notice)
    others = _others(rows, one, settings)
    if notice.kind == UNDELIVERABLE or not others:
        return
    key = f"{UNDELIVERABLE}/{one.channel}/{notice.incident or notice.key}/{notice.kind}"
    told = Notice(
        key=key,
        incident=notice.incident,
        kind=UNDELIVERABLE,
        severity=notice.severity,
        message={**notice.message, "says": f"{notice.message.get('says', '')} ({why})".strip()},
        created_at=now,
    )
    if outbox.put(rows, told, wakes=False) and (put := outbox.of_key(rows, key)) is not None:
        planned = Delivery(
            notice=put.id, channel="", person=one.person, thread=one.thread, not_before=now, created_at=now
        )
        deliveries.plan(rows, (planned.with_(channel=name) for name in others))


def _others(rows: Rows, one: Delivery, settings: Settings) -> list[str]:
    """Return the other channels of the same person, or of everybody."""
    pam = is_on(rows, PAM, settings=settings)
    usable = [each.name for each in settings.notify.channels if pam or each.via != "pam"]
    theirs = next((person.channels for person in settings.notify.people if person.name == one.person), usable)
    return [name for name in usable if name != one.channel and name in theirs]
