"""Calibration: what a stated confidence has been worth, and how far stated confidences can be trusted at all.

The map from raw to published confidence is fitted in two steps that are few lines without any library. First a straight
line between the log-odds of both (Platt 1999), with a prior at "what is stated is true", so that a handful of outcomes
moves it a little. Then each twentieth of the scale is corrected by its own outcomes, shrunk towards that line, and the
whole is made monotone by pooling adjacent violators (Zadrozny and Elkan 2002): a surer claim is never published as less
sure. Few outcomes leave the line alone; many can bend it to any monotone shape. Where no claims were judged nearby,
what is stated stands: that sure claims are right must not make unsure ones sure enough to act on.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from devops_agent.model.diagnosis import Diagnosis, Hypothesis

BINS = 20
"""Parts of the scale that are counted, and corrected, apart."""
_SHOWN = 10
"""Parts of the scale in a reliability table, as is usual for the expected calibration error."""
_LINE_PRIOR = 4.0
"""How strongly the line is held to the diagonal: the precision of a normal prior on its slope and on its shift."""
_BIN_PRIOR = 8.0
"""Judged claims that the line counts for in each part of the scale, and that what is stated counts for against it."""
_NEAR = 2
"""Parts of the scale on either side whose claims bear out the line."""
_SUREST = 0.99


class Judged(Fact, kw_only=True):
    """A claim that was made with a confidence and turned out right or wrong."""

    target: str
    source: str = "rules"
    raw: float
    """What was stated, 0 to 1, before any correction."""
    published: float
    """What people and the guard were told, 0 to 1."""
    right: bool
    weight: float = 1.0
    """A person's word weighs more than what the outcome lets us infer."""


class _Counted(Fact, kw_only=True):
    """Judged claims of one part of the scale."""

    claims: float = 0.0
    right: float = 0.0
    raw: float = 0.0
    """Sum of their raw confidences."""


_NONE = _Counted()


class Curve(Fact, kw_only=True):
    """The map of one source."""

    knots: tuple[tuple[float, float], ...]
    """(raw, published), ascending in both; straight between two, flat outside."""
    claims: float
    """Judged claims that it rests on, by weight."""


class Calibration(Fact, kw_only=True):
    """The maps of all sources; one without a map is published as it is stated."""

    curves: dict[str, Curve] = {}

    def of(self, hypothesis: Hypothesis) -> float:
        """Return the confidence to publish for a hypothesis, 0 to 1."""
        curve = self.curves.get(hypothesis.source)
        return hypothesis.confidence if curve is None else calibrate(hypothesis.confidence, curve)

    def applied(self, diagnosis: Diagnosis) -> Diagnosis:
        """Return a diagnosis with the confidences to publish; the order of its hypotheses stays as the rules had it."""
        if not self.curves:
            return diagnosis
        return diagnosis.with_(
            hypotheses=tuple(h.with_(confidence=self.of(h), stated=h.confidence) for h in diagnosis.hypotheses)
        )


def calibrate(raw: float, curve: Curve) -> float:
    """Return the confidence to publish for a raw one, in thousandths; never certainty, for no record proves that."""
    return round(min(max(_along(raw, curve.knots), 1 - _SUREST), _SUREST), 3)


def _along(raw: float, knots: tuple[tuple[float, float], ...]) -> float:
    if raw <= knots[0][0]:
        return knots[0][1]
    for (left, low), (right, high) in pairwise(knots):
        if raw <= right:
            return low + (high - low) * (raw - left) / (right - left)
    return knots[-1][1]


def fit(judged: Iterable[Judged]) -> Calibration:
    """Return the maps that judged claims teach."""
    counts: dict[str, dict[int, _Counted]] = {}
    for one in judged:
        parts = counts.setdefault(one.source, {})
        number = min(max(int(one.raw * BINS), 0), BINS - 1)
        old = parts.get(number, _NONE)
        parts[number] = _Counted(
            claims=old.claims + one.weight,
            right=old.right + one.weight * one.right,
            raw=old.raw + one.weight * one.raw,
        )
    return Calibration(curves={source: _curve(parts) for source, parts in sorted(counts.items())})


def _curve(parts: Mapping[int, _Counted]) -> Curve:
    slope, shift = _line(parts.values())
    points = []
    for number in range(BINS):
        seen = parts.get(number, _NONE)
        raw = seen.raw / seen.claims if seen.claims else (number + 0.5) / BINS
        near = sum(parts[n].claims for n in range(number - _NEAR, number + _NEAR + 1) if n in parts)
        borne_out = near / (near + _BIN_PRIOR)
        expected = borne_out * _sigmoid(slope * _log_odds(raw) + shift) + (1 - borne_out) * raw
        weight = seen.claims + _BIN_PRIOR
        points.append((raw, (seen.right + _BIN_PRIOR * expected) / weight, weight))
    return Curve(knots=_pooled(points), claims=sum(one.claims for one in parts.values()))


def _line(parts: Iterable[_Counted]) -> tuple[float, float]:
    """Return slope and shift that make the counts likeliest, with a normal prior around (1, 0); by Newton's method."""
    seen = [(one.claims, one.right, _log_odds(one.raw / one.claims)) for one in parts if one.claims]
    slope, shift = 1.0, 0.0
    for _ in range(30):
        g_slope, g_shift = _LINE_PRIOR * (slope - 1), _LINE_PRIOR * shift
        h_slope = h_shift = _LINE_PRIOR
        h_both = 0.0
        for claims, right, x in seen:
            p = _sigmoid(slope * x + shift)
            g_slope += (claims * p - right) * x
            g_shift += claims * p - right
            h = claims * p * (1 - p)
            h_slope, h_shift, h_both = h_slope + h * x * x, h_shift + h, h_both + h * x
        determinant = h_slope * h_shift - h_both * h_both
        by_slope = (h_shift * g_slope - h_both * g_shift) / determinant
        by_shift = (h_slope * g_shift - h_both * g_slope) / determinant
        # A full step from afar may overshoot; the prior keeps the answer within a few units.
        slope -= min(max(by_slope, -1), 1)
        shift -= min(max(by_shift, -1), 1)
        if abs(by_slope) + abs(by_shift) < 1e-9:  # noqa: PLR2004 — far below what is published
            break
    return max(slope, 0.0), shift


def _pooled(points: Iterable[tuple[float, float, float]]) -> tuple[tuple[float, float], ...]:
    """Pool adjacent violators: (x, y, weight) in ascending x → (x, y) ascending in both."""
    pools: list[list[float]] = []  # [sum of x, sum of y, weight]
    for x, y, weight in points:
        pools.append([x * weight, y * weight, weight])
        while len(pools) > 1 and pools[-2][1] / pools[-2][2] >= pools[-1][1] / pools[-1][2]:
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    return tuple((round(x / weight, 4), round(y / weight, 4)) for x, y, weight in pools)


def _log_odds(share: float) -> float:
    held = min(max(share, 1 - _SUREST), _SUREST)
    return math.log(held / (1 - held))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-min(max(value, -30.0), 30.0)))


class Band(Fact, kw_only=True):
    """One line of a reliability table."""

    above: float
    """Lower end of the band of confidences; it is a tenth wide."""
    claims: int
    confidence: float
    """Their mean confidence."""
    right: float
    """The share of them that was right."""


class Reliability(Fact, kw_only=True):
    """How far stated confidences can be trusted."""

    claims: int
    ece: float
    """Expected calibration error (Naeini 2015, tenths): mean gap between confidence and share right, by claims."""
    by_chance: float
    """The ECE that as many claims of perfect calibration show on average: what is not above it is no fault."""
    brier: float
    """Mean squared gap between confidence and truth (Brier 1950): 0 is perfect, a coin's word is 0.25."""
    bands: tuple[Band, ...] = ()


def reliability(claims: Sequence[tuple[float, bool]]) -> Reliability:
    """Return the table for (confidence, whether it was right)."""
    by_band: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in claims:
        by_band.setdefault(min(int(confidence * _SHOWN), _SHOWN - 1), []).append((confidence, right))
    n = len(claims)
    bands = tuple(
        Band(
            above=number / _SHOWN,
            claims=len(inside),
            confidence=sum(confidence for confidence, _ in inside) / len(inside),
            right=sum(right for _, right in inside) / len(inside),
        )
        for number, inside in sorted(by_band.items())
    )
    return Reliability(
        claims=n,
        ece=sum(band.claims * abs(band.confidence - band.right) for band in bands) / max(n, 1),
        by_chance=sum(band.claims * _by_chance(band) for band in bands) / max(n, 1),
        brier=sum((confidence - right) ** 2 for confidence, right in claims) / max(n, 1),
        bands=bands,
    )


def _by_chance(band: Band) -> float:
    """Return the mean gap of a band whose confidence is exactly right (the mean of a folded normal)."""
    return math.sqrt(2 / math.pi * band.confidence * (1 - band.confidence) / band.claims)


def left_out(judged: Sequence[Judged]) -> Reliability:
    """Return the table for the map itself, each target's claims corrected by what all other targets taught.

    So it says what the map is worth for a service that it has not seen.
    """
    targets = sorted({one.target for one in judged})
    claims: list[tuple[float, bool]] = []
    for target in targets:
        taught = fit(one for one in judged if one.target != target)
        for one in judged:
            if one.target == target:
                curve = taught.curves.get(one.source)
                claims.append((calibrate(one.raw, curve) if curve else one.raw, one.right))
    return reliability(claims)
