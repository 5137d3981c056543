"""The outbox: notices for people, written in the transaction of the fact they tell; channels take them from here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from devops_agent.model.alert import Severity
from devops_agent.model.fact import Fact, to_json
from devops_agent.store.rows import Rows, from_us, maybe_time, to_us


class Notice(Fact, kw_only=True):
    """Something people should be told."""

    id: int = 0
    key: str
    """The same key twice is one notice."""
    incident: str
    kind: str
    """`escalated`, `approval`, `acted`, `healed`, `frozen`."""
    severity: Severity
    message: dict[str, Any]
    """`title`, `says`, `next_steps`, `links`."""
    channels: tuple[str, ...] = ()
    """What is to deliver it, such as `pam`; without any it is only shown."""
    created_at: datetime
    sent_at: datetime | None = None


def put(rows: Rows, notice: Notice) -> bool:
    """Write a notice; False when one of its key is there already."""
    return bool(
        rows.run(
            "INSERT INTO outbox (key, incident, kind, severity, message_json, channels, created_at, not_before)"
            " VALUES (:key, :incident, :kind, :severity, :message_json, :channels, :at, :at)"
            " ON CONFLICT (key) DO NOTHING",
            key=notice.key,
            incident=notice.incident,
            kind=notice.kind,
            severity=notice.severity.value,
            message_json=to_json(notice.message),
            channels=" ".join(notice.channels),
            at=to_us(notice.created_at),
        )
    )


def latest(rows: Rows, *, limit: int = 100) -> list[Notice]:
    """Return the newest notices first."""
    return [
        Notice(
            id=row["id"],
            key=row["key"],
            incident=row["incident"],
            kind=row["kind"],
            severity=Severity(row["severity"]),
            message=msgspec.json.decode(row["message_json"]),
            channels=tuple(row["channels"].split()),
            created_at=from_us(row["created_at"]),
            sent_at=maybe_time(row["sent_at"]),
        )
        for row in rows.all(
            "SELECT id, key, incident, kind, severity, message_json, channels, created_at, sent_at FROM outbox"
            " ORDER BY id DESC LIMIT :limit",
            limit=limit,
        )
    ]


def pending(rows: Rows) -> int:
    """Return how many notices wait for a channel."""
    row = rows.one("SELECT count(*) AS n FROM outbox WHERE sent_at IS NULL AND channels <> ''")
    return int(row["n"]) if row else 0


def forget(rows: Rows, *, created_before: datetime) -> int:
    """Delete older notices, delivered or not; return how many."""
    return rows.run("DELETE FROM outbox WHERE created_at < :at", at=to_us(created_before))
