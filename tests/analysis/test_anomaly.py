from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devops_agent.analysis.anomaly import find_anomaly
from devops_agent.model.insight import Anomaly
from devops_agent.model.telemetry import Series
from tests.effort import examples

BEGIN = 1_700_000_000.0
DAY = 86_400


def series(values: object, *, step: float = 15, name: str = "latency_ms", unit: str = "ms") -> Series:
    listed = [float(value) for value in np.asarray(values)]
    times = tuple(BEGIN + step * i for i in range(len(listed)))
    return Series(name=name, target="shop", unit=unit, times=times, values=tuple(listed))


def point(anomaly: Anomaly | None, *, step: float = 15) -> float | None:
    return None if anomaly is None else (anomaly.begins_at.timestamp() - BEGIN) / step


def noise(seed: int, count: int = 240) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=count)


def shifted(by: float, *, at: int = 200, seed: int = 0) -> Series:
    values = 100 + noise(seed)
    values[at:] += by
    return series(values)


def daily(seed: int, *, days: int, weekend: float = 1.0, step: int = 900) -> np.ndarray:
    seconds = np.arange(days * DAY // step) * step
    busy = 50 + 20 * np.sin(2 * np.pi * seconds / DAY) + 15 * (np.sin(4 * np.pi * seconds / DAY) > 0.7)
    quieter = np.where(seconds // DAY % 7 >= 5, weekend, 1.0)
    return np.asarray(busy * quieter + 2 * np.random.default_rng(seed).normal(size=len(seconds)))


def test_a_shift_is_told_with_its_first_point_its_levels_and_whose_it_is() -> None:
    found = find_anomaly(shifted(20), since=BEGIN + 160 * 15)
    assert found is not None
    assert (found.series, found.target, found.unit) == ("latency_ms", "shop", "ms")
    assert found.begins_at == datetime.fromtimestamp(BEGIN + 200 * 15, UTC)
    assert found.before == pytest.approx(100, abs=0.5)
    assert found.after == pytest.approx(120, abs=0.5)
    assert found.rises


def test_a_fall_is_told_as_one() -> None:
    found = find_anomaly(shifted(-20), since=BEGIN + 160 * 15)
    assert found is not None
    assert not found.rises
    assert found.after == pytest.approx(80, abs=0.5)


def test_the_score_grows_with_the_shift_and_is_one_half_at_twice_the_usual() -> None:
    scores = [find_anomaly(shifted(by), since=BEGIN + 160 * 15) for by in (4, 8, 40)]
    assert [found is not None for found in scores] == [True] * 3
    small, middle, great = (found.score for found in scores if found is not None)
    assert 0.2 <= small < middle < great < 1
    assert (1 - middle) * 8 == pytest.approx((1 - great) * 40, rel=0.1), "deviation times (1 - score) is what is usual"


@pytest.mark.parametrize("seed", range(20))
def test_a_clear_shift_is_found_within_two_points_in_a_quarter_of_an_hour(seed: int) -> None:
    values = 100 + noise(seed, 60)
    values[45:] += 8
    begins = point(find_anomaly(series(values), since=BEGIN + 40 * 15))
    assert begins is not None
    assert abs(begins - 45) <= 2


def test_what_is_over_again_is_told_too() -> None:
    values = 100 + noise(3)
    values[180:200] += 30
    found = find_anomaly(series(values), since=BEGIN + 160 * 15)
    assert point(found) == 180
    assert found is not None
    assert found.after == pytest.approx(130, abs=1)


def test_a_step_smeared_by_a_rate_over_five_minutes_begins_where_the_step_was() -> None:
    values = 100 + noise(4)
    values[200:] += 30 * np.minimum(1, (np.arange(40) + 1) / 20)
    begins = point(find_anomaly(series(values), since=BEGIN + 160 * 15))
    assert begins is not None
    assert 200 <= begins <= 204


def test_without_a_time_the_first_half_is_the_past() -> None:
    assert point(find_anomaly(shifted(20))) == 200
    assert find_anomaly(shifted(20, at=60)) is None


@pytest.mark.parametrize(
    "values",
    [
        np.full(240, 3.0),
        np.zeros(240),
        np.where(np.arange(240) % 37 == 0, 500.0, 5.0),
        np.where(np.arange(240) % 2 == 0, 1.0, 2.0),
        10 * np.sin(np.arange(240) / 12),
        0.5 * np.arange(240) + noise(5),
        np.repeat(noise(6, 24), 10),
    ],
    ids=["flat", "zero", "spikes", "alternating", "wave", "growth", "steps"],
)
def test_what_went_on_all_the_time_is_no_anomaly(values: np.ndarray) -> None:
    assert find_anomaly(series(values), since=BEGIN + 160 * 15) is None


def test_one_wild_point_is_no_anomaly() -> None:
    values = 100 + noise(7)
    values[210] = 1e6
    assert find_anomaly(series(values), since=BEGIN + 160 * 15) is None


def test_a_wild_past_point_hides_nothing() -> None:
    values = 100 + noise(8)
    values[50] = 1e6
    values[200:] += 10
    assert point(find_anomaly(series(values), since=BEGIN + 160 * 15)) == 200


def test_errors_where_there_were_none_are_an_anomaly_of_almost_one() -> None:
    values = np.zeros(240)
    values[200:] = 0.05
    found = find_anomaly(series(values), since=BEGIN + 160 * 15)
    assert point(found) == 200
    assert found is not None
    assert found.score > 0.99


@pytest.mark.parametrize(("days", "weekend"), [(4, 1.0), (22, 0.5)])
@pytest.mark.parametrize("seed", range(10))
def test_the_course_of_the_day_and_of_the_week_is_usual(seed: int, days: int, weekend: float) -> None:
    values = daily(seed, days=days, weekend=weekend)
    since = BEGIN + 900 * len(values) - 6 * 3600
    assert find_anomaly(series(values, step=900), since=since) is None


@pytest.mark.parametrize("seed", range(10))
def test_a_level_that_is_usual_at_noon_is_an_anomaly_at_night(seed: int) -> None:
    values = daily(seed, days=4)
    onset = len(values) - 16
    values[onset:] = 70 + 2 * noise(seed, 16)
    found = find_anomaly(series(values, step=900), since=BEGIN + 900 * (len(values) - 24))
    begins = point(found, step=900)
    assert begins is not None
    assert abs(begins - onset) <= 2
    assert found is not None
    assert found.before < 45, "what that time of day brought before, not the median of all days"


def test_gaps_and_figures_that_are_none_count_as_missing() -> None:
    whole = shifted(20)
    kept = [i for i in range(240) if i % 7 and not 100 <= i < 130]
    values = list(whole.values)
    values[150], values[190] = float("nan"), float("inf")
    holes = whole.with_(times=tuple(whole.times[i] for i in kept), values=tuple(values[i] for i in kept))
    found = find_anomaly(holes, since=BEGIN + 160 * 15)
    assert point(found) == 200


@pytest.mark.parametrize("count", [0, 1, 2, 5, 10])
def test_too_few_points_tell_nothing(count: int) -> None:
    assert find_anomaly(series(np.arange(count)), since=BEGIN + 15 * (count - 2)) is None


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_make_no_difference(scale: float) -> None:
    plain = find_anomaly(shifted(20), since=BEGIN + 160 * 15)
    whole = shifted(20)
    scaled = find_anomaly(whole.with_(values=tuple(scale * v for v in whole.values)), since=BEGIN + 160 * 15)
    assert plain is not None
    assert scaled is not None
    assert scaled.begins_at == plain.begins_at
    assert scaled.score == pytest.approx(plain.score, abs=0.01)


@pytest.mark.parametrize(
    "draw",
    [
        lambda chance: chance.normal(size=240),
        lambda chance: chance.standard_t(3, size=240),
        lambda chance: np.exp(chance.normal(size=240)),
        lambda chance: chance.poisson(0.3, 240),
        lambda chance: np.cumsum(chance.normal(size=240)),
    ],
    ids=["normal", "heavy tails", "skewed", "rare events", "random walk"],
)
def test_noise_is_hardly_ever_taken_for_an_anomaly(draw: object) -> None:
    assert callable(draw)
    found = [
        find_anomaly(series(draw(np.random.default_rng(seed))), since=BEGIN + 160 * 15) is not None
        for seed in range(100)
    ]
    assert sum(found) <= 5


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    since=st.none() | st.floats(min_value=BEGIN - 100, max_value=BEGIN + 1000),
)
@settings(max_examples=examples(300), deadline=None)
def test_any_figures_give_none_or_an_anomaly_within_the_window(values: list[float], since: float | None) -> None:
    found = find_anomaly(series(values), since=since)
    if found is not None:
        assert 0.2 <= found.score <= 1
        assert np.isfinite([found.before, found.after]).all()
        assert since is None or found.begins_at.timestamp() >= since
        assert found.begins_at.timestamp() <= BEGIN + 15 * len(values)
