"""Climbing a ladder, by values alone."""

from datetime import UTC, datetime, timedelta

from devops_agent.model.alert import Severity
from devops_agent.model.contact import Policy, Rung
from devops_agent.model.escalation import (
    Climb,
    Escalation,
    begin,
    go_on,
    hand_over,
    patience,
    rest,
    told_names,
)

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
EVERY = timedelta(minutes=30)
POLICY = Policy(
    name="ladder",
    rungs=(
        Rung(tell=("alice",), wait=timedelta(minutes=5)),
        Rung(tell=("bob", "ops"), wait=timedelta(minutes=10)),
    ),
)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def begun(policy: Policy | None = POLICY) -> Escalation:
    new = Escalation(
        incident="INC-1", notice=1, severity=Severity.CRITICAL, policy="ladder", tell=("room",), remind_at=NOW,
        began_at=NOW,
    )  # fmt: skip
    return begin(new, policy, remind_every=EVERY)


def test_the_first_rung_has_its_time() -> None:
    assert (begun().climb_at, begun().remind_at) == (at(5), at(30))
    early = go_on(begun(), POLICY, now=at(4.9), remind_every=EVERY)
    assert (early.climbs, early.reminds) == ((), ())


def test_each_rung_is_told_in_turn_and_then_the_ladder_is_at_its_end() -> None:
    second = go_on(begun(), POLICY, now=at(5), remind_every=EVERY)
    assert (second.climbs, second.escalation.climb_at) == (("bob", "ops"), at(15))
    end = go_on(second.escalation, POLICY, now=at(15), remind_every=EVERY)
    assert (end.climbs, end.exhausted, end.escalation.state) == ((), True, Climb.EXHAUSTED)
    assert end.escalation.climb_at is None


def test_a_ladder_begins_again_as_often_as_it_says() -> None:
    policy = POLICY.with_(repeat=1)
    climber = begun(policy)
    told: list[tuple[str, ...]] = []
    while climber.climb_at:
        step = go_on(climber, policy, now=climber.climb_at, remind_every=timedelta(days=1))
        climber, told = step.escalation, [*told, step.climbs]
    assert told == [("bob", "ops"), ("alice",), ("bob", "ops"), ()]


def test_reminders_go_to_those_who_were_told_before() -> None:
    second = go_on(begun(), POLICY, now=at(31), remind_every=EVERY)
    assert second.climbs == ("bob", "ops")
    assert second.reminds == ("room", "alice")
    assert second.escalation.remind_at == at(61)


def test_a_hand_over_waits_for_one_person_and_then_goes_on_where_it_stood() -> None:
    handed = hand_over(begun(), "carol", by="alice", now=at(1), remind_every=EVERY)
    assert told_names(handed, POLICY) == ("carol",)
    assert go_on(handed, POLICY, now=at(30), remind_every=EVERY).climbs == ()
    later = go_on(handed, POLICY, now=at(31), remind_every=EVERY)
    assert (later.climbs, later.escalation.state) == (("bob", "ops"), Climb.CLIMBING)


def test_without_a_policy_there_are_reminders_alone() -> None:
    plain = begun(None)
    assert plain.climb_at is None
    step = go_on(plain, None, now=at(30), remind_every=EVERY)
    assert (step.climbs, step.reminds, step.exhausted) == ((), ("room",), False)


def test_whoever_was_muted_has_the_whole_time_afterwards() -> None:
    rested = rest(begun(), POLICY, until=at(60), remind_every=EVERY)
    assert (rested.climb_at, rested.remind_at) == (at(65), at(90))


def test_patience_is_the_time_of_all_rungs_and_rounds() -> None:
    assert patience(None) == timedelta()
    assert patience(POLICY) == timedelta(minutes=15)
    assert patience(POLICY.with_(repeat=2)) == timedelta(minutes=45)
