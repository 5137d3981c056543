"""The Numenta Anomaly Benchmark: its series and windows, and its rules of scoring.

Rules: A. Lavin, S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms – the Numenta Anomaly Benchmark", ICMLA
2015, and what the benchmark's version 1.1 does where the paper leaves it open.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

PROBATION = 0.15
"""The share of a series that is not scored, so that a detector can learn; of its first 5,000 points at most."""

_OUTSIDE = -1


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What right and wrong alarms are worth to somebody."""

    name: str
    found: float
    missed: float
    false: float


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A series with the windows in which an alarm is right."""

    name: str
    """Folder and file, without endings."""
    times: tuple[float, ...]
    values: tuple[float, ...]
    windows: tuple[tuple[int, int], ...]
    """First and last point of each, in order."""

    @property
    def folder(self) -> str:
        """The kind of data it is."""
        return self.name.split("/")[0]

    @property
    def probation(self) -> int:
        """How many points at its beginning are not scored."""
        return int(min(PROBATION * len(self.values), PROBATION * 5000))


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """A recording, and for each of its points how sure a detector was that something is wrong."""

    recording: Recording
    scores: np.ndarray


def load(folder: Path) -> tuple[list[Recording], dict[str, Profile]]:
    """Return the recordings and, by name, the profiles.

    Raises:
        OSError: a file is missing.

    """
    windows = json.loads((folder / "combined_windows.json").read_text())
    profiles = {
        name: Profile(name=name, found=costs["tpWeight"], missed=costs["fnWeight"], false=costs["fpWeight"])
        for name, said in json.loads((folder / "profiles.json").read_text()).items()
        for costs in (said["CostMatrix"],)
    }
    return [_recording(folder / "data", name, windows[name]) for name in sorted(windows)], profiles


def score(alarms: Sequence[Alarms], profile: Profile, *, threshold: float) -> float:
    """Return the normalised score at a threshold: 0 for never raising an alarm, 100 for a perfect detector."""
    thresholds, scores = _sweep(alarms, profile)
    reached = np.nonzero(thresholds >= threshold)[0]
    return float(scores[reached[-1]])


def best_threshold(alarms: Sequence[Alarms], profile: Profile) -> float:
    """Return the threshold with the highest score over these recordings, as the benchmark itself chooses it."""
    thresholds, scores = _sweep(alarms, profile)
    return float(thresholds[int(np.argmax(scores))])


def _recording(folder: Path, name: str, windows: Sequence[Sequence[str]]) -> Recording:
    with gzip.open(folder / f"{name}.gz", "rt", encoding="utf-8") as file:
        rows = [(_seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
    times = [at for at, _ in rows]
    return Recording(
        name=name.removesuffix(".csv"),
        times=tuple(times),
        values=tuple(value for _, value in rows),
        windows=tuple((times.index(_seconds(begin)), times.index(_seconds(end))) for begin, end in windows),
    )


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()


def _sweep(alarms: Sequence[Alarms], profile: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Return all thresholds that make a difference, highest first (none reaches the first), and the score at each."""
    judged = [_worth(each.recording, profile) for each in alarms]
    counted = [0, *np.cumsum([len(each.recording.windows) for each in alarms])]
    certainty = np.concatenate([a.scores[a.recording.probation :] for a in alarms])
    worth = np.concatenate([gains for gains, _ in judged])
    window = np.concatenate([np.where(w == _OUTSIDE, w, w + n) for (_, w), n in zip(judged, counted, strict=False)])
    order = np.argsort(-certainty, kind="stable")
    change = np.where(window == _OUTSIDE, worth, 0.0)
    for number in range(counted[-1]):
        inside = order[window[order] == number]
        earned = np.concatenate([[-profile.missed], np.maximum(np.maximum.accumulate(worth[inside]), -profile.missed)])
        change[inside] = np.diff(earned)
    gained = np.cumsum(change[order])
    last = np.nonzero(np.diff(certainty[order], append=-np.inf))[0]
    thresholds = np.concatenate([[np.inf], certainty[order][last]])
    silent = -profile.missed * counted[-1]
    perfect = profile.found * counted[-1]
    return thresholds, 100 * np.concatenate([[0.0], gained[last]]) / (perfect - silent)


def _worth(recording: Recording, profile: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each point that is scored, what an alarm there is worth, and the number of its window or `_OUTSIDE`.

    Right alarms are worth more the earlier they come, wrong ones cost less just after a window.
    """
    points = np.arange(len(recording.values))
    worth = np.full(len(points), -profile.false)
    number = np.full(len(points), _OUTSIDE)
    for window, (first, last) in enumerate(recording.windows):
        length = last - first + 1
        after = points > last
        worth[after] = profile.false * _scaled((points[after] - last) / (length - 1))
        inside = (points >= first) & (points <= last)
        worth[inside] = profile.found * _scaled((points[inside] - last - 1) / length) / _scaled(np.array(-1.0))
        number[inside] = window
    return worth[recording.probation :], number[recording.probation :]


def _scaled(position: np.ndarray) -> np.ndarray:
    """Return the benchmark's sigmoid: nearly 1 at a window's left edge (-1), 0 at its right edge, then down to -1."""
    return np.where(position >= 3.0, -1.0, 2 / (1 + np.exp(5 * np.minimum(position, 3.0))) - 1)
