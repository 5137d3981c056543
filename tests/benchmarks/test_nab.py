"""The rules of scoring of the Numenta Anomaly Benchmark, on a made-up corpus."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks import nab

STANDARD = nab.Profile(name="standard", found=1.0, missed=1.0, false=0.11)
LOW_FALSE = nab.Profile(name="reward_low_FP_rate", found=1.0, missed=1.0, false=0.22)
LOW_MISSED = nab.Profile(name="reward_low_FN_rate", found=1.0, missed=2.0, false=0.11)


def recording(*windows: tuple[int, int], points: int = 1_000) -> nab.Recording:
    times = tuple(300.0 * i for i in range(points))
    return nab.Recording(name="kind/one", times=times, values=(0.0,) * points, windows=windows)


def alarms(at: dict[int, float], where: nab.Recording) -> nab.Alarms:
    scores = np.zeros(len(where.values))
    for point, score in at.items():
        scores[point] = score
    return nab.Alarms(recording=where, scores=scores)


@pytest.mark.parametrize("profile", [STANDARD, LOW_FALSE, LOW_MISSED])
def test_silence_is_0_and_an_alarm_at_the_beginning_of_each_window_100(profile: nab.Profile) -> None:
    where = recording((400, 499), (700, 799))
    assert nab.score([alarms({}, where)], profile, threshold=0.5) == 0
    assert nab.score([alarms({400: 1, 700: 1}, where)], profile, threshold=0.5) == pytest.approx(100)


def test_only_the_earliest_alarm_in_a_window_counts() -> None:
    where = recording((400, 499))
    early = nab.score([alarms({420: 1}, where)], STANDARD, threshold=0.5)
    assert nab.score([alarms({420: 1, 430: 1, 499: 1}, where)], STANDARD, threshold=0.5) == pytest.approx(early)


def test_a_late_alarm_is_worth_what_the_sigmoid_says() -> None:
    half = (2 / (1 + np.exp(-2.5)) - 1) / (2 / (1 + np.exp(-5)) - 1)
    told = nab.score([alarms({450: 1}, recording((400, 499)))], STANDARD, threshold=0.5)
    assert told == pytest.approx(100 * (1 + half) / 2)


def test_a_false_alarm_costs_its_weight_and_less_just_after_a_window() -> None:
    where = recording((400, 499))
    before = nab.score([alarms({300: 1}, where)], STANDARD, threshold=0.5)
    after = nab.score([alarms({500: 1}, where)], STANDARD, threshold=0.5)
    assert before == pytest.approx(-100 * 0.11 / 2)
    assert after == pytest.approx(100 * 0.11 * (2 / (1 + np.exp(5 / 99)) - 1) / 2)
    assert before < after < 0
    assert nab.score([alarms({900: 1}, where)], STANDARD, threshold=0.5) == pytest.approx(before)


@pytest.mark.parametrize(("points", "probation"), [(1_000, 150), (20_000, 750)])
def test_the_first_part_of_a_series_is_not_scored(points: int, probation: int) -> None:
    where = recording((points - 100, points - 1), points=points)
    assert where.probation == probation
    assert nab.score([alarms(dict.fromkeys(range(probation), 1.0), where)], STANDARD, threshold=0.5) == 0
    assert nab.score([alarms({probation: 1.0}, where)], STANDARD, threshold=0.5) < 0


def test_the_best_threshold_is_one_for_all_series_and_leaves_out_what_costs_more_than_it_brings() -> None:
    first, second = recording((400, 499)), recording((600, 699))
    clean = alarms({400: 0.9, 200: 0.3}, first)
    noisy = alarms({600: 0.8, **dict.fromkeys(range(200, 250), 0.7)}, second)
    threshold = nab.best_threshold([clean, noisy], STANDARD)
    assert threshold == pytest.approx(0.8)
    assert nab.score([clean, noisy], STANDARD, threshold=threshold) == pytest.approx(100)


def test_points_of_one_score_are_alarms_together() -> None:
    where = recording((400, 499))
    same = alarms({400: 0.5, 300: 0.5}, where)
    assert nab.score([same], STANDARD, threshold=0.5) == pytest.approx(100 - 5.5)
    assert nab.score([same], STANDARD, threshold=0.51) == 0


def test_a_corpus_is_read_from_its_folder(tmp_path: Path) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    stamps = [begin + timedelta(minutes=5 * i) for i in range(20)]
    rows = "".join(f"{at:%Y-%m-%d %H:%M:%S},{i}\n" for i, at in enumerate(stamps))
    (tmp_path / "data/kind").mkdir(parents=True)
    (tmp_path / "data/kind/one.csv.gz").write_bytes(gzip.compress(f"timestamp,value\n{rows}".encode()))
    window = [f"{stamps[i]:%Y-%m-%d %H:%M:%S}.000000" for i in (5, 9)]
    (tmp_path / "combined_windows.json").write_text(json.dumps({"kind/one.csv": [window]}))
    costs = {"tpWeight": 1.0, "fnWeight": 2.0, "fpWeight": 0.11, "tnWeight": 1.0}
    (tmp_path / "profiles.json").write_text(json.dumps({"reward_low_FN_rate": {"CostMatrix": costs}}))
    (one,), profiles = nab.load(tmp_path)
    assert (one.name, one.folder, one.windows) == ("kind/one", "kind", ((5, 9),))
    assert one.values == tuple(map(float, range(20)))
    assert one.times[0] == begin.timestamp()
    assert profiles == {"reward_low_FN_rate": LOW_MISSED}
