"""What people set while it runs, as rows: pauses, silences, flags."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from devops_agent.model.control import Pause, Silence
from devops_agent.store.rows import Rows, from_us, maybe_time, maybe_us, next_number, to_us

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def pause(rows: Rows, *, target: str, reason: str, by: str, now: datetime, ends_at: datetime | None) -> Pause:
    """Write a pause and return it."""
    made = Pause(
        id=f"PAU-{next_number(rows, 'pauses')}", target=target, reason=reason, by=by, begins_at=now, ends_at=ends_at
    )
    rows.run(
        "INSERT INTO pauses (id, target, reason, by_whom, begins_at, ends_at)"
        " VALUES (:id, :target, :reason, :by_whom, :begins_at, :ends_at)",
        id=made.id,
        target=target,
        reason=reason,
        by_whom=by,
        begins_at=to_us(now),
        ends_at=maybe_us(ends_at),
    )
    return made


def resume(rows: Rows, *, target: str, now: datetime) -> int:
    """End the pauses of `target` (empty: the global ones); return how many there were."""
    return rows.run(
        "UPDATE pauses SET ended_at = :now WHERE target = :target AND ended_at IS NULL"
        " AND (ends_at IS NULL OR ends_at > :now)",
        target=target,
        now=to_us(now),
    )


def pauses(rows: Rows, *, now: datetime) -> list[Pause]:
    """Return the pauses that hold now."""
    return [
        Pause(
            id=row["id"],
            target=row["target"],
            reason=row["reason"],
            by=row["by_whom"],
            begins_at=from_us(row["begins_at"]),
            ends_at=maybe_time(row["ends_at"]),
        )
        for row in rows.all(
            "SELECT id, target, reason, by_whom, begins_at, ends_at FROM pauses WHERE ended_at IS NULL"
            " AND (ends_at IS NULL OR ends_at > :now) ORDER BY begins_at, length(id), id",
            now=to_us(now),
        )
    ]


def silence(
    rows: Rows, *, matchers: Mapping[str, str], by: str, comment: str, begins_at: datetime, ends_at: datetime
) -> Silence:
    """Write a silence and return it."""
    made = Silence(
        id=f"SIL-{next_number(rows, 'silences')}",
        matchers=dict(matchers),
        by=by,
        comment=comment,
        begins_at=begins_at,
        ends_at=ends_at,
    )
    rows.run(
        "INSERT INTO silences (id, matchers_json, by_whom, comment, begins_at, ends_at)"
        " VALUES (:id, :matchers, :by_whom, :comment, :begins_at, :ends_at)",
        id=made.id,
        matchers=json.dumps(made.matchers, sort_keys=True),
        by_whom=by,
        comment=comment,
        begins_at=to_us(begins_at),
        ends_at=to_us(ends_at),
    )
    return made


def end_silence(rows: Rows, id_: str, *, now: datetime) -> bool:
    """End a silence; False when none of that id holds."""
    return bool(
        rows.run(
            "UPDATE silences SET ended_at = :now WHERE id = :id AND ended_at IS NULL AND ends_at > :now",
            id=id_,
            now=to_us(now),
        )
    )


def silences(rows: Rows, *, now: datetime) -> list[Silence]:
    """Return the silences that hold now or begin later."""
    return [
        Silence(
            id=row["id"],
            matchers=json.loads(row["matchers_json"]),
            by=row["by_whom"],
            comment=row["comment"],
            begins_at=from_us(row["begins_at"]),
            ends_at=from_us(row["ends_at"]),
        )
        for row in rows.all(
            "SELECT id, matchers_json, by_whom, comment, begins_at, ends_at FROM silences"
            " WHERE ended_at IS NULL AND ends_at > :now ORDER BY begins_at, length(id), id",
            now=to_us(now),
        )
    ]


def set_flag(rows: Rows, name: str, *, value: bool, by: str, now: datetime) -> None:
    """Switch a flag; it goes before file and environment until `clear_flag`."""
    rows.run(
        "INSERT INTO flags (name, value, by_whom, at) VALUES (:name, :value, :by_whom, :at)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, by_whom = excluded.by_whom, at = excluded.at",
        name=name,
        value=int(value),
        by_whom=by,
        at=to_us(now),
    )


def clear_flag(rows: Rows, name: str) -> None:
    """Let file and environment say again what a flag is."""
    rows.run("DELETE FROM flags WHERE name = :name", name=name)


def switches(rows: Rows) -> dict[str, tuple[bool, str, datetime]]:
    """Return the flags that were switched while running: name → (value, by whom, when)."""
    found = rows.all("SELECT name, value, by_whom, at FROM flags")
    return {row["name"]: (bool(row["value"]), row["by_whom"], from_us(row["at"])) for row in found}


def flags(rows: Rows) -> dict[str, bool]:
    """Return the flags that were switched while running."""
    return {row["name"]: bool(row["value"]) for row in rows.all("SELECT name, value FROM flags")}
