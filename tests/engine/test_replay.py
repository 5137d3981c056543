"""Decisions made again: by today's code to the same result, by today's policy perhaps to another."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.config.settings import Settings
from devops_agent.engine import judge
from devops_agent.engine.classify import History
from devops_agent.engine.plan import Options
from devops_agent.engine.replay import Policy, Replayed, replay
from devops_agent.kit.testing import START
from devops_agent.model.calibration import Calibration, Judged, fit
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.directory import Directory
from devops_agent.model.fact import Fact, to_json
from devops_agent.model.insight import Insight
from devops_agent.model.judgement import Judgement
from devops_agent.model.learning import Record
from devops_agent.model.target import Check, Target, Thresholds, Trust
from tests.engine.site import ACTIONS, runbook
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
CALIBRATION = fit([Judged(target="api", raw=0.9, published=0.9, right=n % 2 == 0) for n in range(40)])
ENDED = Hypothesis(kind="down", says="it ended", confidence=0.95, evidence=("EV-1",))
INSIGHT = Insight(incident="INC-1", at=START, hypotheses=(ENDED,))
BOOKS = (
    runbook("restart", "fake.restart"),
    runbook("start", "fake.start"),
    runbook("special", "fake.restart", args={"note": "{options.note} on {target}"}),
)
cases: st.SearchStrategy[judge.Case] = st.builds(
    judge.Case,
    incident=st.just(INCIDENT),
    alerts=st.lists(st.sampled_from(NAMES), max_size=4, unique=True).map(lambda names: tuple(map(firing, names))),
    view=st.sampled_from(VIEWS),
    ailing_parents=st.sampled_from([(), ("db",)]),
    history=st.builds(History, healed=st.integers(0, 5), many=st.integers(1, 3)),
    insight=st.sampled_from([None, INSIGHT, INSIGHT.with_(well=True), INSIGHT.with_(enough=False)]),
    calibration=st.sampled_from([Calibration(), CALIBRATION]),
)
records = st.builds(
    Record,
    here=st.tuples(st.integers(0, 3), st.integers(3, 5)),
    here_weighted=st.tuples(st.floats(0, 3), st.floats(3, 5)),
)
options: st.SearchStrategy[Options] = st.builds(
    Options,
    incident=st.builds(INCIDENT.with_, attempts=st.integers(0, 3), guided=st.sampled_from(["", "", "start", "gone"])),
    kind=st.sampled_from(["down", "unhealthy", "unknown"]),
    target=st.sampled_from([API, API.with_(via=""), API.with_(options={"note": "x", "secret": "y"})]),
    runbooks=st.permutations(BOOKS).map(tuple),
    labels=st.sampled_from([{}, {"alertname": "ServiceDown"}]),
    offered=st.just(tuple(ACTIONS)),
    tried=st.sampled_from([(), ("restart",)]),
    records=st.dictionaries(st.sampled_from(["restart", "start", "special"]), records),
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
    directory = Directory(settings.targets)
    return Policy(settings=settings, directory=directory, runbooks=BOOKS, actions=ACTIONS, switched={})


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


@given(options=options)
def test_a_choice_is_made_again_from_what_was_kept(options: Options) -> None:
    kept = judged(judge.CHOOSE, options)
    assert judge.again(kept) == kept.result_json


@given(options=options)
def test_what_is_not_kept_of_a_target_changes_no_choice(options: Options) -> None:
    assert judge.CHOOSE.bare(options).target.checks == ()
    assert judge.CHOOSE.decide(judge.CHOOSE.bare(options)) == judge.CHOOSE.decide(options)


judgements = st.one_of(
    cases.map(lambda case: judged(judge.DIAGNOSE, case)),
    options.map(lambda options: judged(judge.CHOOSE, options)),
    situations.map(lambda situation: judged(judge.DECIDE, situation)),
)


@given(judgements=st.lists(judgements, max_size=6))
def test_the_same_judgements_are_replayed_to_the_same_words(judgements: Sequence[Judgement]) -> None:
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
    off = replace(policy(), switched={"AUTO_REMEDIATION_ENABLED": False})
    (found,) = replayed(judged(judge.DECIDE, CALM), by=off).policy
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


def choosing(**changes: object) -> Options:
    whole = Options(incident=INCIDENT, kind="down", target=API, runbooks=BOOKS[:1], offered=tuple(ACTIONS), readings={})
    return whole.with_(**changes)


def test_a_runbook_that_was_rewritten_shows_the_plan_that_it_would_be_now() -> None:
    rewritten = replace(policy(), runbooks=(runbook("restart", "fake.start"),))
    (found,) = replayed(judged(judge.CHOOSE, choosing()), by=rewritten).policy
    assert (found.was, found.now) == ("restart: fake.restart", "restart: fake.start")


def test_the_guard_is_asked_about_the_plan_that_would_be_chosen_now() -> None:
    """The new plan does what is risky, which is asked about."""
    rewritten = replace(policy(), runbooks=(runbook("restart", "fake.rollback"),))
    found = replayed(judged(judge.CHOOSE, choosing()), judged(judge.DECIDE, CALM), by=rewritten).policy
    assert [one.step for one in found] == ["choose", "decide"]
    assert found[1].now.startswith("ask by trust: trust for risky actions on api is ask")


def test_without_a_runbook_any_more_nothing_is_decided_on() -> None:
    without = replace(policy(), runbooks=())
    found = replayed(judged(judge.CHOOSE, choosing()), judged(judge.DECIDE, CALM), by=without).policy
    assert [one.now for one in found] == ["no plan: no runbook is for down on fake"] * 2


def test_passwords_of_checks_and_options_that_no_runbook_asks_for_are_not_kept() -> None:
    target = API.with_(
        checks=(Check(name="health", headers={"Authorization": "Bearer hush"}),),
        options={"env": {"PASSWORD": "hush"}, "note": "told"},
    )
    bare = judge.CHOOSE.bare(choosing(target=target, runbooks=BOOKS))
    assert "hush" not in to_json(bare)
    assert bare.target.options == {"note": "told"}


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


@pytest.mark.slow
def test_a_diagnosis_is_the_same_in_every_process() -> None:
    """Of two claims that weigh the same, the first is not left to the order of a set."""
    kept = judged(judge.DIAGNOSE, case(view(None, HEALTHY), "HighLatency", "DiskFilling"))
    program = (
        "import sys; from devops_agent.engine import judge; from devops_agent.model.fact import from_json;"
        "from devops_agent.model.judgement import Judgement; print(judge.again(from_json(sys.argv[1], Judgement)))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program, to_json(kept)],
            env={"PYTHONHASHSEED": str(seed), "PATH": ""},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in range(6)
    }
    assert answers == {kept.result_json}
