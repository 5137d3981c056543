"""The journal's rows: runs that are claimed under a lease, and the steps that each has done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact
from devops_agent.store.rows import Row, Rows, StaleError, next_number, to_us

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

_COLUMNS = "id, queue, job, key, lock_name, args_json, status, fence, claims, version, waits_on, says"

_ALIVE = "status IN ('ready', 'running', 'parked')"
"""Word for word the condition of the partial indexes: SQLite uses them for no other, equal one."""

_LOCK_IS_ITS = (
    "(lease_until >= :now OR lock_name = '' OR NOT EXISTS (SELECT 1 FROM runs o WHERE o.queue = runs.queue"
    f" AND o.lock_name = runs.lock_name AND o.id <> runs.id AND o.{_ALIVE} AND o.status = 'running'"
    " AND o.lease_until >= :now))"
)
"""While a lease was over, a run with the same lock may have begun: then this one must not go on beside it."""


class Claim(Fact, kw_only=True):
    """A run that one process may work on until its lease ends; `fence` grows with every claim."""

    id: int
    queue: str
    job: str
    key: str
    lock: str
    args_json: str
    fence: int
    claims: int
    version: str
    """The version of the code that began it."""


class StepRow(Fact, kw_only=True):
    """What the journal knows of a step."""

    name: str
    key: str
    status: str
    """`started` or `done`."""
    before_json: str
    result_json: str


def enqueue(  # noqa: PLR0913 — a job has these parts
    rows: Rows,
    queue: str,
    job: str,
    *,
    key: str,
    now: datetime,
    version: str,
    args_json: str = "{}",
    lock: str = "",
    not_before: datetime | None = None,
) -> bool:
    """Write a run to be done; False when one of the same key is still under way (it is woken instead)."""
    number = next_number(rows, "runs")
    added = rows.run(
        "INSERT INTO runs (id, queue, job, key, lock_name, args_json, status, not_before, created_at, version)"
        " VALUES (:id, :queue, :job, :key, :lock_name, :args_json, 'ready', :not_before, :now, :version)"
        f" ON CONFLICT (queue, key) WHERE {_ALIVE} DO NOTHING",
        id=number,
        queue=queue,
        job=job,
        key=key,
        lock_name=lock,
        args_json=args_json,
        not_before=to_us(not_before or now),
        now=to_us(now),
        version=version,
    )
    if not added:
        wake(rows, queue, key, now=now)
    return bool(added)


def ever(rows: Rows, queue: str, key: str) -> bool:
    """Whether there is, or was within what is kept, a run of this key, whatever became of it."""
    return rows.one("SELECT 1 AS there FROM runs WHERE queue = :queue AND key = :key", queue=queue, key=key) is not None


def claim(rows: Rows, queue: str, *, owner: str, now: datetime, lease: timedelta) -> Claim | None:
    """Take the run that has waited longest: ready, parked and due, or left behind by a process whose lease ended.

    A run with a lock waits while another run with the same lock is under way.
    """
    at = to_us(now)
    row = rows.one(
        f"SELECT {_COLUMNS} FROM runs r WHERE queue = :queue AND {_ALIVE} AND ("
        " (status IN ('ready', 'parked') AND not_before <= :at) OR (status = 'running' AND lease_until < :at))"
        " AND (lock_name = '' OR NOT EXISTS (SELECT 1 FROM runs o WHERE o.queue = r.queue AND o.lock_name = r.lock_name"
        f"  AND o.id <> r.id AND o.{_ALIVE} AND o.status = 'running' AND o.lease_until >= :at))"
        " ORDER BY not_before, id LIMIT 1",
        queue=queue,
        at=at,
    )
    if row is None:
        return None
    rows.run(
        "UPDATE runs SET status = 'running', owner = :owner, lease_until = :until, fence = fence + 1,"
        " claims = claims + 1, woken = 0, waits_on = '' WHERE id = :id",
        owner=owner,
        until=to_us(now + lease),
        id=row["id"],
    )
    return Claim(
        id=row["id"],
        queue=row["queue"],
        job=row["job"],
        key=row["key"],
        lock=row["lock_name"],
        args_json=row["args_json"],
        fence=row["fence"] + 1,
        claims=row["claims"] + 1,
        version=row["version"],
    )


def next_due(rows: Rows, queue: str) -> int | None:
    """Return when (microseconds since 1970) the next run of `queue` becomes due; None when none waits."""
    row = rows.one(
        "SELECT min(CASE WHEN status = 'running' THEN lease_until ELSE not_before END) AS due FROM runs"
        f" WHERE queue = :queue AND {_ALIVE}",
        queue=queue,
    )
    return None if row is None or row["due"] is None else int(row["due"])


def renew(rows: Rows, run: Claim, *, now: datetime, lease: timedelta) -> None:
    """Extend the lease, also one that has ended, as long as nobody took the run or its lock.

    Raises:
        StaleError: somebody did.

    """
    _fenced(
        rows.run(
            "UPDATE runs SET lease_until = :until WHERE id = :id AND fence = :fence AND status = 'running'"
            f" AND {_LOCK_IS_ITS}",
            until=to_us(now + lease),
            now=to_us(now),
            id=run.id,
            fence=run.fence,
        ),
        run,
    )


def finish(rows: Rows, run: Claim, *, ok: bool, says: str, now: datetime) -> None:
    """End a run."""
    _fenced(
        rows.run(
            "UPDATE runs SET status = :status, says = :says, finished_at = :now, owner = '', lease_until = 0"
            " WHERE id = :id AND fence = :fence AND status = 'running'",
            status="done" if ok else "failed",
            says=says,
            now=to_us(now),
            id=run.id,
            fence=run.fence,
        ),
        run,
    )


def park(rows: Rows, run: Claim, *, until: datetime, waits_on: str, failed: bool = False) -> None:
    """Put a run aside until `until`, or until `wake` is called for it; a wake-up since it was claimed counts too.

    Its claims are counted anew, unless it `failed`: many of them then mean that it fails again and again.
    """
    _fenced(
        rows.run(
            "UPDATE runs SET status = 'parked', not_before = CASE WHEN woken = 1 THEN 0 ELSE :until END,"
            " waits_on = :waits_on, owner = '', lease_until = 0, claims = CASE WHEN :failed = 1 THEN claims ELSE 0 END"
            " WHERE id = :id AND fence = :fence AND status = 'running'",
            failed=int(failed),
            until=to_us(until),
            waits_on=waits_on,
            id=run.id,
            fence=run.fence,
        ),
        run,
    )


def wake(rows: Rows, queue: str, key: str, *, now: datetime) -> bool:
    """Make a run due now: a parked one at once, one that is under way as soon as it parks."""
    return bool(
        rows.run(
            "UPDATE runs SET woken = 1, not_before = CASE WHEN not_before > :now THEN :now ELSE not_before END"
            f" WHERE queue = :queue AND key = :key AND {_ALIVE}",
            now=to_us(now),
            queue=queue,
            key=key,
        )
    )


def woken(rows: Rows, run: Claim) -> bool:
    """Return whether `wake` was called for the run since it was claimed."""
    row = rows.one("SELECT woken FROM runs WHERE id = :id", id=run.id)
    return bool(row and row["woken"])


def release(rows: Rows, queue: str, *, now: datetime, alive: Callable[[str], bool]) -> int:
    """Give back the runs whose owner is dead, without waiting for their leases to end; return how many."""
    dead = {
        row["owner"]
        for row in rows.all(
            f"SELECT DISTINCT owner FROM runs WHERE queue = :queue AND {_ALIVE} AND status = 'running'", queue=queue
        )
        if not alive(row["owner"])
    }
    return sum(
        rows.run(
            "UPDATE runs SET lease_until = 0, not_before = :now"
            f" WHERE queue = :queue AND {_ALIVE} AND status = 'running' AND owner = :owner",
            queue=queue,
            owner=owner,
            now=to_us(now),
        )
        for owner in dead
    )


def step(rows: Rows, run: Claim, name: str) -> StepRow | None:
    """Return what the journal knows of a step."""
    row = rows.one(
        "SELECT name, key, status, before_json, result_json FROM steps WHERE run = :run AND name = :name",
        run=run.id,
        name=name,
    )
    return _step(row) if row else None


def begin_step(rows: Rows, run: Claim, name: str, *, key: str, before_json: str, now: datetime) -> None:
    """Write that a step begins; a later beginning of the same step replaces the earlier.

    Raises:
        StaleError: somebody else took the run, or, after its lease had ended, its lock.

    """
    guard(rows, run)
    mine = rows.one(f"SELECT id FROM runs WHERE id = :id AND {_LOCK_IS_ITS}", id=run.id, now=to_us(now))
    _fenced(int(mine is not None), run)
    rows.run(
        "INSERT INTO steps (run, name, key, status, before_json, started_at)"
        " VALUES (:run, :name, :key, 'started', :before_json, :now)"
        " ON CONFLICT (run, name) DO UPDATE SET before_json = excluded.before_json, started_at = excluded.started_at",
        run=run.id,
        name=name,
        key=key,
        before_json=before_json,
        now=to_us(now),
    )


def end_step(rows: Rows, run: Claim, name: str, *, key: str, result_json: str, now: datetime) -> None:
    """Write that a step is done, with its result."""
    guard(rows, run)
    rows.run(
        "INSERT INTO steps (run, name, key, status, result_json, started_at, ended_at)"
        " VALUES (:run, :name, :key, 'done', :result_json, :now, :now)"
        " ON CONFLICT (run, name) DO UPDATE SET status = 'done', result_json = excluded.result_json,"
        " ended_at = excluded.ended_at",
        run=run.id,
        name=name,
        key=key,
        result_json=result_json,
        now=to_us(now),
    )


def running(rows: Rows, queue: str, *, now: datetime) -> int:
    """Return how many runs of `queue` are under way under a living lease."""
    row = rows.one(
        f"SELECT count(*) AS n FROM runs WHERE queue = :queue AND {_ALIVE} AND status = 'running'"
        " AND lease_until >= :now",
        queue=queue,
        now=to_us(now),
    )
    return int(row["n"]) if row else 0


def forget(rows: Rows, *, finished_before: datetime, rounds_before: datetime) -> int:
    """Delete finished runs that are older, with their steps; return how many.

    Of a run that only waits, another round begins every few seconds: those that ended for another count as `rounds`.
    """
    return rows.run(
        "DELETE FROM runs WHERE status IN ('done', 'failed')"
        " AND (finished_at < :at OR (status = 'done' AND says <> '' AND finished_at < :rounds_at))",
        at=to_us(finished_before),
        rounds_at=to_us(rounds_before),
    )


def guard(rows: Rows, run: Claim) -> None:
    """Keep a transaction from being written for a run that another process has by now.

    Raises:
        StaleError: one has.

    """
    row = rows.one("SELECT fence, status FROM runs WHERE id = :id", id=run.id)
    _fenced(int(row is not None and row["fence"] == run.fence and row["status"] == "running"), run)


def _fenced(changed: int, run: Claim) -> None:
    if not changed:
        message = f"run {run.id} is another process's now (token {run.fence} is old)"
        raise StaleError(message)


def _step(row: Row) -> StepRow:
    return StepRow(
        name=row["name"],
        key=row["key"],
        status=row["status"],
        before_json=row["before_json"],
        result_json=row["result_json"],
    )
