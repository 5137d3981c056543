"""What reports, post-mortems and change logs read, on both engines."""

from __future__ import annotations

from datetime import timedelta

from devops_agent.config.settings import Settings
from devops_agent.engine import aftermath, calendar, objectives, reporting
from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.attempt import Outcome
from devops_agent.model.notice import Notice
from devops_agent.model.period import custom
from devops_agent.model.reading import FIVE_MINUTES, Bucket
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target
from devops_agent.store import Store, changes, controls, events, outbox, readings, reports, targets
from devops_agent.store.rows import Rows
from tests.workers import remembering

DAY = timedelta(days=1)
SPAN = custom(START, START + 7 * DAY)
API = Target(name="api", objective=0.99)


def fill(rows: Rows) -> None:
    """Let two incidents, an order, a pause and some hours of watching happen."""
    targets.keep(rows, [Sighting(target=API, health=Health.WELL, since=START, seen_at=START)])
    told = [
        Bucket(at=START + number * FIVE_MINUTES, lasts=FIVE_MINUTES, well_seconds=240.0, seen_seconds=300.0)
        for number in range(24)
    ]
    readings.add(rows, [("api", bucket) for bucket in told])
    remembering.happen(rows, at=START + DAY)
    remembering.happen(rows, at=START + 2 * DAY, outcome=Outcome.FAILED)
    remembering.happen(rows, at=START + 3 * DAY, ordered=True)
    controls.pause(rows, target="api", reason="work", by="cli:ada", now=START + DAY, ends_at=None)
    events.add(rows, "paused", "cli:ada paused api: work", at=START + DAY, target="api", actor="cli:ada")
    notice = Notice(
        key="x", incident="INC-1", kind="healed", severity=Severity.INFO, message={}, created_at=START + DAY
    )
    outbox.put(rows, notice)


async def test_a_report_is_made_kept_and_read_back(store: Store) -> None:
    await store.write(fill)
    made = await store.read(lambda rows: reporting.make(rows, SPAN, settings=Settings(), now=SPAN.end))
    assert (made.figures.incidents, made.figures.tally.notices) == (3, {"healed": 1})
    assert made.noisy[0].firings == 3
    assert made.targets[0].availability == 0.8
    assert await store.write(lambda rows: reports.keep(rows, made))
    assert not await store.write(lambda rows: reports.keep(rows, made))
    assert await store.read(lambda rows: reports.get(rows, "custom", SPAN.name)) == made
    assert await store.read(lambda rows: reports.is_made(rows, SPAN))
    assert [one.period for one in await store.read(lambda rows: reports.latest(rows, kind="custom"))] == [SPAN]
    assert await store.write(lambda rows: reports.forget(rows, made_before=SPAN.end + DAY)) == 1


async def test_what_was_done_is_told_with_who_did_it(store: Store) -> None:
    await store.write(fill)
    done = await store.read(lambda rows: changes.done(rows, begin=SPAN.begin, end=SPAN.end))
    assert [(one.by, one.result) for one in done if one.what == "paused"] == [("cli:ada", "cli:ada paused api: work")]
    actions = [one for one in done if one.what == "docker.restart"]
    assert [one.result for one in actions] == ["proven", "not proven", "proven"]
    assert [one.by == "agent" for one in actions] == [True, True, False]


async def test_a_post_mortem_is_drafted_from_the_rows(store: Store) -> None:
    await store.write(fill)
    found = await store.read(lambda rows: aftermath.post_mortem(rows, "INC-1", now=SPAN.end))
    assert found.helped
    assert "people were told once" in found.impact[-1]


async def test_objectives_stand_and_reports_are_due(store: Store) -> None:
    await store.write(fill)
    now = START + timedelta(hours=2)
    (api,) = await store.read(lambda rows: objectives.standings(rows, [API], now=now))
    assert (api.budget.availability, api.budget.spent_seconds, api.budget.unknown) == (0.8, 24 * 60.0, 0.0)
    assert api.burns[0].long_rate is not None
    assert abs(api.burns[0].long_rate - 20) < 1e-9
    burning = await store.read(lambda rows: objectives.burning(rows, [API], now=now))
    told = [await store.write(lambda rows: objectives.tell(rows, burning, settings=Settings(), now=now)) for _ in "ab"]
    assert told == [["api"], []]
    late = START + 8 * DAY
    periods = calendar.due(Settings(), now=late)
    wanted = await store.write(lambda rows: calendar.schedule(rows, periods, now=late, version="1"))
    assert [period.kind for period in wanted] == ["weekly"]
