"""Signs of life: the roles' own, and the alerting's (the alert that always fires)."""

from datetime import datetime
from typing import Any

import msgspec

from devops_agent.model.fact import Fact, to_json
from devops_agent.store.rows import Row, Rows, from_us, to_us

WATCHDOG = "watchdog"


class Heartbeat(Fact, kw_only=True):
    """When a role was last alive, and what it said of itself."""

    role: str
    pid: int
    version: str
    started_at: datetime
    at: datetime
    data: dict[str, Any] = {}


def beat(rows: Rows, beat_: Heartbeat) -> None:
    """Write a sign of life."""
    rows.run(
        "INSERT INTO heartbeats (role, pid, version, started_at, at, data_json)"
        " VALUES (:role, :pid, :version, :started_at, :at, :data_json) ON CONFLICT (role) DO UPDATE SET"
        " pid = excluded.pid, version = excluded.version, started_at = excluded.started_at, at = excluded.at,"
        " data_json = excluded.data_json",
        role=beat_.role,
        pid=beat_.pid,
        version=beat_.version,
        started_at=to_us(beat_.started_at),
        at=to_us(beat_.at),
        data_json=to_json(beat_.data),
    )


def all_(rows: Rows) -> dict[str, Heartbeat]:
    """Return role → its last sign of life."""
    return {row["role"]: _beat(row) for row in rows.all("SELECT * FROM heartbeats")}


def _beat(row: Row) -> Heartbeat:
    return Heartbeat(
        role=row["role"],
        pid=row["pid"],
        version=row["version"],
        started_at=from_us(row["started_at"]),
        at=from_us(row["at"]),
        data=msgspec.json.decode(row["data_json"]),
    )
