"""The outbox: notices for people, written in the transaction of the fact they tell; one durable run delivers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from devops_agent import __version__
from devops_agent.model.alert import Severity
from devops_agent.model.fact import to_json
from devops_agent.model.notice import Notice
from devops_agent.store import runs
from devops_agent.store.rows import Row, Rows, from_us, maybe_time, to_us

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

QUEUE = "notify"
"""The queue of the run that delivers, and the topic that is rung for it."""
JOB = "deliver"
KEY = "outbox"

_COLUMNS = "id, key, incident, kind, severity, message_json, created_at, routed_at"


def put(rows: Rows, notice: Notice, *, wakes: bool = True) -> bool:
    """Write a notice; False when one of its key is there already.

    Args:
        rows: the transaction of the fact that it tells.
        notice: its `id` and `routed_at` are not looked at.
        wakes: whether somebody is to be told, and whoever delivers is woken. Without channels nobody is: the notice
            is only shown, also when channels are set up later.

    """
    at = to_us(notice.created_at)
    fresh = rows.run(
        "INSERT INTO outbox (key, incident, kind, severity, message_json, created_at, routed_at)"
        " VALUES (:key, :incident, :kind, :severity, :message_json, :at, :routed_at)"
        " ON CONFLICT (key) DO NOTHING",
        key=notice.key,
        incident=notice.incident,
        kind=notice.kind,
        severity=notice.severity.value,
        message_json=to_json(notice.message),
        at=at,
        routed_at=None if wakes else at,
    )
    if fresh and wakes:
        wake(rows, now=notice.created_at)
    return bool(fresh)


def wake(rows: Rows, *, now: datetime, not_before: datetime | None = None) -> None:
    """Have the run that delivers look at everything, at once or at `not_before`."""
    runs.enqueue(rows, QUEUE, JOB, key=KEY, now=now, not_before=not_before, version=__version__)


def get(rows: Rows, id_: int) -> Notice | None:
    """Return a notice."""
    row = rows.one(f"SELECT {_COLUMNS} FROM outbox WHERE id = :id", id=id_)
    return _notice(row) if row else None


def of_key(rows: Rows, key: str) -> Notice | None:
    """Return the notice of a key."""
    row = rows.one(f"SELECT {_COLUMNS} FROM outbox WHERE key = :key", key=key)
    return _notice(row) if row else None


def count_of(rows: Rows, incident: str) -> int:
    """Return how many notices tell of an incident."""
    row = rows.one("SELECT count(*) AS n FROM outbox WHERE incident = :incident", incident=incident)
    return int(row["n"]) if row else 0


def of_incident(rows: Rows, incident: str, *, limit: int = 100) -> list[Notice]:
    """Return the notices that tell of an incident, the newest first."""
    return [
        _notice(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM outbox WHERE incident = :incident ORDER BY id DESC LIMIT :limit",
            incident=incident,
            limit=limit,
        )
    ]


def unrouted(rows: Rows, *, limit: int = 1_000) -> list[Notice]:
    """Return the notices of which nobody has decided yet who is told, oldest first."""
    return [
        _notice(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM outbox WHERE routed_at IS NULL ORDER BY id LIMIT :limit", limit=limit
        )
    ]


def mark_routed(rows: Rows, notices: Iterable[int], *, now: datetime) -> None:
    """Note that it was decided who is told of these notices."""
    rows.many(
        "UPDATE outbox SET routed_at = :now WHERE id = :id AND routed_at IS NULL",
        [{"id": id_, "now": to_us(now)} for id_ in notices],
    )


def latest(rows: Rows, *, limit: int = 100) -> list[Notice]:
    """Return the newest notices first."""
    return [
        _notice(row) for row in rows.all(f"SELECT {_COLUMNS} FROM outbox ORDER BY id DESC LIMIT :limit", limit=limit)
    ]


def pending(rows: Rows) -> int:
    """Return how many messages are still to be told: notices not decided on, and deliveries on their way."""
    row = rows.one(
        "SELECT (SELECT count(*) FROM outbox WHERE routed_at IS NULL)"
        " + (SELECT count(*) FROM deliveries WHERE stage IN ('waiting', 'sending')) AS n"
    )
    return int(row["n"]) if row else 0


def due_since(rows: Rows) -> datetime | None:
    """Return since when, or from when, something waits to be told; None: nothing does."""
    row = rows.one(
        "SELECT min(at) AS at FROM (SELECT min(created_at) AS at FROM outbox WHERE routed_at IS NULL UNION ALL"
        " SELECT min(not_before) AS at FROM deliveries WHERE stage IN ('waiting', 'sending')) due"
    )
    return maybe_time(row["at"]) if row else None


def forget(rows: Rows, *, created_before: datetime) -> int:
    """Delete older notices with their deliveries, whatever became of them; return how many."""
    return rows.run("DELETE FROM outbox WHERE created_at < :at", at=to_us(created_before))


def _notice(row: Row) -> Notice:
    return Notice(
        id=row["id"],
        key=row["key"],
        incident=row["incident"],
        kind=row["kind"],
        severity=Severity(row["severity"]),
        message=msgspec.json.decode(row["message_json"]),
        created_at=from_us(row["created_at"]),
        routed_at=maybe_time(row["routed_at"]),
    )
