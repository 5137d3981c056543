"""Evidence as rows, kept with the incident that it speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.evidence import Evidence
from devops_agent.model.fact import from_json, to_json
from devops_agent.store.rows import Rows, next_number, to_us

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def keep(rows: Rows, incident: str, seen: Iterable[Evidence]) -> list[Evidence]:
    """Write evidence, giving each piece the id by which claims cite it."""
    kept = [piece.with_(id=f"EV-{next_number(rows, 'evidence')}") for piece in seen]
    rows.many(
        "INSERT INTO evidence (id, incident, at, evidence_json) VALUES (:id, :incident, :at, :evidence_json)",
        [
            {"id": piece.id, "incident": incident, "at": to_us(piece.at), "evidence_json": to_json(piece)}
            for piece in kept
        ],
    )
    return kept


def of_incident(rows: Rows, incident: str, *, limit: int = 500) -> list[Evidence]:
    """Return an incident's evidence, oldest first."""
    return [
        from_json(row["evidence_json"], Evidence)
        for row in rows.all(
            "SELECT evidence_json FROM evidence WHERE incident = :incident ORDER BY at, length(id), id LIMIT :limit",
            incident=incident,
            limit=limit,
        )
    ]


def forget(rows: Rows, *, seen_before: datetime) -> int:
    """Delete evidence that is older; return how many pieces."""
    return rows.run("DELETE FROM evidence WHERE at < :at", at=to_us(seen_before))
