"""The janitor: what it leaves, and what it sweeps away."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.config.settings import Settings
from devops_agent.engine.commands import RUNS
from devops_agent.kit.testing import START
from devops_agent.loops.janitor import KEEP, Janitor
from devops_agent.model.alert import Severity
from devops_agent.model.evidence import Evidence
from devops_agent.model.notice import Notice
from devops_agent.store import Store, evidence, open_store, outbox, runs
from devops_agent.store.rows import Rows

HOUR = timedelta(hours=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as opened:
        yield opened


def janitor(store: Store) -> Janitor:
    async def take_in(batch: object) -> None:
        raise AssertionError(batch)

    return Janitor(store=store, settings=Settings, receive=take_in, seen_before=lambda: START)  # type: ignore[arg-type]


async def test_old_evidence_and_old_notices_are_deleted_and_new_ones_stay(store: Store) -> None:
    moments = (START, START + 2 * HOUR)

    def write(rows: Rows) -> None:
        evidence.keep(rows, "INC-1", [Evidence(source="fake", name="state", value=False, at=at) for at in moments])
        for at in moments:
            message = {"title": "api is down"}
            outbox.put(
                rows,
                Notice(
                    key=str(at), incident="", kind="storm", severity=Severity.CRITICAL, message=message, created_at=at
                ),
            )

    await store.write(write)
    await janitor(store).sweep(START + KEEP + HOUR)
    assert [piece.at for piece in await store.read(lambda rows: evidence.of_incident(rows, "INC-1"))] == [moments[1]]
    assert [notice.created_at for notice in await store.read(outbox.latest)] == [moments[1]]


async def test_rounds_that_only_wait_are_forgotten_after_a_day_but_not_how_a_run_ended(store: Store) -> None:
    def write(rows: Rows) -> None:
        for says in ("something to wait for", ""):
            runs.enqueue(rows, RUNS, "respond", key="INC-1", now=START, version="1")
            claim = runs.claim(rows, RUNS, owner="agent", now=START, lease=HOUR)
            assert claim is not None
            runs.finish(rows, claim, ok=True, says=says, now=START)

    def says(rows: Rows) -> list[str]:
        return [str(row["says"]) for row in rows.all("SELECT says FROM runs ORDER BY id")]

    await store.write(write)
    await janitor(store).sweep(START + 2 * HOUR)
    assert await store.read(says) == ["something to wait for", ""]
    await janitor(store).sweep(START + 25 * HOUR)
    assert await store.read(says) == [""]
