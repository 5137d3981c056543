import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devops_agent.analysis.trend import Trend, trend
from devops_agent.model.telemetry import Series
from tests.effort import examples


def series(values: object, *, step: float = 60, begin: float = 1_700_000_000) -> Series:
    listed = tuple(float(value) for value in np.asarray(values))
    return Series(name="disk_percent", times=tuple(begin + step * i for i in range(len(listed))), values=listed)


def of(values: object) -> Trend:
    found = trend(series(values))
    assert found is not None
    return found


def test_a_line_gives_its_slope_and_when_it_gets_to_a_limit() -> None:
    found = of(50 + 0.5 * np.arange(61))
    assert found.slope == pytest.approx(0.5 / 60)
    assert found.r == pytest.approx(1)
    assert found.now == pytest.approx(80)
    assert found.reaches(90) == pytest.approx(20 * 60)
    assert found.steady


def test_it_never_gets_to_what_it_moves_away_from() -> None:
    assert of(np.arange(20)).reaches(5) is None
    assert of(np.arange(20)).reaches(19) == pytest.approx(0)
    assert of(-np.arange(20)).reaches(-30) == pytest.approx(11 * 60)
    assert of(np.full(20, 3.0)).reaches(4) is None


def test_a_fifth_of_wild_points_do_not_turn_the_line() -> None:
    values = 0.5 * np.arange(100)
    values[::5] = 1e6
    assert of(values).slope == pytest.approx(0.5 / 60, rel=0.05)


def test_noise_around_a_level_is_not_steady() -> None:
    found = of(np.random.default_rng(0).normal(size=200))
    assert abs(found.r) < 0.2
    assert not found.steady


def test_a_long_series_keeps_its_line() -> None:
    values = 0.01 * np.arange(20_000) + np.random.default_rng(1).normal(size=20_000)
    assert of(values).slope == pytest.approx(0.01 / 60, rel=0.01)


@pytest.mark.parametrize("count", range(4))
def test_fewer_than_four_points_have_no_trend(count: int) -> None:
    assert trend(series(np.arange(count))) is None


def test_points_of_one_moment_have_no_trend() -> None:
    assert trend(series(np.arange(10), step=0)) is None


def test_figures_that_are_none_count_as_missing() -> None:
    values = np.arange(30.0)
    values[[3, 9]] = np.nan, np.inf
    assert of(values).slope == pytest.approx(1 / 60)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40))
@settings(max_examples=examples(200), deadline=None)
def test_any_figures_give_none_or_finite_figures(values: list[float]) -> None:
    found = trend(series(values))
    if found is not None:
        assert np.isfinite([found.slope, found.now]).all()
        assert -1 <= found.r <= 1
        reached = found.reaches(0)
        assert reached is None or reached >= 0
