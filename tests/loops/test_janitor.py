"""The janitor: what it leaves, and what it sweeps away."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.config.settings import Settings
from devops_agent.engine.commands import RUNS
from devops_agent.kit.testing import START
from devops_agent.loops.janitor import KEEP, KEEP_LEARNT, KEEP_REPORTS, KEEP_TOLD, Janitor
from devops_agent.model.alert import Severity
from devops_agent.model.attempt import Outcome
from devops_agent.model.evidence import Evidence
from devops_agent.model.knowledge import Document
from devops_agent.model.learning import Tried
from devops_agent.model.notice import Notice
from devops_agent.model.prediction import Prediction
from devops_agent.store import Store, evidence, knowledge, learning, open_store, outbox, runs
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
    assert len(await store.read(outbox.latest)) == 2
    await janitor(store).sweep(START + KEEP_TOLD + HOUR)
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


async def test_what_was_learnt_is_forgotten_when_it_counts_for_nothing_any_more(store: Store) -> None:
    memory = Settings().learning.memory

    def write(rows: Rows) -> None:
        for number, at in enumerate((START, START + 2 * HOUR)):
            tried = Tried(
                at=at, incident=f"INC-{number}", target="api", kind="down", runbook="r", outcome=Outcome.HEALED
            )
            learning.keep_trial(rows, f"ATT-{number}", tried)
            learning.keep_wait(rows, f"INC-{number}", target="api", kind="down", recovered=True, now=at)
            made = Prediction(
                incident=f"INC-{number}", target="api", source="rules", kind="down", raw=0.9, published=0.9, at=at
            )
            learning.predict(rows, made)

    def counts(rows: Rows) -> list[int]:
        tables = ("trials", "waits", "predictions")
        return [int(rows.all(f"SELECT count(*) AS n FROM {table}")[0]["n"]) for table in tables]  # noqa: S608 — from above

    await store.write(write)
    await janitor(store).sweep(START + memory + HOUR)
    assert await store.read(counts) == [2, 2, 2]
    await janitor(store).sweep(START + memory + KEEP_LEARNT + HOUR)
    assert await store.read(counts) == [1, 1, 1]


async def test_texts_of_incidents_are_forgotten_after_a_year_and_those_of_runbooks_stay(store: Store) -> None:
    def write(rows: Rows) -> None:
        for kind in ("incident", "runbook"):
            knowledge.keep(rows, Document(id=kind, kind=kind, model="m", vector=(1.0,), says="x", at=START))

    await store.write(write)
    await janitor(store).sweep(START + KEEP_REPORTS + HOUR)
    assert await store.read(lambda rows: knowledge.get(rows, "incident")) is None
    assert await store.read(lambda rows: knowledge.get(rows, "runbook")) is not None
