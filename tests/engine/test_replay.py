"""Decisions made again: by today's code to the same result, by today's policy perhaps to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.config.settings import Settings
from devops_agent.engine import judge
from devops_agent.engine.classify import History
from devops_agent.engine.replay import Policy, Replayed, replay
from devops_agent.kit.testing import START
from devops_agent.model.directory import Directory
from devops_agent.model.fact import Fact, to_json
from devops_agent.model.judgement import Judgement
from devops_agent.model.target import Target, Thresholds, Trust
from tests.engine.situations import CALM, situations
from tests.engine.views import API, DEAD, HEALTHY, ILL, INCIDENT, RUNS, firing, view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devops_agent.model.view import View

NAMES = ("ServiceDown", "HighLatency", "DiskFilling", "MemoryHigh", "SomethingOdd")
VIEWS = (
    view(DEAD),
    view(RUNS, ILL),
    view(RUNS, HEALTHY, memory_percent=91, disk_percent=90, latency_ms=9000),
    view(None, HEALTHY),
    view(RUNS.with_(starting=True), ILL),
)
cases: st.SearchStrategy[judge.Case] = st.builds(
    judge.Case,
    incident=st.just(INCIDENT),
    alerts=st.lists(st.sampled_from(NAMES), max_size=4, unique=True).map(lambda names: tuple(map(firing, names))),
    view=st.sampled_from(VIEWS),
    ailing_parents=st.sampled_from([(), ("db",)]),
    history=st.builds(History, healed=st.integers(0, 5), many=st.integers(1, 3)),
)


def judged(question: judge.Question[Any, Any], inputs: Fact) -> Judgement:
    return Judgement(
        incident="INC-1",
        at=START,
        step=question.name,
        inputs_json=to_json(inputs),
        result_json=to_json(question.decide(inputs)),
        version="1",
    )


def case(seen: View, *names: str) -> judge.Case:
    alerts = tuple(firing(name) for name in names)
    return judge.Case(incident=INCIDENT, alerts=alerts, view=seen, history=History(healed=0, many=3))


def policy(target: Target = API, **guard: object) -> Policy:
    settings = Settings(targets=(target,), source="agent.yaml")
    settings = settings.with_(guard=settings.guard.with_(**guard))
    return Policy(settings=settings, directory=Directory(settings.targets), switched={})


def replayed(*judgements: Judgement, by: Policy | None = None) -> Replayed:
    return replay(judgements, policy=by or policy())


@given(case=cases)
def test_a_diagnosis_is_made_again_from_what_was_kept(case: judge.Case) -> None:
    kept = judged(judge.DIAGNOSE, case)
    assert judge.again(kept) == kept.result_json


@given(situation=situations)
def test_a_decision_of_the_guard_is_made_again_from_what_was_kept(situation: Fact) -> None:
    kept = judged(judge.DECIDE, situation)
    assert judge.again(kept) == kept.result_json


@given(situations=st.lists(situations, max_size=5), cases=st.lists(cases, max_size=3))
def test_the_same_judgements_are_replayed_to_the_same_words(
    situations: Sequence[Fact], cases: Sequence[judge.Case]
) -> None:
    judgements = [judged(judge.DIAGNOSE, one) for one in cases] + [judged(judge.DECIDE, one) for one in situations]
    first = replay(judgements, policy=policy())
    assert to_json(replay(judgements, policy=policy())) == to_json(first)
    assert (first.same, first.changed, first.unreadable) == (len(judgements), (), ())


def test_under_the_policy_of_then_nothing_is_different() -> None:
    found = replayed(judged(judge.DIAGNOSE, case(view(DEAD), "ServiceDown")), judged(judge.DECIDE, CALM))
    assert found == Replayed(decisions=2, incidents=1, same=2)


def test_a_lowered_limit_shows_what_would_be_decided_now_and_which_rule_says_so() -> None:
    (found,) = replayed(judged(judge.DECIDE, CALM.with_(started_last_hour=4)), by=policy(actions_per_hour=3)).policy
    assert found.was.startswith("allow by all")
    assert found.now == "deny by rate_limit: 4 of 3 plans in the last hour"
    assert found.why == "rate_limit says deny (4 of 3 plans in the last hour), said allow"


def test_a_switch_that_was_turned_off_shows() -> None:
    by = Policy(settings=policy().settings, directory=policy().directory, switched={"AUTO_REMEDIATION_ENABLED": False})
    (found,) = replayed(judged(judge.DECIDE, CALM), by=by).policy
    assert found.now.startswith("deny by mode")


def test_a_target_that_is_opted_out_or_trusted_less_shows() -> None:
    (out,) = replayed(judged(judge.DECIDE, CALM), by=policy(API.with_(managed=False))).policy
    assert out.now == "deny by opted_in: api is opted out by agent.yaml"
    (less,) = replayed(judged(judge.DECIDE, CALM), by=policy(API.with_(trust=Trust.ASK))).policy
    assert less.now.startswith("ask by trust")


def test_a_threshold_that_was_raised_takes_the_trouble_away() -> None:
    kept = judged(judge.DIAGNOSE, case(view(RUNS, HEALTHY, memory_percent=91), "MemoryHigh"))
    raised = API.with_(thresholds=Thresholds(memory_percent=95))
    (found,) = replayed(kept, by=policy(raised)).policy
    assert found.was.startswith("memory_pressure (90% sure)")
    assert found.now.startswith("unknown (95% sure): it is well")


def test_what_the_guard_decides_rests_on_what_would_be_diagnosed_now() -> None:
    """The reading is in band by today's threshold, so the alert's word alone is left, and that is less sure."""
    seen = case(view(RUNS, HEALTHY, memory_percent=91), "MemoryHigh", "HighLatency")
    by = policy(API.with_(thresholds=Thresholds(memory_percent=95)), min_confidence=0.8)
    (found,) = replayed(judged(judge.DIAGNOSE, seen), judged(judge.DECIDE, CALM), by=by).policy
    assert found.now == "ask by confidence: 70% sure of the cause, 80% is needed"


def test_a_target_that_is_gone_is_decided_on_as_then() -> None:
    assert replayed(judged(judge.DECIDE, CALM), by=policy(API.with_(name="other"), actions_per_hour=0)).policy == ()


def test_another_result_than_the_kept_one_is_told_as_changed() -> None:
    kept = judged(judge.DECIDE, CALM)
    other = kept.with_(result_json=judged(judge.DECIDE, CALM.with_(managed=False)).result_json)
    (found,) = replayed(other).changed
    assert found.was.startswith("deny by opted_in")
    assert found.now == "allow by all: every rule allows it"


def test_what_todays_code_does_not_take_is_told_and_the_rest_goes_on() -> None:
    strange = judged(judge.DECIDE, CALM).with_(inputs_json='{"now": 3}')
    unheard = judged(judge.DECIDE, CALM).with_(step="forecast")
    found = replayed(strange, unheard, judged(judge.DECIDE, CALM))
    assert (found.decisions, found.same, len(found.unreadable)) == (3, 1, 2)
    assert found.unreadable[0].why.startswith("cannot be made again: version 1 kept other inputs (")
