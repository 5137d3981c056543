"""How stated confidence becomes published confidence, and how far either can be trusted."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.model.calibration import Calibration, Judged, calibrate, fit, left_out, reliability
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.fact import from_json, to_json


def judged(raw: float, *, right: bool, target: str = "api", source: str = "rules", weight: float = 1) -> Judged:
    return Judged(target=target, source=source, raw=raw, published=raw, right=right, weight=weight)


def world(many: int, truth: Callable[[float], float], *, seed: int = 1) -> list[Judged]:
    """Return claims whose share right at a stated confidence is what `truth` says."""
    chance = random.Random(seed)  # noqa: S311 — the same world each time
    stated = [chance.betavariate(4, 1.5) for _ in range(many)]
    return [judged(raw, right=chance.random() < truth(raw), target=f"t{i % 8}") for i, raw in enumerate(stated)]


def guess(confidence: float, source: str = "rules") -> Hypothesis:
    return Hypothesis(kind="down", says="it is down", confidence=confidence, source=source)


SOME_CLAIMS = st.lists(
    st.builds(
        Judged,
        target=st.sampled_from(["a", "b"]),
        raw=st.floats(0, 1),
        published=st.floats(0, 1),
        right=st.booleans(),
        weight=st.sampled_from([1.0, 2.0]),
    ),
    min_size=1,
    max_size=80,
)


def test_without_any_judgement_a_confidence_is_published_as_it_is_stated() -> None:
    assert Calibration().of(guess(0.7)) == 0.7
    assert fit([judged(0.7, right=False, source="openai:x")]).of(guess(0.7)) == 0.7


def test_one_wrong_claim_moves_a_confidence_a_little_and_many_move_it_to_what_they_were_worth() -> None:
    once = fit([judged(0.9, right=False)]).of(guess(0.9))
    often = fit([judged(0.9, right=i % 2 == 0) for i in range(400)]).of(guess(0.9))
    assert 0.7 < once < 0.9
    assert often == pytest.approx(0.5, abs=0.04)


def test_that_sure_claims_were_right_makes_no_unsure_one_surer() -> None:
    taught = fit([judged(0.95, right=True)] * 500)
    assert taught.of(guess(0.95)) > 0.97
    assert taught.of(guess(0.45)) == pytest.approx(0.45, abs=0.02)


def test_a_person_s_word_moves_it_further_than_an_inference() -> None:
    inferred = fit([judged(0.9, right=False)]).of(guess(0.9))
    assert fit([judged(0.9, right=False, weight=2)]).of(guess(0.9)) < inferred


@given(SOME_CLAIMS, st.floats(0, 1), st.floats(0, 1))
def test_a_surer_claim_is_never_published_as_less_sure_and_both_are_shares(
    claims: list[Judged], one: float, other: float
) -> None:
    curve = fit(claims).curves["rules"]
    low, high = (calibrate(raw, curve) for raw in sorted((one, other)))
    assert 0.01 <= low <= high <= 0.99


@given(SOME_CLAIMS)
def test_a_map_does_not_depend_on_the_order_of_claims_and_is_the_same_read_back(claims: list[Judged]) -> None:
    taught, turned = fit(claims), fit(reversed(claims))
    for stated in (0.1, 0.5, 0.9):
        assert taught.of(guess(stated)) == pytest.approx(turned.of(guess(stated)), abs=2e-3)
    assert from_json(to_json(taught), Calibration) == taught


def test_after_200_claims_an_overconfident_source_is_right_as_often_as_it_is_published_to_be() -> None:
    taught = fit(world(200, lambda raw: 0.3 + 0.5 * raw))
    fresh = world(5_000, lambda raw: 0.3 + 0.5 * raw, seed=2)
    before = reliability([(one.raw, one.right) for one in fresh])
    after = reliability([(taught.of(guess(one.raw)), one.right) for one in fresh])
    assert before.ece > 0.08
    assert after.ece < 0.05
    assert after.brier < before.brier


def test_the_table_says_how_many_claims_of_a_band_were_right() -> None:
    table = reliability([(0.92, True), (0.98, False), (0.31, False)])
    assert [(band.above, band.claims, band.right) for band in table.bands] == [(0.3, 1, 0.0), (0.9, 2, 0.5)]
    assert table.ece == pytest.approx((0.31 + 2 * abs(0.95 - 0.5)) / 3)
    assert table.brier == pytest.approx((0.08**2 + 0.98**2 + 0.31**2) / 3)
    assert reliability([]).ece == 0


def test_even_perfect_calibration_shows_a_gap_by_chance_and_the_table_says_which() -> None:
    fair = reliability([(one.raw, one.right) for one in world(300, lambda raw: raw)])
    assert fair.ece == pytest.approx(fair.by_chance, abs=0.03)
    assert reliability([(0.5, True)] * 4).by_chance == pytest.approx(math.sqrt(2 / math.pi * 0.25 / 4))


def test_a_map_is_tested_on_services_that_it_was_not_taught_by() -> None:
    lonely = [judged(0.9, right=False, target="odd")] * 30
    assert left_out(lonely).bands[0].confidence == pytest.approx(0.9)
    mixed = left_out([*lonely, *(judged(0.9, right=True, target=f"t{i}") for i in range(30))])
    assert max(band.confidence for band in mixed.bands) > 0.9
