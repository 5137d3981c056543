"""Attempts: plans that were decided on and what came of them; and every single action that was executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.attempt import ActionDone, Attempt, Outcome, Success
from devops_agent.model.decision import Decision
from devops_agent.model.fact import from_json, to_json
from devops_agent.model.runbook import Plan
from devops_agent.store.rows import Row, Rows, from_us, maybe_time, next_number, to_us

if TYPE_CHECKING:
    from datetime import datetime

_COLUMNS = (
    "id, incident, target, target_group, kind, runbook, risk, digest, plan_json, decision_json, decided_at, started_at,"
    " ended_at, outcome, ordered, says, version"
)

_ACTION = "key, attempt, incident, target, kind, action, step, started_at, ended_at, ok, verified, says"


def keep(rows: Rows, attempt: Attempt) -> Attempt:
    """Write a new attempt, giving it its id."""
    numbered = attempt.with_(id=f"ATT-{next_number(rows, 'attempts')}")
    rows.run(
        f"INSERT INTO attempts ({_COLUMNS}) VALUES (:id, :incident, :target, :target_group, :kind, :runbook, :risk,"
        " :digest, :plan_json, :decision_json, :decided_at, NULL, NULL, :outcome, :ordered, :says, :version)",
        id=numbered.id,
        incident=numbered.incident,
        target=numbered.target,
        target_group=numbered.group,
        kind=numbered.kind,
        runbook=numbered.plan.runbook,
        risk=numbered.risk,
        digest=numbered.plan.digest,
        plan_json=to_json(numbered.plan),
        decision_json=to_json(numbered.decision),
        decided_at=to_us(numbered.decided_at),
        outcome=numbered.outcome.value,
        ordered=int(numbered.ordered),
        says=numbered.says,
        version=numbered.version,
    )
    return numbered


def start(rows: Rows, id_: str, *, now: datetime) -> None:
    """Note that the plan begins to be carried out; the first beginning counts."""
    rows.run(
        "UPDATE attempts SET started_at = coalesce(started_at, :now), outcome = 'started' WHERE id = :id",
        now=to_us(now),
        id=id_,
    )


def end(rows: Rows, id_: str, outcome: Outcome, *, says: str, now: datetime) -> None:
    """Note what came of it."""
    rows.run(
        "UPDATE attempts SET outcome = :outcome, says = :says, ended_at = :now WHERE id = :id",
        outcome=outcome.value,
        says=says,
        now=to_us(now),
        id=id_,
    )


def get(rows: Rows, id_: str) -> Attempt | None:
    """Return an attempt."""
    row = rows.one(f"SELECT {_COLUMNS} FROM attempts WHERE id = :id", id=id_)
    return _attempt(row) if row else None


def of_incident(rows: Rows, incident: str) -> list[Attempt]:
    """Return an incident's attempts, oldest first."""
    return [
        _attempt(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM attempts WHERE incident = :incident ORDER BY decided_at, length(id), id",
            incident=incident,
        )
    ]


def started_since(rows: Rows, since: datetime, *, target: str = "", limit: int = 1_000) -> list[Attempt]:
    """Return the plans that began to be carried out since then, on `target` or on any, oldest first."""
    return [
        _attempt(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM attempts WHERE started_at >= :since AND (:target = '' OR target = :target)"
            " ORDER BY started_at LIMIT :limit",
            since=to_us(since),
            target=target,
            limit=limit,
        )
    ]


def forget_undone(rows: Rows, *, decided_before: datetime) -> int:
    """Delete older plans that were never carried out; return how many. The timeline still tells the decisions."""
    return rows.run(
        "DELETE FROM attempts WHERE started_at IS NULL AND ended_at IS NOT NULL AND decided_at < :at",
        at=to_us(decided_before),
    )


def record_action(rows: Rows, done: ActionDone) -> None:
    """Write an executed action; the same key again replaces what was known of it."""
    rows.run(
        "INSERT INTO actions (key, attempt, incident, target, kind, action, step, started_at, ended_at, ok, verified,"
        " undone, says) VALUES (:key, :attempt, :incident, :target, :kind, :action, :step, :started_at, :ended_at, :ok,"
        " :verified, 0, :says) ON CONFLICT (key) DO UPDATE SET ok = excluded.ok, verified = excluded.verified,"
        " ended_at = excluded.ended_at, says = excluded.says",
        key=done.key,
        attempt=done.attempt,
        incident=done.incident,
        target=done.target,
        kind=done.kind,
        action=done.action,
        step=done.step,
        started_at=to_us(done.started_at),
        ended_at=to_us(done.ended_at),
        ok=int(done.ok),
        verified=int(done.verified),
        says=done.says,
    )


def actions_of(rows: Rows, incident: str) -> list[ActionDone]:
    """Return the actions that were executed for an incident, oldest first."""
    return [
        _action(row)
        for row in rows.all(
            f"SELECT {_ACTION} FROM actions WHERE incident = :incident ORDER BY started_at, key", incident=incident
        )
    ]


def actions_on(rows: Rows, target: str, *, since: datetime, limit: int = 100) -> list[ActionDone]:
    """Return the actions that were executed on a target since then, newest first."""
    return [
        _action(row)
        for row in rows.all(
            f"SELECT {_ACTION} FROM actions WHERE target = :target AND started_at >= :since"
            " ORDER BY started_at DESC LIMIT :limit",
            target=target,
            since=to_us(since),
            limit=limit,
        )
    ]


def mark_undone(rows: Rows, key: str) -> None:
    """Note that an action was taken back."""
    rows.run("UPDATE actions SET undone = 1 WHERE key = :key", key=key)


def success(rows: Rows, *, target: str = "") -> list[Success]:
    """Return success statistics by action, fault class and target."""
    there = " WHERE target = :target" if target else ""
    return [
        Success(
            action=row["action"],
            kind=row["kind"],
            target=row["target"],
            done=int(row["done"]),
            ok=int(row["ok"]),
            verified=int(row["verified"]),
            undone=int(row["undone"]),
            mean_seconds=float(row["mean_us"] or 0) / 1e6,
        )
        for row in rows.all(
            "SELECT action, kind, target, count(*) AS done, sum(ok) AS ok, sum(verified) AS verified,"
            " sum(undone) AS undone, avg(ended_at - started_at) AS mean_us FROM actions"
            f"{there} GROUP BY action, kind, target ORDER BY action, kind, target",
            target=target,
        )
    ]


def _action(row: Row) -> ActionDone:
    return ActionDone(
        key=row["key"],
        attempt=row["attempt"],
        incident=row["incident"],
        target=row["target"],
        kind=row["kind"],
        action=row["action"],
        step=row["step"],
        started_at=from_us(row["started_at"]),
        ended_at=from_us(row["ended_at"]),
        ok=bool(row["ok"]),
        verified=bool(row["verified"]),
        says=row["says"],
    )


def _attempt(row: Row) -> Attempt:
    return Attempt(
        id=row["id"],
        incident=row["incident"],
        target=row["target"],
        group=row["target_group"],
        kind=row["kind"],
        risk=row["risk"],
        plan=from_json(row["plan_json"], Plan),
        decision=from_json(row["decision_json"], Decision),
        decided_at=from_us(row["decided_at"]),
        started_at=maybe_time(row["started_at"]),
        ended_at=maybe_time(row["ended_at"]),
        outcome=Outcome(row["outcome"]),
        ordered=bool(row["ordered"]),
        says=row["says"],
        version=row["version"],
    )
