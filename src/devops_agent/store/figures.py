"""Counts for the metrics: each is one pass over a table that stays small, or over an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows


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


def notices_by_result(rows: Rows) -> dict[tuple[str, str], int]:
    """Return (kind, result) → how many notices; results are `sent` and `waiting`."""
    return {
        (row["kind"], row["result"]): int(row["n"])
        for row in rows.all(
            "SELECT kind, CASE WHEN sent_at IS NULL THEN 'waiting' ELSE 'sent' END AS result, count(*) AS n"
            " FROM outbox GROUP BY kind, result"
        )
    }
