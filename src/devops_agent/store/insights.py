"""Insights as rows: one closer look for each incident, the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.fact import from_json, to_json
from devops_agent.model.insight import Insight
from devops_agent.store.rows import Row, Rows, maybe_time, to_us

if TYPE_CHECKING:
    from datetime import datetime, timedelta


def ask(rows: Rows, incident: str, *, attempts: int, now: datetime, fresh: timedelta) -> bool:
    """Note that a closer look is wanted; False when one was asked for within `fresh` and nothing was tried since."""
    return bool(
        rows.run(
            "INSERT INTO insights (incident, attempts, asked_at) VALUES (:incident, :attempts, :now)"
            " ON CONFLICT (incident) DO UPDATE SET attempts = excluded.attempts, asked_at = excluded.asked_at,"
            " at = NULL, insight_json = ''"
            " WHERE insights.attempts <> excluded.attempts OR insights.asked_at < :stale",
            incident=incident,
            attempts=attempts,
            now=to_us(now),
            stale=to_us(now - fresh),
        )
    )


def asked_at(rows: Rows, incident: str) -> datetime | None:
    """Return when the latest closer look was asked for; None when none was."""
    row = rows.one("SELECT asked_at FROM insights WHERE incident = :incident", incident=incident)
    return maybe_time(row["asked_at"]) if row else None


def keep(rows: Rows, insight: Insight) -> None:
    """Write what a closer look found; it replaces what an earlier one had."""
    rows.run(
        "INSERT INTO insights (incident, attempts, asked_at, at, insight_json) VALUES (:incident, 0, :at, :at, :json)"
        " ON CONFLICT (incident) DO UPDATE SET at = excluded.at, insight_json = excluded.insight_json",
        incident=insight.incident,
        at=to_us(insight.at),
        json=to_json(insight),
    )


def get(rows: Rows, incident: str) -> Insight | None:
    """Return what the latest closer look found; None while it is under way, or when none was asked for."""
    row = rows.one("SELECT insight_json FROM insights WHERE incident = :incident", incident=incident)
    return _insight(row) if row else None


def drop(rows: Rows, incident: str) -> None:
    """Forget what was found: it does not hold any more."""
    rows.run("DELETE FROM insights WHERE incident = :incident", incident=incident)


def forget(rows: Rows, *, asked_before: datetime) -> int:
    """Delete older ones; return how many."""
    return rows.run("DELETE FROM insights WHERE asked_at < :at", at=to_us(asked_before))


def _insight(row: Row) -> Insight | None:
    return from_json(row["insight_json"], Insight) if row["insight_json"] else None
