"""How strange a figure is beside its usual course."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.usual import first_beyond, strangeness

FIGURES = st.floats(-1e12, 1e12)
USUAL = [float(value) for value in range(90, 111)]


def test_what_is_usual_is_not_strange() -> None:
    assert all(strangeness(USUAL, value, least=1) == 0 for value in USUAL)


def test_a_rise_is_above_and_a_fall_below_zero() -> None:
    assert strangeness(USUAL, 150, least=1) > 0 > strangeness(USUAL, 50, least=1)


def test_the_farther_the_stranger_up_to_a_whole() -> None:
    found = [strangeness(USUAL, value, least=1) for value in (130, 200, 1_000, 1e6, 1e9)]
    assert found == sorted(found)
    assert found[-1] == 1


def test_a_constant_course_is_measured_by_the_least_spread() -> None:
    assert strangeness([5.0] * 10, 5.1, least=1) == 0
    assert strangeness([5.0] * 10, 50, least=1) > 0


def test_a_few_spoilt_values_do_not_hide_a_departure() -> None:
    assert strangeness([*USUAL, 1e6], 200, least=1) == pytest.approx(strangeness(USUAL, 200, least=1), abs=0.1)


def test_a_skewed_course_is_measured_on_the_side_of_the_departure() -> None:
    skewed = [1.0] * 50 + [float(value) for value in range(2, 32)]
    assert strangeness(skewed, 40, least=0.1) < strangeness([-value for value in skewed], 38, least=0.1)


def test_the_first_strangely_high_moment_is_told() -> None:
    assert first_beyond([(0.0, 1), (1.0, 100), (2.0, 500), (3.0, 500)], USUAL, least=1) == 2
    assert first_beyond([(1.0, 100)], USUAL, least=1) is None


@given(st.lists(FIGURES, min_size=1), FIGURES, st.floats(1e-9, 1e9))
def test_strangeness_lies_between_minus_one_and_one(usual: list[float], now: float, least: float) -> None:
    assert -1 <= strangeness(usual, now, least=least) <= 1
