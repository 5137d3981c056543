"""Buckets: what large ones say of the small ones that they are made of, and what counts as serving."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.testing import START
from devops_agent.model.reading import DAY, FIVE_MINUTES, HOUR, Bucket, ceiling, floor, fold, regroup, serves
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target

_values = st.floats(-1e9, 1e9)


@st.composite
def buckets(draw: st.DrawFn) -> list[Bucket]:
    made = []
    for number in sorted(draw(st.sets(st.integers(0, 600), max_size=20))):
        excluded = draw(st.integers(0, 300))
        seen = draw(st.integers(0, 300 - excluded))
        low, mean, high = sorted(draw(st.tuples(_values, _values, _values)))
        made.append(
            Bucket(
                at=START + number * FIVE_MINUTES,
                lasts=FIVE_MINUTES,
                well_seconds=draw(st.integers(0, seen)),
                seen_seconds=seen,
                excluded_seconds=excluded,
                readings={"cpu_percent": (low, mean, high)},
                looks={"cpu_percent": draw(st.integers(1, 60))},
            )
        )
    return made


@given(buckets(), st.sampled_from([HOUR, DAY]))
def test_coarser_buckets_add_up_to_the_finer_ones_and_stay_within_them(parts: list[Bucket], step: timedelta) -> None:
    made = regroup(parts, step)
    for name in ("well_seconds", "seen_seconds", "excluded_seconds"):
        assert sum(getattr(one, name) for one in made) == sum(getattr(part, name) for part in parts)
    assert sum(one.looks["cpu_percent"] for one in made) == sum(part.looks["cpu_percent"] for part in parts)
    for one in made:
        inner = [part for part in parts if one.at <= part.at < one.at + step]
        low, mean, high = one.readings["cpu_percent"]
        assert low == min(part.readings["cpu_percent"][0] for part in inner)
        assert high == max(part.readings["cpu_percent"][2] for part in inner)
        assert low <= mean <= high
        assert 0 <= one.well_seconds <= one.seen_seconds <= step.total_seconds() - one.excluded_seconds


def test_the_mean_of_a_coarser_bucket_counts_every_look_once() -> None:
    def part(mean: float, looks: int) -> Bucket:
        return Bucket(at=START, lasts=FIVE_MINUTES, readings={"cpu": (mean, mean, mean)}, looks={"cpu": looks})

    assert fold([part(10, 1), part(20, 3)], at=START, lasts=HOUR).readings["cpu"] == (10, 17.5, 20)


def test_nothing_lasts_longer_than_its_bucket() -> None:
    whole = Bucket(at=START, lasts=FIVE_MINUTES, well_seconds=300, seen_seconds=300)
    assert fold([whole, whole], at=START, lasts=FIVE_MINUTES) == whole


@given(st.datetimes(), st.sampled_from([FIVE_MINUTES, HOUR, DAY]))
def test_a_moment_lies_between_its_floor_and_its_ceiling(moment: object, step: timedelta) -> None:
    at = START + timedelta(seconds=hash(moment) % 1_000_000)
    assert floor(at, step) <= at <= ceiling(at, step) <= floor(at, step) + step


@pytest.mark.parametrize(
    ("health", "readings", "says", "expected"),
    [
        (Health.WELL, {}, "", True),
        (Health.DEGRADED, {"disk_percent": 90.0}, "", True),
        (Health.DEGRADED, {"error_percent": 20.0}, "", False),
        (Health.DEGRADED, {"latency_ms": 9_000.0}, "", False),
        (Health.DOWN, {}, "", False),
        (Health.STARTING, {}, "", False),
        (Health.UNREACHABLE, {}, "host unreachable", False),
        (Health.UNREACHABLE, {}, "our own network down", None),
        (Health.UNKNOWN, {}, "", None),
    ],
)
def test_a_target_serves_unless_people_feel_the_trouble(
    health: Health, readings: dict[str, float], says: str, *, expected: bool | None
) -> None:
    seen = Sighting(target=Target(name="api"), health=health, since=START, seen_at=START, says=says, readings=readings)
    assert serves(seen) is expected
