"""Reports are made once, kept and told, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.config.settings import Reports, Settings, Web
from devops_agent.durable.journal import Run
from devops_agent.engine import calendar
from devops_agent.kit.testing import START, FakeClock
from devops_agent.model.period import Period
from devops_agent.store import Store, events, open_store, outbox, reports, runs
from devops_agent.workers import report
from tests.workers import remembering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from devops_agent.store.runs import Claim

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SETTINGS = Settings(reports=Reports(tell=("team",)), web=Web(public_url="https://agent.example"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as opened:
        yield opened


def week() -> Period:
    (period, _) = calendar.due(SETTINGS, now=START)
    return period


async def scheduled(store: Store, *, title: str = "memory at 91 %") -> None:
    """Let an incident happen, and the week's report become due."""
    await store.write(lambda rows: remembering.happen(rows, at=week().begin + DAY, title=title))
    await store.write(lambda rows: calendar.schedule(rows, [week()], now=START, version="1"))


async def claimed(store: Store) -> Claim:
    claim = await store.write(lambda rows: runs.claim(rows, calendar.QUEUE, owner="test", now=START, lease=HOUR))
    assert claim is not None
    return claim


async def make(store: Store, claim: Claim) -> None:
    clock = FakeClock(START)
    desk = report.Desk(store=store, clock=clock, settings=lambda: SETTINGS)
    await report.jobs(desk)[claim.job].do(Run(store, claim, clock=clock))


async def test_a_report_that_is_due_is_made_kept_and_told(store: Store) -> None:
    await scheduled(store)
    await make(store, await claimed(store))
    made = await store.read(lambda rows: reports.get(rows, "weekly", week().name))
    assert made is not None
    assert made.figures.incidents == 1
    (notice,) = await store.read(outbox.latest)
    assert (notice.kind, notice.key) == ("report", f"report/{week().key}")
    assert notice.message["tell"] == ["team"]
    assert notice.message["links"] == {"report": f"https://agent.example/reports/{week().key}"}
    assert "1 incident, 1 resolved: 1 healed alone" in notice.message["says"]
    assert notice.message["body_text"].startswith("# Weekly report 2026")
    assert notice.message["body_html"].lstrip().startswith("<!doctype html>")


async def test_a_report_whose_worker_died_after_making_it_is_not_made_again(store: Store) -> None:
    await scheduled(store)
    claim = await claimed(store)
    await make(store, claim)
    await make(store, claim)  # the run was not ended: the next worker begins it anew
    assert len(await store.read(reports.latest)) == 1
    assert len(await store.read(outbox.latest)) == 1


async def test_hostile_titles_do_no_harm_in_a_report(store: Store) -> None:
    await scheduled(store, title="<img src=x onerror=alert(1)> [x](javascript:1) | pipe")
    await make(store, await claimed(store))
    (notice,) = await store.read(outbox.latest)
    assert "<img" not in notice.message["body_html"]
    assert r"\<img src=x onerror=alert(1)\> \[x\](javascript:1) \| pipe" in notice.message["body_text"]


async def test_a_week_without_incidents_is_told_too(store: Store) -> None:
    await store.write(lambda rows: remembering.happen(rows, at=week().begin - DAY))
    await store.write(lambda rows: calendar.schedule(rows, [week()], now=START, version="1"))
    await make(store, await claimed(store))
    (notice,) = await store.read(outbox.latest)
    assert notice.message["says"].startswith("There were no incidents.")


async def test_a_report_that_cannot_be_made_is_told_in_the_timeline(store: Store) -> None:
    await scheduled(store)
    claim = await claimed(store)
    desk = report.Desk(store=store, clock=FakeClock(START), settings=lambda: SETTINGS)
    await store.write(lambda rows: report.jobs(desk)[claim.job].give_up(rows, claim, "KeyError: x"))
    told = (await store.read(events.latest))[0]
    assert (told.kind, told.says) == ("report_failed", f"the report {week().key} cannot be made: KeyError: x")
