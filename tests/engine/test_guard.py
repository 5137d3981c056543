"""The guard: what each rule says, and what holds in every situation."""

from datetime import timedelta
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given
from hypothesis import settings as searching
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from devops_agent.engine import guard
from devops_agent.model.action import Blast, Risk
from devops_agent.model.decision import Decision, Permission, Verdict
from devops_agent.model.situation import Situation, Trial
from devops_agent.model.target import Trust
from tests.effort import examples
from tests.engine.situations import (
    CALM,
    EARNED,
    HOUR,
    LIMITS,
    NOW,
    PAUSE,
    PROTECTED,
    SILENCE,
    healed,
    situations,
    strike,
)

ALLOW, ASK, DENY = Permission.ALLOW, Permission.ASK, Permission.DENY
ORDER = [
    "mode", "paused", "never_touch", "silence", "opted_in", "watchdog", "storm", "minimum_healthy", "strikes",
    "cooldown", "rate_limit", "concurrency", "breaker", "blast_radius", "confidence", "trust", "deadline",
]  # fmt: skip
THREE = (strike(50), strike(40), strike(30))
LONG = CALM.with_(incident_opened_at=NOW - timedelta(minutes=6))


def limited(**changes: object) -> Situation:
    return CALM.with_(limits=LIMITS.with_(**changes))


def said(rule_: str, situation: Situation) -> Verdict:
    return next(verdict for verdict in guard.decide(situation).verdicts if verdict.rule == rule_)


CASES: list[tuple[str, Situation, Permission, str]] = [
    ("mode", CALM, ALLOW, "remediation is on"),
    ("mode", limited(remediate=False), DENY, "monitoring only: AUTO_REMEDIATION_ENABLED is off"),
    ("mode", limited(trust=Trust.OBSERVE), DENY, "monitoring only: the trust set for api is observe"),
    ("mode", limited(remediate=False).with_(approved=True), DENY, "monitoring only"),
    ("mode", limited(remediate=False).with_(ordered=True), ALLOW, "a person ordered it"),
    ("paused", CALM, ALLOW, "nothing is paused"),
    ("paused", CALM.with_(pauses=(PAUSE,)), DENY, "paused by alice (PAU-1): a release"),
    ("paused", CALM.with_(pauses=(PAUSE,), approved=True), ALLOW, "but a person said yes"),
    ("paused", CALM.with_(pauses=(PAUSE,), approved=True, approved_at=NOW), ALLOW, "but a person said yes"),
    ("paused", CALM.with_(pauses=(PAUSE,), approved=True, approved_at=NOW - timedelta(1)), DENY, "paused by alice"),
    ("paused", CALM.with_(pauses=(PAUSE,), ordered=True), ALLOW, "but a person said yes"),
    ("never_touch", CALM, ALLOW, "it touches nothing that the agent depends on"),
    ("never_touch", CALM.with_(protected=PROTECTED), DENY, "never touched: its database (it keeps the journal)"),
    ("never_touch", CALM.with_(protected=PROTECTED, ordered=True, approved=True), DENY, "never touched"),
    ("never_touch", CALM.with_(identity_unknown="no socket", ordered=True), DENY, "cannot tell what it would touch"),
    ("silence", CALM, ALLOW, "no silence or maintenance covers it"),
    ("silence", CALM.with_(silence=SILENCE), DENY, "on it (SIL-1) until 14:00 UTC"),
    ("silence", CALM.with_(silence=SILENCE, approved=True), DENY, "on it (SIL-1)"),
    ("silence", CALM.with_(silence=SILENCE, ordered=True), ALLOW, "but a person ordered it"),
    ("opted_in", CALM, ALLOW, "api is opted in by agent.yaml"),
    ("opted_in", CALM.with_(managed=False, managed_says="opted out"), DENY, "opted out"),
    ("opted_in", CALM.with_(managed=False, managed_says="out", ordered=True, approved=True), DENY, "out"),
    ("opted_in", CALM.with_(target_known=False), DENY, "no target is known as 'api'"),
    ("watchdog", CALM, ALLOW, "the alerting is alive"),
    ("watchdog", CALM.with_(alerting_silent_for=timedelta(seconds=90)), DENY, "frozen: the alert that always fires"),
    ("watchdog", CALM.with_(alerting_silent_for=HOUR, approved=True), ALLOW, "but a person said yes"),
    ("storm", CALM.with_(troubled=4), ALLOW, "4 of 10 targets are in trouble"),
    ("storm", CALM.with_(troubled=5), ALLOW, "5 of 10 targets are in trouble"),
    ("storm", CALM.with_(troubled=6), DENY, "storm: 6 of 10 targets are in trouble, so the cause is elsewhere"),
    ("storm", CALM.with_(troubled=4, watched=4), ALLOW, "4 of 4 targets are in trouble"),
    ("storm", CALM.with_(troubled=6, approved=True), ALLOW, "6 of 10 targets are in trouble"),
    ("minimum_healthy", CALM, ALLOW, "it is in no group"),
    ("minimum_healthy", CALM.with_(group_size=4, group_well=2), ALLOW, "2 of 4 members of its group are well"),
    ("minimum_healthy", CALM.with_(group_size=4, group_well=1), DENY, "2 are needed besides it"),
    ("minimum_healthy", CALM.with_(group_size=4, group_well=0), ALLOW, "0 of 4 members"),
    ("minimum_healthy", CALM.with_(group_size=4, group_well=1, approved=True), DENY, "2 are needed"),
    ("minimum_healthy", CALM.with_(group_size=2, group_well=1), ALLOW, "1 of 2 members"),
    ("strikes", CALM.with_(trials=THREE[:2]), ALLOW, "2 of 3 strikes within 60 min"),
    ("strikes", CALM.with_(trials=THREE), DENY, "3 of 3 strikes within 60 min: it was tried and did not help"),
    ("strikes", CALM.with_(trials=(strike(61), *THREE[1:])), ALLOW, "2 of 3 strikes"),
    ("strikes", CALM.with_(trials=(*THREE, healed(10))), DENY, "3 of 3 strikes"),
    ("strikes", CALM.with_(trials=THREE, approved=True), ALLOW, "3 of 3 strikes"),
    ("cooldown", CALM, ALLOW, "nothing was done to it lately"),
    ("cooldown", CALM.with_(trials=(strike(0.9),)), DENY, "rests until 12:00:06 UTC after the last plan"),
    ("cooldown", CALM.with_(trials=(strike(1),)), ALLOW, "it has rested since the last plan"),
    ("cooldown", CALM.with_(trials=(strike(3), strike(1.9))), DENY, "rests until 12:00:06 UTC"),
    ("cooldown", CALM.with_(trials=(strike(3), strike(2))), ALLOW, "it has rested"),
    ("cooldown", CALM.with_(trials=(strike(3), healed(0.1))), ALLOW, "the last plan healed it"),
    ("cooldown", CALM.with_(trials=(strike(0.1),), approved=True), ALLOW, "a person said yes"),
    ("rate_limit", CALM.with_(started_last_hour=29), ALLOW, "29 of 30 plans in the last hour"),
    ("rate_limit", CALM.with_(started_last_hour=30), DENY, "30 of 30 plans in the last hour"),
    ("rate_limit", CALM.with_(started_last_hour=30, approved=True), DENY, "30 of 30"),
    ("rate_limit", CALM.with_(started_last_hour=30, ordered=True), ALLOW, "30 of 30"),
    ("concurrency", CALM.with_(under_way=1), ALLOW, "1 of 2 plans are under way"),
    ("concurrency", CALM.with_(under_way=2), DENY, "2 of 2 plans are under way"),
    ("concurrency", CALM.with_(under_way=2, ordered=True), ALLOW, "2 of 2"),
    ("breaker", CALM.with_(trials=THREE[:2]), ALLOW, "closed: 2 failures in a row, opens at 3"),
    ("breaker", CALM.with_(trials=THREE), DENY, "open until 12:30 UTC after 3 failures in a row"),
    ("breaker", CALM.with_(trials=(strike(90), strike(80), strike(61))), ALLOW, "half open: one trial after 60 min"),
    ("breaker", CALM.with_(trials=(strike(90), strike(80), strike(70), strike(5))), DENY, "after 4 failures in a row"),
    ("breaker", CALM.with_(trials=(*THREE, healed(10))), ALLOW, "closed: 0 failures in a row"),
    ("breaker", CALM.with_(trials=(*THREE[:2], strike(30, same=False))), ALLOW, "closed: 2 failures"),
    ("breaker", CALM.with_(trials=THREE, approved=True), ALLOW, "open, but a person said yes to this plan"),
    ("blast_radius", CALM, ALLOW, "it reaches only the target"),
    ("blast_radius", CALM.with_(blast=Blast.NOTHING), ALLOW, "it reaches nothing"),
    ("blast_radius", CALM.with_(blast=Blast.GROUP), ASK, "it reaches the target's whole group, more than the target"),
    ("blast_radius", CALM.with_(blast=Blast.HOST), ALLOW, "it reaches the host, and is safe there"),
    ("blast_radius", CALM.with_(blast=Blast.HOST, risk=Risk.RISKY), ASK, "it reaches the whole host"),
    ("blast_radius", CALM.with_(blast=Blast.GROUP, approved=True), ALLOW, "the target's whole group"),
    ("confidence", CALM.with_(confidence=0.5), ALLOW, "50% sure of the cause, 50% is needed"),
    ("confidence", CALM.with_(confidence=0.49), ASK, "49% sure of the cause, 50% is needed"),
    ("confidence", CALM.with_(confidence=0.1, risk=Risk.READ), ALLOW, "10% sure"),
    ("confidence", CALM.with_(confidence=0.1, approved=True), ALLOW, "10% sure"),
    ("trust", CALM, ALLOW, "trust for safe actions on api is auto"),
    ("trust", limited(start_trust=Trust.NOTIFY), ALLOW, "is notify"),
    ("trust", limited(start_trust=Trust.ASK), ASK, "trust for safe actions on api is ask"),
    ("trust", limited(trust=Trust.ASK), ASK, "is ask"),
    ("trust", limited(start_trust=Trust.OBSERVE), DENY, "is observe"),
    ("trust", limited(start_trust=Trust.ASK).with_(risk=Risk.READ), ALLOW, "trust for read actions"),
    ("trust", limited(start_trust=Trust.ASK).with_(approved=True), ALLOW, "a person said yes to this plan"),
    (
        "trust",
        limited(start_trust=Trust.ASK).with_(earned=EARNED),
        ALLOW,
        "trust in fake.deploy for this on api is notify",
    ),
    (
        "trust",
        limited(start_trust=Trust.ASK, trust=Trust.ASK).with_(earned=EARNED),
        ASK,
        "is ask, risen: it healed 8 of 8",
    ),
    (
        "trust",
        CALM.with_(earned=EARNED.with_(level=Trust.ASK, says="fallen: INC-1: undone")),
        ASK,
        "fallen: INC-1: undone",
    ),
    ("trust", limited(start_trust=Trust.ASK).with_(earned=EARNED, risk=Risk.DANGEROUS), ASK, "is ask"),
    ("deadline", LONG, ALLOW, "5 min for the whole remediation"),
    ("deadline", LONG.with_(trials=(strike(5),)), DENY, "6 min of trying, 5 min is the limit"),
    ("deadline", LONG.with_(trials=(strike(7),)), ALLOW, "5 min for the whole remediation"),
    ("deadline", LONG.with_(trials=(healed(5),)), ALLOW, "5 min for the whole remediation"),
    ("deadline", LONG.with_(trials=(strike(5),), approved=True), ALLOW, "5 min"),
]


@pytest.mark.parametrize(("rule_", "situation", "permission", "reason"), CASES)
def test_each_rule_says_what_it_should(rule_: str, situation: Situation, permission: Permission, reason: str) -> None:
    verdict = said(rule_, situation)
    assert verdict.permission is permission
    assert reason in verdict.reason


def test_the_rules_are_asked_in_the_order_of_the_design() -> None:
    assert [verdict.rule for verdict in guard.decide(CALM).verdicts] == ORDER


def test_in_calm_every_rule_allows() -> None:
    decision = guard.decide(CALM)
    assert (decision.permission, decision.rule, decision.reason) == (ALLOW, "all", "every rule allows it")


def test_a_refusal_goes_before_a_question_and_the_first_of_equals_decides() -> None:
    both = CALM.with_(confidence=0.1, pauses=(PAUSE,), protected=PROTECTED)
    decision = guard.decide(both)
    assert (decision.permission, decision.rule) == (DENY, "paused")


def test_a_refusal_that_ends_by_itself_says_when_only_if_all_do() -> None:
    resting = CALM.with_(trials=(strike(0.5),))
    assert guard.decide(resting).retry_at == NOW + timedelta(seconds=30)
    assert guard.decide(resting.with_(silence=SILENCE)).retry_at == SILENCE.ends_at
    assert guard.decide(resting.with_(pauses=(PAUSE,))).retry_at is None


def test_pauses_end_by_themselves_only_when_all_of_them_do() -> None:
    until = [PAUSE.with_(ends_at=NOW + timedelta(minutes=minutes)) for minutes in (5, 9)]
    assert guard.decide(CALM.with_(pauses=tuple(until))).retry_at == NOW + timedelta(minutes=9)
    assert guard.decide(CALM.with_(pauses=(*until, PAUSE))).retry_at is None


@given(situations)
def test_the_same_situation_is_always_decided_alike(situation: Situation) -> None:
    assert guard.decide(situation) == guard.decide(situation)


@given(situations)
def test_every_rule_gives_a_verdict_with_a_reason_and_the_strictest_decides(situation: Situation) -> None:
    decision = guard.decide(situation)
    assert [verdict.rule for verdict in decision.verdicts] == ORDER
    assert all(verdict.reason.strip() for verdict in decision.verdicts)
    assert decision.reason.strip()
    assert decision.permission.rank == max(verdict.permission.rank for verdict in decision.verdicts)
    assert decision.rule == "all" or said(decision.rule, situation).permission is decision.permission


@given(situations)
def test_what_is_to_be_tried_again_is_tried_later_not_now(situation: Situation) -> None:
    decision = guard.decide(situation)
    assert decision.retry_at is None or decision.retry_at > situation.now
    assert decision.permission is DENY or decision.retry_at is None


@given(situations)
def test_nobody_lifts_never_touch_or_opt_out(situation: Situation) -> None:
    barred = situation.protected or situation.identity_unknown or not situation.managed or not situation.target_known
    for ordered in (False, True):
        for approved in (False, True):
            decided = guard.decide(situation.with_(ordered=ordered, approved=approved)).permission
            assert not barred or decided is DENY


@given(situations)
def test_monitoring_only_never_acts_unless_a_person_orders_it(situation: Situation) -> None:
    observing = not situation.limits.remediate or situation.limits.trust is Trust.OBSERVE
    if observing and not situation.ordered:
        assert guard.decide(situation).permission is DENY


RESTRICTIONS = {
    "protect": lambda s: s.with_(protected=PROTECTED),
    "opt out": lambda s: s.with_(managed=False),
    "forget": lambda s: s.with_(target_known=False),
    "blind": lambda s: s.with_(identity_unknown="no socket"),
    "pause": lambda s: s.with_(pauses=(*s.pauses, PAUSE)),
    "silence": lambda s: s.with_(silence=SILENCE),
    "freeze": lambda s: s.with_(alerting_silent_for=HOUR),
    "switch off": lambda s: s.with_(limits=s.limits.with_(remediate=False)),
    "trust less": lambda s: s.with_(limits=s.limits.with_(trust=list(Trust)[max(s.limits.trust.rank - 1, 0)])),
    "begin lower": lambda s: s.with_(
        limits=s.limits.with_(start_trust=list(Trust)[max(s.limits.start_trust.rank - 1, 0)])
    ),
    "know less": lambda s: s.with_(confidence=s.confidence / 2),
    "risk more": lambda s: s.with_(risk=list(Risk)[min(s.risk.rank + 1, 3)]),
    "more trouble": lambda s: s.with_(troubled=min(s.troubled + 1, s.watched)),
    "fewer well": lambda s: s.with_(group_well=max(s.group_well - 1, 1)) if s.group_well else s,
    "ask for more": lambda s: s.with_(limits=s.limits.with_(min_healthy=1.0)),
    "one more plan": lambda s: s.with_(started_last_hour=s.started_last_hour + 1),
    "one more under way": lambda s: s.with_(under_way=s.under_way + 1),
    "another strike": lambda s: s.with_(trials=(*s.trials, Trial(ended_at=s.now, strike=True, same_runbook=True))),
    "fewer strikes": lambda s: s.with_(limits=s.limits.with_(strikes=max(s.limits.strikes - 1, 1))),
    "take back the yes": lambda s: s.with_(approved=False),
    "take back the order": lambda s: s.with_(ordered=False),
}


@pytest.mark.parametrize("name", RESTRICTIONS)
@searching(max_examples=examples(40))
@given(situation=situations)
def test_a_further_restriction_never_allows_more(name: str, situation: Situation) -> None:
    before = guard.decide(situation).permission.rank
    after = guard.decide(RESTRICTIONS[name](situation)).permission.rank
    assert after >= before


class History(RuleBasedStateMachine):
    """Plans on one target over time: what the guard allows is carried out, and helps or not."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.trials: list[Trial] = []
        self.begun: list[Trial] = []
        self.opened_at = NOW

    def decide(self, *, same: bool) -> Decision:
        trials = tuple(trial.with_(same_runbook=trial.same_runbook is same) for trial in self.trials)
        situation = CALM.with_(now=self.now, incident_opened_at=self.opened_at, trials=trials)
        return guard.decide(situation)

    @rule(seconds=st.sampled_from([1, 20, 61, 200, 600, 1900, 3700]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(same=st.booleans(), helps=st.booleans(), takes=st.sampled_from([1, 30, 300]))
    def try_(self, same: bool, helps: bool, takes: int) -> None:  # noqa: FBT001 — hypothesis draws them
        if self.decide(same=same).permission is ALLOW:
            self.now += timedelta(seconds=takes)
            trial = Trial(ended_at=self.now, strike=not helps, same_runbook=same)
            self.trials.append(trial)
            self.begun.append(trial)

    @rule()
    def open_another_incident(self) -> None:
        self.opened_at = self.now

    @invariant()
    def no_more_than_three_strikes_in_an_hour(self) -> None:
        struck = [trial.ended_at for trial in self.trials if trial.strike]
        assert all(
            after - before > timedelta(minutes=54) for before, after in zip(struck, struck[3:], strict=False)
        )  # the last of three may end after the first has been forgotten, by as much as a plan takes

    @invariant()
    def there_is_a_rest_after_each_strike(self) -> None:
        for before, after in pairwise(self.trials):
            if before.strike:
                assert after.ended_at - before.ended_at >= timedelta(seconds=61)

    @invariant()
    def who_waits_until_it_is_told_to_is_heard(self) -> None:
        decision = self.decide(same=True)
        if decision.permission is DENY and decision.retry_at is not None:
            was, self.now = self.now, decision.retry_at
            later = self.decide(same=True)
            assert later.permission is ALLOW or later.retry_at is None or later.retry_at > decision.retry_at
            self.now = was

    @invariant()
    def after_two_quiet_hours_a_new_incident_is_acted_on(self) -> None:
        was, opened = self.now, self.opened_at
        self.now = self.opened_at = self.now + timedelta(hours=2)
        assert self.decide(same=True).permission is ALLOW
        self.now, self.opened_at = was, opened


def test_no_history_makes_it_act_too_often_or_never_again() -> None:
    run_state_machine_as_test(History, settings=searching(max_examples=examples(40)))
