"""Approvals as rows: asked once for a plan's digest, answered once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.decision import Answer, Approval
from devops_agent.store.rows import Row, Rows, from_us, maybe_time, next_number, to_us

if TYPE_CHECKING:
    from datetime import datetime

_COLUMNS = "id, incident, digest, summary, answer, asked_at, expires_at, answered_at, answered_by, comment"


def ask(rows: Rows, *, incident: str, digest: str, summary: str, now: datetime, expires_at: datetime) -> Approval:
    """Write a question; when the same one waits and has time left, return that one."""
    waiting = rows.one(
        f"SELECT {_COLUMNS} FROM approvals WHERE incident = :incident AND digest = :digest AND answer = 'pending'"
        " AND expires_at > :now",
        incident=incident,
        digest=digest,
        now=to_us(now),
    )
    if waiting:
        return _approval(waiting)
    id_ = f"APR-{next_number(rows, 'approvals')}"
    rows.run(
        "INSERT INTO approvals (id, incident, digest, summary, answer, asked_at, expires_at)"
        " VALUES (:id, :incident, :digest, :summary, 'pending', :now, :expires_at)",
        id=id_,
        incident=incident,
        digest=digest,
        summary=summary,
        now=to_us(now),
        expires_at=to_us(expires_at),
    )
    approval = get(rows, id_)
    assert approval is not None  # noqa: S101 — just written
    return approval


def get(rows: Rows, id_: str) -> Approval | None:
    """Return an approval."""
    row = rows.one(f"SELECT {_COLUMNS} FROM approvals WHERE id = :id", id=id_)
    return _approval(row) if row else None


def answer(rows: Rows, id_: str, given: Answer, *, by: str, comment: str, now: datetime) -> bool:
    """Write the answer if none was given and it has not expired; False otherwise."""
    return bool(
        rows.run(
            "UPDATE approvals SET answer = :answer, answered_at = :now, answered_by = :by_whom, comment = :comment"
            " WHERE id = :id AND answer = 'pending' AND expires_at > :now",
            id=id_,
            answer=given.value,
            by_whom=by,
            comment=comment,
            now=to_us(now),
        )
    )


def expire(rows: Rows, *, now: datetime) -> list[Approval]:
    """End the questions whose time is over; return them."""
    over = rows.all(f"SELECT {_COLUMNS} FROM approvals WHERE answer = 'pending' AND expires_at <= :now", now=to_us(now))
    rows.run(
        "UPDATE approvals SET answer = 'expired', answered_at = :now WHERE answer = 'pending' AND expires_at <= :now",
        now=to_us(now),
    )
    return [_approval(row) for row in over]


def withdraw(rows: Rows, incident: str, *, now: datetime) -> None:
    """Take back the questions of an incident that needs no answer any more."""
    rows.run(
        "UPDATE approvals SET answer = 'withdrawn', answered_at = :now"
        " WHERE incident = :incident AND answer = 'pending'",
        incident=incident,
        now=to_us(now),
    )


def pending(rows: Rows) -> list[Approval]:
    """Return the questions that wait, oldest first."""
    return [
        _approval(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM approvals WHERE answer = 'pending' ORDER BY asked_at, length(id), id"
        )
    ]


def count_pending(rows: Rows) -> int:
    """Return how many questions wait."""
    row = rows.one("SELECT count(*) AS n FROM approvals WHERE answer = 'pending'")
    return int(row["n"]) if row else 0


def of_incident(rows: Rows, incident: str) -> list[Approval]:
    """Return an incident's questions, oldest first."""
    return [
        _approval(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM approvals WHERE incident = :incident ORDER BY asked_at, length(id), id",
            incident=incident,
        )
    ]


def latest(rows: Rows, *, limit: int = 100) -> list[Approval]:
    """Return the questions last asked, newest first."""
    return [
        _approval(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM approvals ORDER BY asked_at DESC, length(id) DESC, id DESC LIMIT :limit",
            limit=limit,
        )
    ]


def _approval(row: Row) -> Approval:
    return Approval(
        id=row["id"],
        incident=row["incident"],
        digest=row["digest"],
        summary=row["summary"],
        answer=Answer(row["answer"]),
        asked_at=from_us(row["asked_at"]),
        expires_at=from_us(row["expires_at"]),
        answered_at=maybe_time(row["answered_at"]),
        by=row["answered_by"],
        comment=row["comment"],
    )
