"""The historian: what it counts, what it leaves out, and what a crash costs."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from devops_agent.config.settings import Polling
from devops_agent.kit.testing import START
from devops_agent.loops.historian import Historian
from devops_agent.model.control import Silence
from devops_agent.model.reading import DAY, FIVE_MINUTES, HOUR, Bucket
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target
from devops_agent.store import Store, open_store, readings
from devops_agent.store.rows import Rows, StoreBusyError

MINUTE = timedelta(minutes=1)
API = Target(name="api")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as opened:
        yield opened


def historian(store: Store, *, windows: list[Silence] | None = None, known: set[str] | None = None) -> Historian:
    def open_windows(now: datetime) -> list[Silence]:
        return [window for window in windows or [] if window.begins_at <= now < window.ends_at]

    return Historian(store=store, polling=Polling, windows=open_windows, known=lambda: known or {"api"})


def seen(minutes: float, health: Health = Health.WELL, **values: float) -> Sighting:
    return Sighting(target=API, health=health, since=START, seen_at=START + minutes * MINUTE, readings=values)


async def told(store: Store, *, until: timedelta = HOUR) -> list[Bucket]:
    return await store.read(lambda rows: readings.history(rows, "api", begin=START, end=START + until))


def look(history: Historian, begin: float, end: float, health: Health = Health.WELL) -> None:
    """Look twice a minute from `begin` until before `end`, in minutes."""
    for half in range(round(begin * 2), round(end * 2)):
        history.note(seen(half / 2, health))


async def test_a_target_was_as_it_was_seen_until_it_was_seen_otherwise(store: Store) -> None:
    history = historian(store)
    look(history, 0, 2)
    look(history, 2, 3, Health.DOWN)
    look(history, 3, 5.5)
    await history.tick(START + 5.5 * MINUTE)
    (bucket,) = await told(store)
    assert (bucket.well_seconds, bucket.seen_seconds) == (240.0, 300.0)


async def test_readings_are_kept_as_lowest_mean_and_highest(store: Store) -> None:
    history = historian(store)
    for number, value in enumerate((10.0, 40.0, 25.0)):
        history.note(seen(number, cpu_percent=value))
    await history.tick(START + 6 * MINUTE)
    (bucket,) = await told(store)
    assert bucket.readings == {"cpu_percent": (10.0, 25.0, 40.0)}


async def test_a_bucket_that_is_not_over_is_not_written(store: Store) -> None:
    history = historian(store)
    look(history, 0, 4)
    await history.tick(START + 4 * MINUTE)
    assert await told(store) == []


async def test_time_in_which_nobody_looked_counts_neither_way(store: Store) -> None:
    history = historian(store)
    history.note(seen(0))
    history.note(seen(12))
    await history.tick(START + 15 * MINUTE)
    first, second = await told(store)
    assert first.well_seconds == first.seen_seconds == 65.0  # until the next look was well overdue
    assert (second.at - START, second.seen_seconds) == (10 * MINUTE, 65.0)


async def test_maintenance_is_taken_out_whatever_is_seen_in_it(store: Store) -> None:
    window = Silence(
        id="maintenance",
        matchers={"target": "a*"},
        by="config",
        comment="",
        begins_at=START + MINUTE,
        ends_at=START + 3 * MINUTE,
    )
    history = historian(store, windows=[window])
    for minute in range(6):
        await history.tick(START + minute * MINUTE)
        look(history, minute, minute + 1, Health.DOWN if minute in (1, 2) else Health.WELL)
    await history.tick(START + 6 * MINUTE)
    (bucket,) = await told(store)
    assert (bucket.well_seconds, bucket.seen_seconds, bucket.excluded_seconds) == (180.0, 180.0, 120.0)


async def test_a_stop_loses_nothing_and_the_next_start_goes_on(store: Store) -> None:
    first = historian(store)
    look(first, 0, 2)
    await first.close(START + 2 * MINUTE)
    second = historian(store)
    look(second, 3, 5.5)
    await second.tick(START + 5.5 * MINUTE)
    (bucket,) = await told(store)
    assert (bucket.well_seconds, bucket.seen_seconds) == (240.0, 240.0)


async def test_a_crash_loses_the_open_bucket_and_makes_none_wrong(store: Store) -> None:
    first = historian(store)
    look(first, 0, 7)
    await first.tick(START + 7 * MINUTE)
    second = historian(store)  # the first one was killed
    look(second, 8, 11)
    await second.tick(START + 11 * MINUTE)
    assert [bucket.seen_seconds for bucket in await told(store)] == [300.0, 120.0]


async def test_a_target_that_is_gone_is_written_and_forgotten(store: Store) -> None:
    known = {"api"}
    history = historian(store, known=known)
    look(history, 0, 2)
    known.clear()
    known.add("other")
    await history.tick(START + 2 * MINUTE)
    assert len(await told(store)) == 1
    await history.tick(START + 20 * MINUTE)
    assert len(await told(store)) == 1


async def test_what_a_busy_store_refuses_is_written_later(store: Store) -> None:
    class Refusing:
        def __init__(self) -> None:
            self.busy = True
            self.read = store.read

        async def write(self, work: object, *, tell: tuple[str, ...] = ()) -> object:
            if self.busy:
                raise StoreBusyError("locked")
            return await store.write(work, tell=tell)  # type: ignore[arg-type]

    refusing = Refusing()
    history = historian(refusing)  # type: ignore[arg-type]
    look(history, 0, 6)
    with pytest.raises(StoreBusyError):
        await history.tick(START + 6 * MINUTE)
    refusing.busy = False
    await history.tick(START + 7 * MINUTE)
    assert [bucket.seen_seconds for bucket in await told(store)] == [300.0]


async def test_hours_and_days_are_made_as_they_end(store: Store) -> None:
    history = historian(store)
    for minutes in range(0, 25 * 60, 5):
        for within in range(5):
            history.note(seen(minutes + within))
        await history.tick(START + (minutes + 5) * MINUTE)

    def counted(rows: Rows) -> dict[int, int]:
        return {row["step"]: row["n"] for row in rows.all("SELECT step, count(*) AS n FROM readings GROUP BY step")}

    found = await store.read(counted)
    assert found == {FIVE_MINUTES.total_seconds(): 300, HOUR.total_seconds(): 25, DAY.total_seconds(): 1}


async def test_a_clock_that_was_far_ahead_for_a_moment_stops_no_history(store: Store) -> None:
    history = historian(store)
    look(history, 0, 2)
    history.note(seen(60 * 24 * 365))
    look(history, 2, 12)
    await history.tick(START + 12 * MINUTE)
    assert [bucket.seen_seconds for bucket in await told(store)][-1] == 300.0
