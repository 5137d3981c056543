"""What a record says: of a strategy, of waiting, and of how far an action is trusted."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.testing import START
from devops_agent.model.attempt import Outcome
from devops_agent.model.learning import (
    HARMFUL,
    HELPED,
    USELESS,
    Record,
    Standing,
    Terms,
    Tried,
    Waited,
    credit,
    draw,
    lower_gain,
    lowest,
    record_of,
    records_of,
    stand,
    wilson,
)
from devops_agent.model.target import Trust

TERMS = Terms()
DAY = timedelta(days=1)
LADDER = list(Trust)


def tried(number: int = 0, outcome: Outcome = Outcome.HEALED, **changes: object) -> Tried:
    """Return the trial of the incident of that number, which took place so many hours after START."""
    whole: dict[str, object] = {
        "at": START + timedelta(hours=number),
        "incident": f"INC-{number}",
        "target": "api",
        "kind": "down",
        "runbook": "restart",
        "actions": ("fake.restart",),
        "version": "shop:1",
        "outcome": outcome,
        **changes,
    }
    return Tried(**whole)  # type: ignore[arg-type]


def many(count: int, outcome: Outcome = Outcome.HEALED, *, first: int = 0, **changes: object) -> list[Tried]:
    return [tried(first + n, outcome, **changes) for n in range(count)]


def standing(
    *trials: Tried,
    start: Trust = Trust.ASK,
    top: Trust = Trust.AUTO,
    waited: Waited = Waited(),  # noqa: B008 — a fact does not change
    after: timedelta = DAY * 3,
) -> Standing:
    now = START + after
    return stand("fake.restart", start=start, top=top, trials=trials, waited=waited, terms=TERMS, now=now)


SOME_TRIALS = st.lists(
    st.tuples(
        st.sampled_from([Outcome.HEALED, Outcome.HEALED, Outcome.HEALED, Outcome.FAILED, Outcome.UNDONE]),
        st.booleans(),
        st.sampled_from(["", "", "", "", HELPED, USELESS, HARMFUL]),
    ),
    max_size=40,
).map(
    lambda some: [
        tried(n, outcome, relapsed=relapsed and n % 4 == 0, word=word)
        for n, (outcome, relapsed, word) in enumerate(some)
    ]
)
SOME_WAITS = st.integers(0, 20).flatmap(lambda n: st.integers(0, n).map(lambda over: Waited(here=(over, n))))


def test_nothing_is_known_of_what_was_never_tried() -> None:
    assert (Record().belief, Record().mean, Record().known) == ((1, 1), 0.5, False)


def test_a_target_without_a_record_borrows_that_of_all_others_and_soon_goes_by_its_own() -> None:
    others = Record(elsewhere=(90, 100), elsewhere_weighted=(90, 100))
    assert others.mean == pytest.approx(0.89, abs=0.01)
    assert others.with_(here=(0, 4), here_weighted=(0, 4)).mean == pytest.approx(0.64, abs=0.02)
    assert others.with_(here=(0, 40), here_weighted=(0, 40)).mean < 0.2


def test_older_outcomes_and_those_with_other_versions_count_less_and_the_oldest_not_at_all() -> None:
    now = START + timedelta(hours=1)
    trials = [
        tried(0),
        tried(0, version="shop:0"),
        tried(0, at=now - TERMS.half_life),
        tried(0, at=now - TERMS.memory - DAY),
        tried(0, Outcome.FAILED, target="web"),
    ]
    record = record_of(trials, target="api", version="shop:1", terms=TERMS, now=now)
    assert (record.here, record.elsewhere) == ((3, 3), (0, 1))
    assert list(record.here_weighted) == pytest.approx([2.0, 2.0], abs=0.01)


@given(
    st.lists(
        st.builds(
            tried,
            st.integers(0, 3_000),
            st.sampled_from(list(Outcome)),
            target=st.sampled_from("abc"),
            version=st.sampled_from("12"),
        ),
        max_size=30,
    )
)
def test_the_records_of_many_targets_are_those_of_each(trials: list[Tried]) -> None:
    now = START + DAY * 100
    found = records_of(trials, versions={"a": "1", "b": "2", "none": "1"}, terms=TERMS, now=now)
    for target, version in (("a", "1"), ("b", "2"), ("none", "1")):
        alone = record_of(trials, target=target, version=version, terms=TERMS, now=now)
        assert (found[target].here, found[target].elsewhere) == (alone.here, alone.elsewhere)
        assert found[target].here_weighted == pytest.approx(alone.here_weighted)
        assert found[target].elsewhere_weighted == pytest.approx(alone.elsewhere_weighted, abs=1e-9)


def test_a_draw_is_the_same_for_the_same_seed_and_spread_as_the_belief_is_unsure() -> None:
    unsure, sure = Record(here=(1, 2), here_weighted=(1, 2)), Record(here=(200, 400), here_weighted=(200, 400))
    seeds = [f"INC-{n}/0/restart" for n in range(200)]
    wide, narrow = [draw(unsure, seed=seed) for seed in seeds], [draw(sure, seed=seed) for seed in seeds]
    assert wide == [draw(unsure, seed=seed) for seed in seeds]
    assert max(wide) - min(wide) > 0.7
    assert max(narrow) - min(narrow) < 0.2


def test_an_action_is_credited_only_with_what_waiting_would_not_have_healed() -> None:
    record = Record(here=(9, 10), here_weighted=(9, 10))
    assert credit(record, Waited(here=(0, 100))) == pytest.approx(0.82, abs=0.01)
    assert credit(record, Waited(here=(50, 100))) == pytest.approx(0.37, abs=0.01)
    assert credit(record, Waited(here=(100, 100))) == 0


@given(st.integers(1, 200), st.integers(0, 200), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_share_lies_between_its_bounds(n: int, hits: int, certainty: float) -> None:
    share = min(hits, n) / n
    low, high = wilson((min(hits, n), n), certainty=certainty)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
    assert lower_gain((min(hits, n), n), (1, 10), certainty=certainty) <= share - 0.1 + 1e-9


def test_bounds_are_those_of_the_literature() -> None:
    low, high = wilson((81, 263), certainty=0.975)  # Newcombe 1998, Statistics in Medicine 17, 857, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    gain = lower_gain((56, 70), (48, 80), certainty=0.975)  # the companion paper, 17, 873, table II, method 10
    assert round(gain, 4) == 0.0524


def test_trust_rises_a_rung_once_enough_was_verified_to_help_more_than_waiting() -> None:
    assert standing(*many(5)).level is Trust.ASK
    risen = standing(*many(6))
    assert risen.level is Trust.NOTIFY
    assert risen.says == "risen: it healed 6 of 6, at least 50% more often than waiting"
    assert standing(*many(10)).level is Trust.NOTIFY
    assert standing(*many(11)).level is Trust.AUTO


def test_what_heals_by_itself_as_often_earns_no_trust() -> None:
    assert standing(*many(40), waited=Waited(here=(18, 20))).level is Trust.ASK


def test_what_was_earned_goes_with_the_first_failure() -> None:
    failed = standing(*many(11), tried(11, Outcome.FAILED))
    assert (failed.level, failed.says) == (Trust.NOTIFY, "fallen: INC-11: it did not help")
    back = standing(*many(11), tried(11, relapsed=True))
    assert (back.level, back.says) == (Trust.NOTIFY, "fallen: INC-11: the trouble came back")


def test_what_people_gave_at_the_start_goes_when_it_hardly_ever_helps() -> None:
    assert standing(*many(8, Outcome.FAILED), start=Trust.AUTO).level is Trust.AUTO
    fallen = standing(*many(9, Outcome.FAILED), start=Trust.AUTO)
    assert (fallen.level, fallen.says) == (Trust.NOTIFY, "fallen: INC-8: it did not help; 9 of 9 failed")
    mixed = [tried(n, Outcome.HEALED if n % 4 == 0 else Outcome.FAILED) for n in range(40)]
    assert standing(*mixed, start=Trust.AUTO).level is Trust.AUTO


def test_however_often_it_fails_on_one_incident_that_is_one_failure() -> None:
    again = many(20, Outcome.FAILED, incident="INC-1")
    assert standing(*again, start=Trust.AUTO).level is Trust.AUTO
    assert standing(*many(11), *again).level is Trust.NOTIFY


@pytest.mark.parametrize("outcome", [Outcome.UNDONE, Outcome.UNCLEAR])
def test_harm_lowers_trust_at_once_whatever_was_before(outcome: Outcome) -> None:
    before = standing(*many(40), start=Trust.AUTO)
    after = standing(*many(40), tried(40, outcome), start=Trust.AUTO)
    assert (before.level, after.level) == (Trust.AUTO, Trust.NOTIFY)
    assert after.says == f"fallen: INC-40: {outcome.value}"


def test_a_person_s_word_of_harm_means_to_ask_and_a_rest() -> None:
    said = START + timedelta(hours=41)
    harmed = [*many(40), tried(40, word=HARMFUL, word_at=said)]
    resting = standing(*harmed, *many(20, first=42), start=Trust.AUTO)
    assert resting.level is Trust.ASK
    until = said + TERMS.rest
    assert resting.says == (
        f"fallen: INC-40: a person called it harmful; it cannot rise before {until:%Y-%m-%d %H:%M} UTC"
    )
    later = [tried(n, at=until + timedelta(hours=n)) for n in range(1, 12)]
    assert standing(*harmed, *later, start=Trust.AUTO, after=DAY * 12).level is Trust.AUTO


def test_a_person_s_word_goes_before_what_was_inferred() -> None:
    assert tried(outcome=Outcome.FAILED, word=HELPED).healed
    assert not tried(word=USELESS).healed
    assert not tried(outcome=Outcome.UNDONE, word=USELESS).harmed
    assert not tried(relapsed=True).healed


def test_where_people_only_let_it_observe_nothing_is_earned() -> None:
    assert standing(*many(40), start=Trust.OBSERVE).level is Trust.OBSERVE
    assert standing(tried(0, Outcome.UNDONE), start=Trust.OBSERVE).level is Trust.OBSERVE


def test_what_is_long_ago_is_forgotten_and_trust_is_where_it_starts() -> None:
    harmed = tried(0, word=HARMFUL, word_at=START)
    assert standing(harmed, start=Trust.AUTO, after=TERMS.memory + DAY).level is Trust.AUTO


@given(SOME_TRIALS, st.sampled_from(Trust), st.sampled_from(Trust), SOME_WAITS)
def test_trust_is_never_above_the_ceiling_unless_people_let_it_start_there(
    trials: list[Tried], start: Trust, top: Trust, waited: Waited
) -> None:
    level = standing(*trials, start=start, top=top, waited=waited).level
    assert level.rank <= max(start.rank, top.rank)
    assert level.rank >= min(start.rank, Trust.ASK.rank)


@given(SOME_TRIALS, st.sampled_from(Trust), SOME_WAITS, st.sampled_from([Outcome.UNDONE, Outcome.FAILED]))
def test_neither_harm_nor_failure_raises_trust(
    trials: list[Tried], start: Trust, waited: Waited, worse: Outcome
) -> None:
    before = standing(*trials, start=start, waited=waited).level
    after = standing(*trials, tried(len(trials), worse), start=start, waited=waited).level
    assert after.rank <= before.rank
    assert standing(*trials, tried(99, word=HARMFUL), start=start, waited=waited).level.rank <= Trust.ASK.rank


@given(SOME_TRIALS, st.sampled_from(Trust), SOME_WAITS)
def test_a_success_never_lowers_trust(trials: list[Tried], start: Trust, waited: Waited) -> None:
    before = standing(*trials, start=start, waited=waited).level
    assert standing(*trials, tried(len(trials)), start=start, waited=waited).level.rank >= before.rank


@given(SOME_TRIALS, st.sampled_from(Trust))
def test_the_same_record_gives_the_same_standing(trials: list[Tried], start: Trust) -> None:
    assert standing(*trials, start=start) == standing(*trials, start=start)


def test_a_plan_is_trusted_as_its_least_trusted_action() -> None:
    high, low = (Standing(action=level.value, level=level, says="") for level in (Trust.AUTO, Trust.ASK))
    assert lowest([high, low]) == low
    assert lowest([]) is None


def test_a_clock_that_was_ahead_cuts_no_rest_short() -> None:
    harmed = tried(0, word=HARMFUL, word_at=START)
    ahead = [tried(24 * 8 + number) for number in range(6)]
    assert standing(harmed, *ahead, after=DAY).level is Trust.ASK
    assert standing(harmed, *ahead, after=DAY * 9).level is Trust.NOTIFY
    assert standing(tried(24 * 8, word=HARMFUL), start=Trust.AUTO, after=DAY).level is Trust.ASK
