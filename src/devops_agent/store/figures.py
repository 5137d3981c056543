"""Counts for the metrics: each is one pass over a table that stays small, or over an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact
from devops_agent.store.rows import to_us

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows


class Day(Fact, kw_only=True):
    """What happened within a time."""

    opened: int
    resolved: int
    escalated: int
    """Incidents handed to people, as often as they were."""
    healed: int
    """Plans that healed."""
    failed: int
    """Plans that ran and did not."""
    minutes: float
    """Mean time from opening to resolution, of those that were resolved."""


def actions_by_result(rows: Rows) -> dict[tuple[str, str], int]:
    """Return (action, result) → how often; results are `failed`, `done` (no proof seen), `verified` and `undone`."""
    return {
        (row["action"], row["result"]): int(row["n"])
        for row in rows.all(
            "SELECT action, CASE WHEN undone = 1 THEN 'undone' WHEN ok = 0 THEN 'failed'"
            " WHEN verified = 1 THEN 'verified' ELSE 'done' END AS result, count(*) AS n"
            " FROM actions GROUP BY action, result"
        )
    }


def failed_deliveries(rows: Rows, *, since: datetime) -> int:
    """Return how many messages a channel has refused for good since then."""
    row = rows.one(
        "SELECT count(*) AS n FROM deliveries WHERE stage = 'failed' AND ended_at >= :since", since=to_us(since)
    )
    return int(row["n"]) if row else 0


def day(rows: Rows, *, begin: datetime, end: datetime) -> Day:
    """Return what happened from `begin` until before `end`."""
    span = {"begin": to_us(begin), "end": to_us(end)}
    opened = rows.one("SELECT count(*) AS n FROM incidents WHERE opened_at >= :begin AND opened_at < :end", **span)
    resolved = rows.one(
        "SELECT count(*) AS n, avg(resolved_at - opened_at) AS us FROM incidents"
        " WHERE resolved_at >= :begin AND resolved_at < :end",
        **span,
    )
    escalated = rows.one(
        "SELECT count(*) AS n FROM events WHERE kind = 'escalated' AND at >= :begin AND at < :end", **span
    )
    plans = rows.one(
        "SELECT sum(CASE WHEN outcome = 'healed' THEN 1 ELSE 0 END) AS healed,"
        " sum(CASE WHEN outcome IN ('failed', 'undone', 'unclear') THEN 1 ELSE 0 END) AS failed"
        " FROM attempts WHERE started_at IS NOT NULL AND ended_at >= :begin AND ended_at < :end",
        **span,
    )
    assert opened and resolved and escalated and plans  # noqa: S101, PT018 — aggregates always return a row
    return Day(
        opened=int(opened["n"]),
        resolved=int(resolved["n"]),
        escalated=int(escalated["n"]),
        healed=int(plans["healed"] or 0),
        failed=int(plans["failed"] or 0),
        minutes=float(resolved["us"] or 0) / 60e6,
    )
