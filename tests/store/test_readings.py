"""Readings over time, on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.reading import DAY, FIVE_MINUTES, HOUR, KEPT, Bucket, Times
from devops_agent.store import Store, readings
from devops_agent.store.rows import Rows

NOON = START  # 12:00
SECOND = timedelta(seconds=1)


def bucket(minutes: float, *, well: float = 300.0, seen: float = 300.0, cpu: float = 10.0) -> Bucket:
    return Bucket(
        at=NOON + timedelta(minutes=minutes),
        lasts=FIVE_MINUTES,
        well_seconds=well,
        seen_seconds=seen,
        readings={"cpu_percent": (cpu - 1, cpu, cpu + 1)},
        looks={"cpu_percent": 10},
    )


def make_all(rows: Rows, step: timedelta, *, until: timedelta) -> None:
    progress = readings.next_to_make(rows, step, until=NOON + until)
    while progress is not None:
        progress = readings.make(rows, step, progress) or readings.next_to_make(rows, step, until=NOON + until)


async def test_a_short_time_is_told_in_buckets_of_five_minutes(store: Store) -> None:
    await store.write(lambda rows: readings.add(rows, [("api", bucket(0)), ("api", bucket(5)), ("db", bucket(0))]))
    found = await store.read(lambda rows: readings.history(rows, "api", begin=NOON, end=NOON + HOUR))
    assert found == [bucket(0), bucket(5)]


async def test_what_was_written_before_a_restart_is_joined_with_what_comes_after(store: Store) -> None:
    before = bucket(0, well=60.0, seen=60.0, cpu=10.0)
    after = bucket(0, well=100.0, seen=200.0, cpu=20.0)
    await store.write(lambda rows: readings.add(rows, [("api", before)]))
    await store.write(lambda rows: readings.add(rows, [("api", after)]))
    (found,) = await store.read(lambda rows: readings.history(rows, "api", begin=NOON, end=NOON + HOUR))
    assert (found.well_seconds, found.seen_seconds) == (160.0, 260.0)
    assert found.readings == {"cpu_percent": (9.0, 15.0, 21.0)}


async def test_hours_and_days_say_what_the_buckets_they_are_made_of_say(store: Store) -> None:
    parts = [bucket(minutes, well=250.5, cpu=minutes / 10) for minutes in range(0, 26 * 60, 5)]

    def write(rows: Rows) -> None:
        readings.add(rows, [("api", part) for part in parts])
        make_all(rows, HOUR, until=26 * HOUR)
        make_all(rows, DAY, until=26 * HOUR)

    await store.write(write)
    made = await store.read(
        lambda rows: (
            readings.history(rows, "api", begin=NOON, end=NOON + 26 * HOUR, limit=40),
            readings.history(rows, "api", begin=NOON, end=NOON + 26 * HOUR, limit=3),
        )
    )
    assert [len(found) for found in made] == [26, 2]
    assert [found[0].lasts for found in made] == [HOUR, DAY]
    for found in made:
        assert sum(one.well_seconds for one in found) == pytest.approx(sum(one.well_seconds for one in parts))
    assert made[0][0].readings["cpu_percent"][0] == -1.0
    assert made[0][0].readings["cpu_percent"][1] == pytest.approx(2.75)


async def test_the_hour_under_way_is_told_from_what_there_is_of_it(store: Store) -> None:
    def write(rows: Rows) -> None:
        readings.add(rows, [("api", bucket(minutes)) for minutes in range(0, 75, 5)])
        make_all(rows, HOUR, until=HOUR)

    await store.write(write)
    found = await store.read(lambda rows: readings.history(rows, "api", begin=NOON, end=NOON + 2 * HOUR, limit=5))
    assert [(one.at - NOON, one.seen_seconds) for one in found] == [(timedelta(), 3600.0), (HOUR, 900.0)]


async def test_many_targets_are_made_in_parts_that_anything_else_may_come_between(store: Store) -> None:
    names = [f"target-{number:03}" for number in range(250)]
    await store.write(lambda rows: readings.add(rows, [(name, bucket(0)) for name in names]))
    progress = await store.read(lambda rows: readings.next_to_make(rows, HOUR, until=NOON + HOUR))
    turns = 0
    while progress is not None:
        at = progress
        progress = await store.write(lambda rows: readings.make(rows, HOUR, at))  # noqa: B023 — awaited at once
        turns += 1
    assert turns == 3
    sums = await store.read(lambda rows: readings.times(rows, names, begin=NOON, end=NOON + HOUR))
    assert set(sums.values()) == {Times(well=300.0, seen=300.0)}


async def test_an_hour_that_is_not_over_is_not_made(store: Store) -> None:
    await store.write(lambda rows: readings.add(rows, [("api", bucket(0))]))
    late = NOON + HOUR - SECOND
    assert await store.read(lambda rows: readings.next_to_make(rows, HOUR, until=late)) is None


async def test_times_are_the_same_whatever_they_are_added_up_from(store: Store) -> None:
    parts = [bucket(minutes, well=200.0, seen=290.0) for minutes in range(0, 60 * 60, 5)]
    await store.write(lambda rows: readings.add(rows, [("api", part) for part in parts]))
    begin, end = NOON + timedelta(minutes=25), NOON + timedelta(hours=59, minutes=35)

    async def told() -> Times:
        return (await store.read(lambda rows: readings.times(rows, ["api"], begin=begin, end=end)))["api"]

    from_fine = await told()
    await store.write(lambda rows: make_all(rows, HOUR, until=60 * HOUR))
    from_hours = await told()
    await store.write(lambda rows: make_all(rows, DAY, until=60 * HOUR))
    buckets = (end - begin) // FIVE_MINUTES
    assert from_fine == from_hours == await told() == Times(well=200.0 * buckets, seen=290.0 * buckets)


async def test_nothing_is_swept_away_of_which_the_hour_is_still_to_be_made(store: Store) -> None:
    await store.write(lambda rows: readings.add(rows, [("api", bucket(0))]))
    later = NOON + KEPT[FIVE_MINUTES] + 2 * HOUR
    assert await store.write(lambda rows: readings.forget(rows, now=later)) == 0
    await store.write(lambda rows: make_all(rows, HOUR, until=HOUR))
    assert await store.write(lambda rows: readings.forget(rows, now=later)) == 1
    (hour,) = await store.read(lambda rows: readings.history(rows, "api", begin=NOON, end=later, limit=5_000))
    assert (hour.lasts, hour.seen_seconds) == (HOUR, 300.0)


async def test_a_time_of_which_fine_buckets_are_gone_is_told_in_coarser_ones(store: Store) -> None:
    def write(rows: Rows) -> None:
        readings.add(rows, [("api", bucket(minutes)) for minutes in range(0, 180, 5)])
        make_all(rows, HOUR, until=3 * HOUR)
        rows.run("DELETE FROM readings WHERE step = 300 AND well_ms >= 0")

    await store.write(write)
    found = await store.read(lambda rows: readings.history(rows, "api", begin=NOON, end=NOON + 3 * HOUR))
    assert [one.lasts for one in found] == [HOUR] * 3
