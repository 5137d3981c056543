"""Escalations as rows: what needs a person, and who was told so far; at most one living one for an incident."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from devops_agent.model.alert import Severity
from devops_agent.model.escalation import Climb, Escalation
from devops_agent.store.rows import Row, Rows, from_us, maybe_time, maybe_us, next_number, to_us

if TYPE_CHECKING:
    from datetime import datetime

_COLUMNS = (
    "id, incident, notice, severity, policy, tell_json, state, rung, round, reminders, climb_at, remind_at, handed_to,"
    " by_whom, says, began_at, ended_at"
)
_LIVING = "ended_at IS NULL"
"""Word for word the condition of the partial index."""


def add(rows: Rows, escalation: Escalation) -> Escalation:
    """Write a new escalation; return it with its number."""
    made = escalation.with_(id=next_number(rows, "escalations"))
    names = _COLUMNS.replace(" ", "").split(",")
    rows.run(f"INSERT INTO escalations ({_COLUMNS}) VALUES (:{', :'.join(names)})", **_values(made))
    return made


def write(rows: Rows, escalation: Escalation) -> bool:
    """Write where it stands now, unless it ended in between."""
    values = _values(escalation)
    names = [name for name in values if name not in ("id", "incident", "notice", "began_at")]
    changes = ", ".join(f"{name} = :{name}" for name in names)
    kept = {name: values[name] for name in (*names, "id")}
    return bool(rows.run(f"UPDATE escalations SET {changes} WHERE id = :id AND {_LIVING}", **kept))


def living(rows: Rows, incident: str) -> Escalation | None:
    """Return the escalation of an incident that still waits for a person."""
    row = rows.one(f"SELECT {_COLUMNS} FROM escalations WHERE incident = :incident AND {_LIVING}", incident=incident)
    return _escalation(row) if row else None


def latest(rows: Rows, incident: str) -> Escalation | None:
    """Return the last escalation of an incident, ended or not."""
    row = rows.one(
        f"SELECT {_COLUMNS} FROM escalations WHERE incident = :incident ORDER BY id DESC LIMIT 1", incident=incident
    )
    return _escalation(row) if row else None


def every_living(rows: Rows, *, limit: int = 1_000) -> list[Escalation]:
    """Return what waits for a person, oldest first."""
    return [
        _escalation(row)
        for row in rows.all(f"SELECT {_COLUMNS} FROM escalations WHERE {_LIVING} ORDER BY id LIMIT :limit", limit=limit)
    ]


def pressing(rows: Rows, *, now: datetime, limit: int = 1_000) -> list[Escalation]:
    """Return those that are due, then those whose incident may need nobody any more, oldest first."""
    columns = ", ".join(f"e.{name}" for name in _COLUMNS.replace(" ", "").split(","))
    return [
        _escalation(row)
        for row in rows.all(
            f"SELECT {columns} FROM escalations e LEFT JOIN incidents i ON i.id = e.incident WHERE e.ended_at IS NULL"
            " AND (e.climb_at <= :now OR e.remind_at <= :now OR i.status IS NULL OR i.status <> 'escalated')"
            " ORDER BY CASE WHEN e.climb_at <= :now OR e.remind_at <= :now THEN 0 ELSE 1 END, e.id LIMIT :limit",
            now=to_us(now),
            limit=limit,
        )
    ]


def newest(rows: Rows, *, limit: int = 100) -> list[Escalation]:
    """Return the newest first, ended or not."""
    return [
        _escalation(row)
        for row in rows.all(f"SELECT {_COLUMNS} FROM escalations ORDER BY id DESC LIMIT :limit", limit=limit)
    ]


def next_due(rows: Rows) -> datetime | None:
    """Return when the next rung or reminder is due; None when nothing waits for a person."""
    row = rows.one(
        "SELECT min(CASE WHEN climb_at IS NOT NULL AND climb_at < remind_at THEN climb_at ELSE remind_at END) AS at"
        f" FROM escalations WHERE {_LIVING}"
    )
    return maybe_time(row["at"]) if row else None


def forget(rows: Rows, *, ended_before: datetime) -> int:
    """Delete those that ended earlier; return how many."""
    return rows.run("DELETE FROM escalations WHERE ended_at IS NOT NULL AND ended_at < :at", at=to_us(ended_before))


def _values(one: Escalation) -> dict[str, object]:
    return {
        "id": one.id,
        "incident": one.incident,
        "notice": one.notice,
        "severity": one.severity.value,
        "policy": one.policy,
        "tell_json": json.dumps(one.tell),
        "state": one.state.value,
        "rung": one.rung,
        "round": one.round,
        "reminders": one.reminders,
        "climb_at": maybe_us(one.climb_at),
        "remind_at": to_us(one.remind_at),
        "handed_to": one.handed_to,
        "by_whom": one.by,
        "says": one.says,
        "began_at": to_us(one.began_at),
        "ended_at": maybe_us(one.ended_at),
    }


def _escalation(row: Row) -> Escalation:
    return Escalation(
        id=row["id"],
        incident=row["incident"],
        notice=row["notice"],
        severity=Severity(row["severity"]),
        policy=row["policy"],
        tell=tuple(json.loads(row["tell_json"])),
        state=Climb(row["state"]),
        rung=row["rung"],
        round=row["round"],
        reminders=row["reminders"],
        climb_at=maybe_time(row["climb_at"]),
        remind_at=from_us(row["remind_at"]),
        handed_to=row["handed_to"],
        by=row["by_whom"],
        says=row["says"],
        began_at=from_us(row["began_at"]),
        ended_at=maybe_time(row["ended_at"]),
    )
