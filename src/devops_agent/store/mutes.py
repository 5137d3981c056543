"""Mutes as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.mute import Mute
from devops_agent.store.rows import Row, Rows, from_us, maybe_time, next_number, to_us

if TYPE_CHECKING:
    from datetime import datetime

_COLUMNS = "id, incident, target, kind, person, by_whom, comment, begins_at, ends_at, settled_at"
_LIVING = "settled_at IS NULL"
"""Word for word the condition of the partial index."""


def add(rows: Rows, mute: Mute) -> Mute:
    """Write a mute; return it with its id."""
    made = mute.with_(id=f"MUT-{next_number(rows, 'mutes')}")
    rows.run(
        f"INSERT INTO mutes ({_COLUMNS}) VALUES"
        " (:id, :incident, :target, :kind, :person, :by_whom, :comment, :begins_at, :ends_at, NULL)",
        id=made.id,
        incident=made.incident,
        target=made.target,
        kind=made.kind,
        person=made.person,
        by_whom=made.by,
        comment=made.comment,
        begins_at=to_us(made.begins_at),
        ends_at=to_us(made.ends_at),
    )
    return made


def get(rows: Rows, id_: str) -> Mute | None:
    """Return a mute."""
    row = rows.one(f"SELECT {_COLUMNS} FROM mutes WHERE id = :id", id=id_)
    return _mute(row) if row else None


def holding(rows: Rows, *, now: datetime) -> list[Mute]:
    """Return those that hold now, the one that ends first first."""
    return [
        _mute(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM mutes WHERE {_LIVING} AND ends_at > :now ORDER BY ends_at, id", now=to_us(now)
        )
    ]


def ended(rows: Rows, *, now: datetime) -> list[Mute]:
    """Return those that are over, and whose end was not settled yet."""
    return [
        _mute(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM mutes WHERE {_LIVING} AND ends_at <= :now ORDER BY id", now=to_us(now)
        )
    ]


def end(rows: Rows, id_: str, *, now: datetime) -> bool:
    """End a mute early; False when it does not hold (any more)."""
    return bool(
        rows.run(
            f"UPDATE mutes SET ends_at = :now WHERE id = :id AND {_LIVING} AND ends_at > :now", id=id_, now=to_us(now)
        )
    )


def kept_from(rows: Rows, mute: Mute, incident: str) -> bool:
    """Whether people were kept from something about an incident while the mute held."""
    row = rows.one(
        "SELECT 1 AS n FROM deliveries d JOIN outbox o ON o.id = d.notice WHERE o.incident = :incident"
        " AND d.stage = 'dropped' AND d.says LIKE 'muted %' AND d.created_at >= :since LIMIT 1",
        incident=incident,
        since=to_us(mute.begins_at),
    )
    return row is not None


def settle(rows: Rows, id_: str, *, now: datetime) -> None:
    """Note that what its end had to tell was told."""
    rows.run(f"UPDATE mutes SET settled_at = :now WHERE id = :id AND {_LIVING}", id=id_, now=to_us(now))


def next_due(rows: Rows) -> datetime | None:
    """Return when the next mute ends."""
    row = rows.one(f"SELECT min(ends_at) AS at FROM mutes WHERE {_LIVING}")
    return maybe_time(row["at"]) if row else None


def forget(rows: Rows, *, ended_before: datetime) -> int:
    """Delete those that ended earlier; return how many."""
    return rows.run("DELETE FROM mutes WHERE settled_at IS NOT NULL AND settled_at < :at", at=to_us(ended_before))


def _mute(row: Row) -> Mute:
    return Mute(
        id=row["id"],
        incident=row["incident"],
        target=row["target"],
        kind=row["kind"],
        person=row["person"],
        by=row["by_whom"],
        comment=row["comment"],
        begins_at=from_us(row["begins_at"]),
        ends_at=from_us(row["ends_at"]),
        settled_at=maybe_time(row["settled_at"]),
    )
