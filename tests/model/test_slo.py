"""Objectives: what the budget bounds, and when it goes too fast."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.model.reading import Times
from devops_agent.model.slo import PERIOD, SPANS, WINDOWS, availability, budget, burn_rate, burns

HOUR = timedelta(hours=1)
objectives = st.floats(0.5, 0.99999)


@st.composite
def times(draw: st.DrawFn, *, span: timedelta = PERIOD) -> Times:
    whole = span.total_seconds()
    excluded = draw(st.floats(0, whole))
    seen = draw(st.floats(0, whole - excluded))
    return Times(well=draw(st.floats(0, seen)), seen=seen, excluded=excluded)


@given(times(), objectives)
def test_a_budget_lies_between_its_bounds_and_its_parts_add_up(told: Times, objective: float) -> None:
    found = budget(told, objective=objective, watched=PERIOD)
    assert found.left <= 1
    assert found.left_seconds == pytest.approx(found.allowed_seconds - found.spent_seconds)
    assert 0 <= found.allowed_seconds <= (1 - objective) * PERIOD.total_seconds()
    assert 0 <= found.unknown <= 1
    assert found.availability is None or 0 <= found.availability <= 1
    if found.allowed_seconds > 1:
        assert (found.left < 0) == (found.spent_seconds > found.allowed_seconds)


@given(times(span=HOUR), objectives)
def test_a_burn_rate_is_never_negative_and_none_where_too_little_is_known(told: Times, objective: float) -> None:
    rate = burn_rate(told, objective=objective, span=HOUR)
    known = told.seen >= (HOUR.total_seconds() - told.excluded) / 2 and told.seen > 0
    assert (rate is not None) == known
    assert rate is None or 0 <= rate <= 1 / (1 - objective) * 1.000001


def test_the_budget_of_three_nines_is_43_minutes_in_30_days() -> None:
    month = PERIOD.total_seconds()
    found = budget(Times(well=month - 600, seen=month), objective=0.999, watched=PERIOD)
    assert found.allowed_seconds / 60 == pytest.approx(43.2)
    assert found.left_seconds / 60 == pytest.approx(33.2)
    assert found.left == pytest.approx(1 - 10 / 43.2)


def test_burning_at_rate_one_uses_up_the_budget_in_exactly_the_period() -> None:
    month = PERIOD.total_seconds()
    told = Times(well=month * 0.99, seen=month)
    assert burn_rate(told, objective=0.99, span=PERIOD) == pytest.approx(1)
    assert budget(told, objective=0.99, watched=PERIOD).left == pytest.approx(0, abs=1e-9)


def test_time_in_which_nobody_looked_is_neither_good_nor_bad_and_is_told() -> None:
    half = PERIOD.total_seconds() / 2
    found = budget(Times(well=half, seen=half), objective=0.99, watched=PERIOD)
    assert (found.availability, found.left, found.unknown) == (1, 1, 0.5)


def test_maintenance_is_no_trouble_and_shrinks_the_budget() -> None:
    month = PERIOD.total_seconds()
    found = budget(Times(well=month / 2, seen=month / 2, excluded=month / 2), objective=0.99, watched=PERIOD)
    assert (found.availability, found.unknown) == (1, 0)
    assert found.allowed_seconds == pytest.approx(0.01 * month / 2)


def test_of_a_target_never_seen_nothing_is_claimed() -> None:
    assert availability(Times()) is None
    assert budget(Times(), objective=0.99, watched=timedelta()).unknown == 0


@pytest.mark.parametrize(("window", "factor"), [(0, 14.4), (1, 6.0), (2, 1.0)])
def test_the_windows_and_factors_are_those_of_the_source(window: int, factor: float) -> None:
    assert WINDOWS[window].factor == factor
    used = WINDOWS[window].long / PERIOD * factor
    assert used == pytest.approx((0.02, 0.05, 0.10)[window])


def all_bad_for(trouble: timedelta) -> dict[timedelta, Times]:
    """Trouble up to now."""
    return {
        span: Times(well=max(span - trouble, timedelta()).total_seconds(), seen=span.total_seconds()) for span in SPANS
    }


def test_an_outage_of_minutes_is_told_by_the_shortest_window() -> None:
    found = burns(all_bad_for(timedelta(minutes=5)), objective=0.999)
    assert [burn.too_fast for burn in found] == [True, True, True]
    assert [burn.too_fast for burn in burns(all_bad_for(timedelta(seconds=20)), objective=0.999)] == [False] * 3


def test_what_is_over_is_not_told_any_more() -> None:
    told = {**all_bad_for(timedelta(minutes=30)), timedelta(minutes=5): Times(well=300, seen=300)}
    assert not burns(told, objective=0.999)[0].too_fast
