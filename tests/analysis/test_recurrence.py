"""What comes again and again, and by which rhythm."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.recurrence import Occurrence, Pattern, find_patterns, time_of_day
from devops_agent.kit.testing import START

WINDOW = timedelta(days=14)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
IRREGULAR = (0, 5, 29, 31, 80, 200)


def at_hours(*hours: float, helped: str = "restart", change: str = "") -> list[Occurrence]:
    return [
        Occurrence(incident=f"INC-{n}", at=START + hour * HOUR, helped=helped, change=change)
        for n, hour in enumerate(hours, start=1)
    ]


def found(occurrences: list[Occurrence], kind: str = "memory_pressure") -> dict[str, Pattern]:
    return {one.name: one for one in find_patterns(occurrences, target="api", kind=kind, window=WINDOW)}


def test_what_happened_thrice_is_no_pattern_yet() -> None:
    assert found(at_hours(0, 10, 20)) == {}


def test_a_steady_rhythm_is_told_with_what_helped_and_what_would_end_it() -> None:
    pattern = found(at_hours(0, 37, 75, 111, 148))["recurs"]
    assert pattern.says == "memory_pressure on api 5 times in 14 days, about every 37 h, each healed by restart"
    assert "leak" in pattern.advice


def test_without_a_rhythm_the_gaps_are_told() -> None:
    assert "120 min to 5 d apart" in found(at_hours(*IRREGULAR[1:]))["recurs"].says


def test_what_helped_only_some_of_the_times_is_counted() -> None:
    occurred = [*at_hours(0, 5, 29), *at_hours(80, 200, helped="")]
    assert "3 of them healed by restart" in found(occurred)["recurs"].says
    assert "never healed by the agent" in found(at_hours(*IRREGULAR, helped=""))["recurs"].says


def test_what_comes_at_one_time_of_day_is_told_with_that_time() -> None:
    nightly = [14 + 24 * day + minutes / 60 for day, minutes in enumerate((5, 12, 0, 20, 9, 15))]
    says = found(at_hours(*nightly))["time of day"].says
    assert says.startswith("memory_pressure on api 6 times in 14 days, mostly between 02:00 and 02:20")


def test_a_burst_on_one_day_is_no_habit() -> None:
    assert time_of_day([START + n * timedelta(minutes=2) for n in range(50)]) is None


def test_midnight_is_no_border() -> None:
    late = [START.replace(hour=23, minute=50) + n * DAY for n in range(5)]
    early = [START.replace(hour=0, minute=10) + n * DAY for n in range(6, 11)]
    hours = time_of_day([*late, *early])
    assert hours is not None
    begin, end = hours
    assert begin > 23 * 3600
    assert end < 3600


@given(days=st.lists(st.integers(0, 86_399), min_size=5, max_size=5))
def test_any_times_give_a_part_of_the_day_or_none(days: list[int]) -> None:
    midnight = START.replace(hour=0)
    hours = time_of_day([midnight + n * DAY + timedelta(seconds=second) for n, second in enumerate(days)])
    assert hours is None or all(0 <= second < 86_400 for second in hours)


def test_times_spread_over_the_day_are_no_habit() -> None:
    assert time_of_day([START + n * DAY + n * 5 * HOUR for n in range(10)]) is None


@pytest.mark.parametrize(("changed", "expected"), [(4, True), (3, False), (0, False)])
def test_most_of_it_right_after_changes_points_to_the_deployments(changed: int, *, expected: bool) -> None:
    occurred = at_hours(*IRREGULAR[:5])
    occurred = [one.with_(change="image api:2") if n < changed else one for n, one in enumerate(occurred)]
    patterns = found(occurred)
    assert ("after deployments" in patterns) is expected
    if expected:
        assert "4 of them right after a change, the last one: image api:2" in patterns["after deployments"].says


@given(kind=st.text(min_size=1, max_size=20), hours=st.lists(st.floats(0, 300), min_size=4, max_size=12))
def test_every_class_gets_a_sentence_and_a_way_out(kind: str, hours: list[float]) -> None:
    for pattern in find_patterns(at_hours(*sorted(hours)), target="api", kind=kind, window=WINDOW):
        assert pattern.says.startswith(f"{kind} on api {len(hours)} times in 14 days")
        assert pattern.advice
