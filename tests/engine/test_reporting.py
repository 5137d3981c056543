"""Reports of a store with a past, and when they are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from devops_agent.config.settings import Reports, Settings
from devops_agent.engine import aftermath, calendar, reporting
from devops_agent.engine.commands import NotFoundError
from devops_agent.kit.testing import START
from devops_agent.model.attempt import Outcome
from devops_agent.model.learning import Tried
from devops_agent.model.period import Period, custom, last_whole
from devops_agent.model.reading import FIVE_MINUTES, Bucket
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target
from devops_agent.store import Store, attempts, changes, learning, open_store, readings, reports, runs, targets
from tests.workers import remembering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from devops_agent.model.report import Report
    from devops_agent.store.rows import Rows

UTC_ZONE = ZoneInfo("UTC")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEEK = last_whole("weekly", now=START, where=UTC_ZONE)
BEGUN = WEEK.begin
"""A Monday, 00:00."""
API = Target(name="api", objective=0.99)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as opened:
        yield opened


def watch(rows: Rows, *, begin: datetime = BEGUN, hours: int, well: float = 300.0, target: Target = API) -> None:
    """Let a target be watched for some hours."""
    targets.keep(rows, [Sighting(target=target, health=Health.WELL, since=begin, seen_at=begin)])
    told = [
        Bucket(at=begin + number * FIVE_MINUTES, lasts=FIVE_MINUTES, well_seconds=well, seen_seconds=300)
        for number in range(hours * 12)
    ]
    readings.add(rows, [(target.name, bucket) for bucket in told])


def made(rows: Rows, period: Period = WEEK, *, settings: Settings | None = None) -> Report:
    return reporting.make(rows, period, settings=settings or Settings(), now=START)


async def test_a_week_is_told_in_figures_that_add_up(store: Store) -> None:
    def write(rows: Rows) -> Report:
        watch(rows, hours=24, well=270.0)
        for day in range(3):
            remembering.happen(rows, at=BEGUN + day * DAY, minutes=10)
        remembering.happen(rows, at=BEGUN + 4 * DAY, outcome=None, minutes=20)
        remembering.happen(rows, at=BEGUN + 5 * DAY, outcome=Outcome.UNDONE, minutes=50)
        remembering.happen(rows, at=BEGUN - DAY, minutes=30)
        return made(rows)

    report = await store.write(write)
    figures = report.figures
    assert (figures.incidents, figures.resolved, figures.healed_alone, figures.over_by_itself) == (5, 5, 3, 2)
    assert figures.seconds_saved == 3 * 20 * 60
    assert figures.resolve is not None
    assert (figures.resolve.count, figures.resolve.mean, figures.resolve.longest) == (5, 20 * 60, 50 * 60)
    assert figures.between_failures == 24 * 3600 / 5
    assert figures.false_actions == 1
    assert figures.tally.plans == {"healed": 3, "undone": 1}
    assert report.before is not None
    assert report.before.incidents == 1
    (api,) = report.targets
    assert (api.availability, api.trouble_seconds, api.incidents) == (0.9, 24 * 360, 5)
    assert api.budget is not None
    assert api.budget.left == pytest.approx(1 - 24 * 360 / (0.01 * 30 * 86_400))


async def test_a_report_of_a_time_before_the_first_start_says_so(store: Store) -> None:
    report = await store.read(made)
    assert report.before is None
    assert report.remarks == ("nothing is known of this period: the agent has not run yet",)


async def test_a_report_says_what_its_figures_leave_out(store: Store) -> None:
    def write(rows: Rows) -> Report:
        watch(rows, begin=BEGUN + DAY, hours=1)
        remembering.happen(rows, at=BEGUN + DAY)
        return reporting.make(rows, WEEK, settings=Settings(), now=WEEK.end - HOUR)

    told = " / ".join((await store.write(write)).remarks)
    for part in ("is not over", "has run since", "no period before", "means of 1 incident say little"):
        assert part in told


async def test_trouble_that_came_back_was_not_healed_and_the_plan_was_false(store: Store) -> None:
    def write(rows: Rows) -> Report:
        healed = remembering.happen(rows, at=BEGUN + DAY)
        (attempt,) = attempts.of_incident(rows, healed.id)
        tried = Tried(
            at=BEGUN + DAY,
            incident=healed.id,
            target="api",
            kind=healed.kind,
            runbook="restart",
            outcome=Outcome.HEALED,
        )
        learning.keep_trial(rows, attempt.id, tried)
        learning.relapse(rows, healed.id)
        return made(rows)

    figures = (await store.write(write)).figures
    assert (figures.healed_alone, figures.over_by_itself, figures.tally.relapsed, figures.false_actions) == (0, 1, 1, 1)


async def test_an_order_is_no_incident(store: Store) -> None:
    def write(rows: Rows) -> Report:
        remembering.happen(rows, at=BEGUN + DAY, ordered=True)
        return made(rows)

    assert (await store.write(write)).figures.incidents == 1  # the trouble, not the order that ended it


@pytest.mark.parametrize(
    ("now", "keys"),
    [
        ("2026-11-23T07:29", ["weekly/2026-W46", "monthly/2026-10"]),
        ("2026-11-23T07:30", ["weekly/2026-W47", "monthly/2026-10"]),
        ("2026-12-01T08:00", ["weekly/2026-W48", "monthly/2026-11"]),
    ],
)
def test_a_report_is_due_from_its_time_on_in_its_time_zone(now: str, keys: list[str]) -> None:
    settings = Settings(reports=Reports(time_zone="Europe/Berlin"))
    moment = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert [period.key for period in calendar.due(settings, now=moment.astimezone(UTC))] == keys


def test_the_time_of_a_report_stays_when_the_clocks_change() -> None:
    settings = Settings(reports=Reports(time_zone="Europe/Berlin", daily="07:30", weekly="", monthly=""))
    for day, hour in ((28, 6), (29, 5)):  # UTC: the clocks go forward on 29 March
        moment = datetime(2026, 3, day, hour, 30, tzinfo=UTC)
        assert calendar.due(settings, now=moment)[0].name == f"2026-03-{day - 1}"
        assert calendar.due(settings, now=moment - MINUTE)[0].name == f"2026-03-{day - 2}"


async def test_a_report_is_scheduled_once_ever(store: Store) -> None:
    def schedule(rows: Rows) -> list[str]:
        return [period.key for period in calendar.schedule(rows, [WEEK], now=START, version="1")]

    assert await store.write(schedule) == []  # nothing is known of that week
    await store.write(lambda rows: remembering.happen(rows, at=BEGUN + DAY))
    assert await store.write(schedule) == [WEEK.key]
    assert await store.write(schedule) == []

    def finish(rows: Rows) -> None:
        claim = runs.claim(rows, calendar.QUEUE, owner="test", now=START, lease=HOUR)
        assert claim is not None
        runs.finish(rows, claim, ok=False, says="given up", now=START)

    await store.write(finish)
    assert await store.write(schedule) == []  # not again and again


async def test_a_report_that_was_made_is_told_as_it_was_made_then(store: Store) -> None:
    await store.write(lambda rows: remembering.happen(rows, at=BEGUN + DAY))
    first = await store.read(made)
    assert await store.write(lambda rows: reports.keep(rows, first))
    assert not await store.write(lambda rows: reports.keep(rows, first))
    await store.write(lambda rows: remembering.happen(rows, at=BEGUN + 2 * DAY))
    told = await store.read(lambda rows: reporting.find(rows, WEEK, settings=Settings(), now=START))
    assert told == first
    assert [one.period.key for one in await store.read(reports.latest)] == [WEEK.key]


async def test_a_post_mortem_tells_what_helped_and_what_to_do(store: Store) -> None:
    def write(rows: Rows) -> str:
        return remembering.happen(rows, at=BEGUN, outcome=Outcome.FAILED, title="memory at 91 %").id

    id_ = await store.write(write)
    found = await store.read(lambda rows: aftermath.post_mortem(rows, id_, now=START))
    assert found.title == "memory at 91 %"
    assert found.ended_at == BEGUN + 2 * MINUTE
    assert not found.helped
    assert "restart (" in found.did_not_help[0]
    assert any("did not help: correct it" in item for item in found.action_items)
    assert [line.says for line in found.timeline][-1] == "well again"
    with pytest.raises(NotFoundError, match="INC-999"):
        await store.read(lambda rows: aftermath.post_mortem(rows, "INC-999", now=START))


async def test_the_log_of_changes_tells_by_whom_why_and_with_what_result(store: Store) -> None:
    await store.write(lambda rows: remembering.happen(rows, at=BEGUN))
    await store.write(lambda rows: remembering.happen(rows, at=BEGUN + DAY, ordered=True))
    done = await store.read(lambda rows: changes.done(rows, begin=BEGUN, end=BEGUN + 2 * DAY))
    assert len({one.what for one in done}) == 1
    assert done[0].by == "agent"
    assert "runbook restart" in done[0].why
    assert done[0].result == "proven"
    assert done[1].by not in ("agent", "")
    assert await store.read(lambda rows: changes.done(rows, begin=START, end=START + DAY)) == []


async def test_any_time_can_be_told(store: Store) -> None:
    await store.write(lambda rows: remembering.happen(rows, at=BEGUN + HOUR))
    asked = custom(BEGUN, BEGUN + 2 * HOUR)
    assert (await store.read(lambda rows: made(rows, asked))).figures.incidents == 1
