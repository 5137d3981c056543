"""Situations for the tests of the guard: one in which everything is allowed, and a search over all others."""

from datetime import timedelta

from hypothesis import strategies as st

from devops_agent.kit.testing import START
from devops_agent.model.action import Blast, Risk
from devops_agent.model.control import Pause, Silence
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.learning import Standing
from devops_agent.model.situation import Limits, Situation, Trial
from devops_agent.model.target import Trust

NOW = START
HOUR = timedelta(hours=1)
LIMITS = Limits(
    remediate=True,
    trust=Trust.AUTO,
    start_trust=Trust.AUTO,
    strikes=3,
    strikes_window=HOUR,
    cooldown=timedelta(seconds=30),
    actions_per_hour=30,
    concurrent=2,
    breaker_failures=3,
    breaker_open=HOUR,
    min_healthy=0.5,
    storm_share=0.5,
    storm_count=5,
    min_confidence=0.5,
    deadline=timedelta(minutes=5),
)
CALM = Situation(
    now=NOW,
    incident_opened_at=NOW,
    target="api",
    target_known=True,
    managed=True,
    managed_says="api is opted in by agent.yaml",
    risk=Risk.SAFE,
    blast=Blast.TARGET,
    confidence=0.9,
    limits=LIMITS,
    watched=10,
)
EARNED = Standing(action="fake.deploy", level=Trust.NOTIFY, says="risen: it healed 8 of 8")
PAUSE = Pause(id="PAU-1", target="", reason="a release", by="alice", begins_at=NOW)
SILENCE = Silence(
    id="SIL-1", matchers={"target": "api"}, by="bob", comment="on it", begins_at=NOW, ends_at=NOW + 2 * HOUR
)
PROTECTED = Protected(what="its database", why="it keeps the journal", is_=Identity(names=frozenset({"api"})))


def strike(minutes_ago: float, *, same: bool = True) -> Trial:
    """Return a plan that ended so long ago and did not help."""
    return Trial(ended_at=NOW - timedelta(minutes=minutes_ago), strike=True, same_runbook=same)


def healed(minutes_ago: float, *, same: bool = True) -> Trial:
    """Return a plan that ended so long ago and helped."""
    return Trial(ended_at=NOW - timedelta(minutes=minutes_ago), strike=False, same_runbook=same)


_limits = st.builds(
    Limits,
    remediate=st.booleans(),
    trust=st.sampled_from(Trust),
    start_trust=st.sampled_from(Trust),
    strikes=st.integers(1, 5),
    strikes_window=st.sampled_from([timedelta(minutes=10), HOUR]),
    cooldown=st.sampled_from([timedelta(0), timedelta(seconds=30), timedelta(minutes=5)]),
    actions_per_hour=st.integers(1, 5),
    concurrent=st.integers(1, 3),
    breaker_failures=st.integers(1, 4),
    breaker_open=st.sampled_from([timedelta(minutes=20), HOUR]),
    min_healthy=st.sampled_from([0.0, 0.5, 0.75, 1.0]),
    storm_share=st.sampled_from([0.2, 0.5]),
    storm_count=st.integers(1, 5),
    min_confidence=st.sampled_from([0.0, 0.5, 0.9]),
    deadline=st.sampled_from([timedelta(minutes=5), HOUR]),
)
_trials = st.lists(
    st.builds(
        Trial,
        ended_at=st.integers(0, 7200).map(lambda seconds: NOW - timedelta(seconds=seconds)),
        strike=st.booleans(),
        same_runbook=st.booleans(),
    ),
    max_size=6,
).map(lambda trials: tuple(sorted(trials, key=lambda trial: trial.ended_at)))
situations: st.SearchStrategy[Situation] = st.builds(
    Situation,
    now=st.just(NOW),
    incident_opened_at=st.integers(0, 7200).map(lambda seconds: NOW - timedelta(seconds=seconds)),
    target=st.just("api"),
    target_known=st.sampled_from([True, True, True, False]),
    managed=st.sampled_from([True, True, True, False]),
    managed_says=st.just("as it is written"),
    risk=st.sampled_from(Risk),
    blast=st.sampled_from(Blast),
    confidence=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
    limits=_limits,
    ordered=st.booleans(),
    approved=st.booleans(),
    pauses=st.sampled_from([(), (), (PAUSE,), (PAUSE.with_(ends_at=NOW + HOUR),)]),
    silence=st.sampled_from([None, None, SILENCE]),
    protected=st.sampled_from([None, None, PROTECTED]),
    identity_unknown=st.sampled_from(["", "", "the socket is away"]),
    alerting_silent_for=st.sampled_from([None, None, timedelta(minutes=1)]),
    watched=st.just(10),
    troubled=st.integers(0, 10),
    group_size=st.integers(1, 4),
    group_well=st.integers(0, 3),
    earned=st.sampled_from([None, None, *(EARNED.with_(level=level) for level in Trust)]),
    trials=_trials,
    started_last_hour=st.integers(0, 6),
    hour_frees_at=st.sampled_from([None, NOW + timedelta(minutes=7)]),
    under_way=st.integers(0, 4),
)
