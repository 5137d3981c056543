"""The queries that run most often find their rows by an index, however many rows there are."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.alert import Alert, AlertStatus
from devops_agent.store import alerts, approvals, events, incidents, learning, open_store, runs
from devops_agent.store.rows import Row, Rows
from tests.store.connecting import connect
from tests.store.test_runs import LEASE

ALERT = Alert(fingerprint="f", status=AlertStatus.FIRING, labels={}, starts_at=START, source="s")
HOT: dict[str, Callable[[Rows], object]] = {
    "alerts.find": lambda rows: alerts.find(rows, ALERT),
    "alerts.firing_since": lambda rows: alerts.firing_since(rows, "f"),
    "alerts.of_incident": lambda rows: alerts.of_incident(rows, "INC-1"),
    "alerts.counts": lambda rows: alerts.counts(rows, "INC-1"),
    "runs.claim": lambda rows: runs.claim(rows, "q", owner="o", now=START, lease=LEASE),
    "runs.next_due": lambda rows: runs.next_due(rows, "q"),
    "runs.running": lambda rows: runs.running(rows, "q", now=START),
    "runs.release": lambda rows: runs.release(rows, "q", now=START, alive=bool),
    "runs.wake": lambda rows: runs.wake(rows, "q", "k", now=START),
    "incidents.latest_of_cause": lambda rows: incidents.latest_of_cause(rows, target="t", cause_group="g", since=START),
    "incidents.open_of_targets": lambda rows: incidents.open_of_targets(rows, ["t"], cause_group="g"),
    "incidents.open_ones": incidents.open_ones,
    "incidents.page": incidents.page,
    "events.of_incident": lambda rows: events.of_incident(rows, "INC-1"),
    "events.after": lambda rows: events.after(rows, 7),
    "learning.of_kind": lambda rows: learning.of_kind(rows, "down", besides="t", since=START),
    "learning.of_target": lambda rows: learning.of_target(rows, "t", "down", since=START),
    "learning.waited": lambda rows: learning.waited(rows, "down", target="t", since=START),
    "learning.calibration": lambda rows: learning.calibration(rows, since=START),
    "learning.predictions": lambda rows: learning.predictions(rows, "INC-1"),
    "learning.judge": lambda rows: learning.judge(rows, "INC-1", "down", right=True),
    "learning.relapse": lambda rows: learning.relapse(rows, "INC-1"),
    "approvals.expire": lambda rows: approvals.expire(rows, now=START),
    "approvals.ask": lambda rows: approvals.ask(
        rows, incident="INC-1", digest="d", summary="", now=START, expires_at=START
    ),
}


class Explaining:
    """Rows that note the plan of every statement before they run it."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.plans: list[str] = []

    def all(self, sql: str, **values: object) -> list[Row]:
        self._explain(sql, values)
        return self._rows.all(sql, **values)

    def one(self, sql: str, **values: object) -> Row | None:
        self._explain(sql, values)
        return self._rows.one(sql, **values)

    def run(self, sql: str, **values: object) -> int:
        self._explain(sql, values)
        return self._rows.run(sql, **values)

    def many(self, sql: str, values: Iterable[Mapping[str, object]]) -> None:
        for one in values:
            self.run(sql, **one)

    @property
    def distance(self) -> str:
        return self._rows.distance

    def _explain(self, sql: str, values: dict[str, object]) -> None:
        self.plans += [str(row["detail"]) for row in self._rows.all(f"EXPLAIN QUERY PLAN {sql}", **values)]


@pytest.mark.parametrize("query", HOT)
async def test_a_hot_query_reads_no_whole_table(tmp_path: Path, query: str) -> None:
    url = f"sqlite:///{tmp_path}/agent.db"
    await (await open_store(url)).close()
    connection = connect(url)
    explaining = Explaining(connection)
    HOT[query](explaining)
    connection.close()
    assert explaining.plans, "it asked nothing"
    whole = [plan for plan in explaining.plans if plan.startswith("SCAN") and "USING" not in plan]
    assert whole == []
