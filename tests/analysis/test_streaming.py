import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from devops_agent.analysis.streaming import Stream

STEP = 300
A_DAY = 86_400 // STEP


def seen(values: object, *, step: float = STEP) -> np.ndarray:
    stream = Stream()
    return np.array([stream.see(step * i, float(value)) for i, value in enumerate(np.asarray(values))])


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=count)


def test_a_jump_is_the_greatest_surprise_and_told_at_once() -> None:
    values = 10 + noise(1_500)
    values[1_200:] += 20
    told = seen(values)
    assert told.argmax() == 1_200
    assert told[1_200] > 0.99


def test_a_disturbance_that_lasts_is_told_once() -> None:
    values = 10 + noise(1_500)
    values[1_200:1_250] += 20
    told = seen(values)
    assert (told[1_200:1_250] > 0.99).sum() == 1


def test_a_disturbance_that_grows_is_told_again() -> None:
    values = 10 + noise(1_500)
    values[1_200:1_220] += 8
    values[1_220:1_240] += 60
    told = seen(values)
    assert told[1_220] > max(told[1_200:1_220].max(), 0.99)


def test_the_peak_of_each_day_is_no_surprise_but_a_day_without_it_is() -> None:
    day = np.where(np.arange(A_DAY) // 24 == 5, 80.0, 20.0)
    values = np.tile(day, 8) + noise(8 * A_DAY)
    values[7 * A_DAY :] = 20 + noise(A_DAY, 1)
    told = seen(values)
    peak = slice(7 * A_DAY + 5 * 24, 7 * A_DAY + 6 * 24)
    assert told[3 * A_DAY : 7 * A_DAY].max() < told[peak].max()
    assert told[peak].max() > 0.99


def test_a_flat_series_is_no_surprise() -> None:
    assert seen(np.full(1_000, 7.0)).max() == 0


def test_what_comes_before_there_is_a_past_is_no_surprise() -> None:
    assert seen([1, 1e9, -5, 3] * 5).max() == 0


def test_what_is_no_finite_number_is_passed_over() -> None:
    values = 10 + noise(400)
    stream, holey = Stream(), Stream()
    plain, told = [], []
    for i, value in enumerate(values):
        plain.append(stream.see(STEP * i, value))
        told.append(holey.see(STEP * i, value))
        assert holey.see(STEP * i + 1, float("nan")) == 0
        assert holey.see(STEP * i + 1, float("inf")) == 0
    assert told == plain


def test_the_past_that_is_kept_is_bounded() -> None:
    told = seen(noise(9_000), step=3_600)
    assert np.isfinite(told).all()


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=120))
@settings(max_examples=100, deadline=None)
def test_any_figures_give_a_surprise_from_0_to_1(values: list[float]) -> None:
    told = seen(values, step=7_200)
    assert ((told >= 0) & (told <= 1)).all()
