"""The herald: who burns too fast is told once, and reports are made when they are due."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from devops_agent.config.settings import Settings
from devops_agent.engine import calendar
from devops_agent.kit.testing import START
from devops_agent.loops.herald import Herald
from devops_agent.model.alert import Severity
from devops_agent.model.reading import FIVE_MINUTES, Bucket
from devops_agent.model.target import Target
from devops_agent.store import Store, open_store, outbox, readings, runs
from devops_agent.store.rows import Rows

API = Target(name="api", objective=0.999)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as opened:
        yield opened


def herald(store: Store, *, watched: tuple[Target, ...] = (API,)) -> Herald:
    return Herald(store=store, settings=Settings, watched=lambda: watched, version="test")


async def live(store: Store, until: datetime, *, minutes: int, well: bool) -> None:
    """Let the target have been so for some minutes."""
    told = [
        Bucket(
            at=until - number * FIVE_MINUTES, lasts=FIVE_MINUTES, well_seconds=300.0 if well else 0.0, seen_seconds=300
        )
        for number in range(1, minutes // 5 + 1)
    ]
    await store.write(lambda rows: readings.add(rows, [("api", bucket) for bucket in told]))


async def test_a_budget_that_burns_fast_is_told_once_while_it_burns(store: Store) -> None:
    await live(store, START, minutes=60, well=False)
    first = herald(store)
    await first.tick(START)
    (notice,) = await store.read(outbox.latest)
    assert (notice.kind, notice.severity, notice.message["target"]) == ("slo", Severity.CRITICAL, "api")
    assert "1000.0 times as fast" in notice.message["says"]
    await live(store, START + FIVE_MINUTES, minutes=5, well=False)
    await first.tick(START + FIVE_MINUTES)
    await herald(store).tick(START + FIVE_MINUTES)  # after a restart neither
    assert len(await store.read(outbox.latest)) == 1


async def test_after_the_length_of_its_window_it_is_told_again(store: Store) -> None:
    await live(store, START + 2 * HOUR, minutes=180, well=False)
    told = herald(store)
    for minutes in range(0, 120, 5):
        await told.tick(START + timedelta(minutes=minutes))
    assert len(await store.read(outbox.latest)) == 2


async def test_a_well_target_and_one_without_objective_are_not_told(store: Store) -> None:
    await live(store, START, minutes=120, well=True)
    await herald(store).tick(START)
    await live(store, START + HOUR, minutes=60, well=False)
    await herald(store, watched=(API.with_(objective=None),)).tick(START + HOUR)
    assert await store.read(outbox.latest) == []


async def test_of_an_hour_of_which_little_is_known_nothing_is_told(store: Store) -> None:
    await live(store, START, minutes=10, well=False)
    await herald(store).tick(START)
    assert await store.read(outbox.latest) == []


async def test_reports_that_were_missed_are_made_at_the_next_start_the_last_of_each_kind_once(store: Store) -> None:
    week, month = calendar.due(Settings(), now=START)
    await live(store, month.begin - 90 * DAY, minutes=5, well=True)
    for _ in range(2):
        await herald(store).tick(START)

    def claim_all(rows: Rows) -> list[str]:
        keys = []
        while (claim := runs.claim(rows, calendar.QUEUE, owner="worker", now=START, lease=HOUR)) is not None:
            keys.append(claim.key)
        return keys

    assert await store.write(claim_all) == [week.key, month.key]
