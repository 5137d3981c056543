"""From what fired and what was seen to what is wrong."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.engine.classify import History, diagnose, refuted
from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.diagnosis import Diagnosis
from devops_agent.model.evidence import State
from devops_agent.model.fault import FAULTS
from devops_agent.model.incident import Category, Complexity
from devops_agent.model.view import View
from tests.engine.views import API, DEAD, HEALTHY, ILL, INCIDENT, RUNS, firing, seen, view

NEVER = History(healed=0, many=3)
OFTEN = History(healed=3, many=3)
STARTING = RUNS.with_(since=START - timedelta(seconds=5))
OOM = DEAD.with_(oom_killed=True, says="killed: out of memory")
CUT_OFF = view(None, ILL, seen("verdict", "our own network down"))


def found(
    seen_: View, *names: str, parents: tuple[str, ...] = (), history: History = NEVER, opened_by: str = "down"
) -> Diagnosis:
    incident = INCIDENT.with_(kind=opened_by)
    alerts = [firing(name) for name in names]
    return diagnose(incident, alerts=alerts, view=seen_, ailing_parents=parents, history=history)


@pytest.mark.parametrize(
    ("seen_", "names", "kind", "confidence"),
    [
        (view(DEAD), ["ServiceDown"], "down", 0.98),
        (view(OOM), ["ServiceDown"], "out_of_memory", 0.98),
        (view(RUNS, ILL), ["ServiceDown"], "unhealthy", 0.9),
        (view(RUNS, ILL), ["TargetUnhealthy"], "unhealthy", 0.9),
        (view(None, ILL), ["TargetUnhealthy"], "down", 0.9),
        (view(RUNS, HEALTHY, memory_percent=91), ["MemoryHigh"], "memory_pressure", 0.9),
        (view(RUNS, HEALTHY, disk_percent=80), ["DiskFilling"], "disk_filling", 0.9),
        (view(DEAD, disk_percent=80), ["DiskFilling"], "down", 0.98),
        (view(RUNS, HEALTHY), ["HighLatency"], "high_latency", 0.7),
        (view(RUNS, HEALTHY, latency_ms=9000), ["SomethingOdd"], "high_latency", 0.9),
        (view(None, seen("other", value=True)), ["SomethingOdd"], "unknown", 0.3),
        (CUT_OFF, ["ServiceDown"], "unreachable", 0.9),
        (view(RUNS, HEALTHY), ["PodFlapping"], "flapping", 0.7),
        (view(DEAD), [], "down", 0.98),
    ],
)
def test_what_was_seen_is_believed_more_than_what_was_said(
    seen_: View, names: list[str], kind: str, confidence: float
) -> None:
    diagnosis = found(seen_, *names)
    assert (diagnosis.kind, diagnosis.confidence) == (kind, confidence)
    assert not diagnosis.well


@pytest.mark.parametrize(
    ("claims", "seen_", "expected"),
    [
        ({"down"}, view(), True),
        ({"down"}, view(DEAD), False),
        ({"down"}, view(RUNS, ILL), False),
        ({"down"}, view(STARTING, ILL), False),
        ({"down"}, CUT_OFF, False),
        ({"down"}, view(None, seen("other", value=1.0)), False),
        ({"down"}, view(memory_percent=95), False),
        ({"unknown"}, view(), True),
        ({"high_latency"}, view(), False),
        ({"high_latency"}, view(latency_ms=100), True),
        ({"high_latency"}, view(latency_ms=9000), False),
        ({"high_latency"}, view(RUNS, ILL, latency_ms=100), False),
        ({"down", "high_latency"}, view(), False),
        ({"down", "high_latency"}, view(latency_ms=100), True),
        ({"certificate_expiry"}, view(certificate_days=300), True),
        ({"certificate_expiry"}, view(certificate_days=3), False),
        ({"flapping"}, view(), False),
        (set(), view(), False),
    ],
)
def test_a_claim_is_refuted_only_by_looking_at_what_it_speaks_of(
    claims: set[str], seen_: View, *, expected: bool
) -> None:
    assert refuted(frozenset(claims), seen_) is expected


def test_a_target_that_is_well_needs_nothing() -> None:
    diagnosis = found(view(), "ServiceDown")
    assert (diagnosis.well, diagnosis.says) == (True, "it is well: it was looked at and nothing is wrong")


def test_a_target_that_starts_is_waited_for_unless_it_is_said_to_crash_over_and_over() -> None:
    assert found(view(STARTING, ILL), "ServiceDown").starting
    looping = found(view(STARTING, ILL), "PodCrashLooping")
    assert (looping.kind, looping.starting) == ("crash_loop", False)


def test_what_is_unhealthy_while_its_parent_ails_suffers_from_the_parent() -> None:
    diagnosis = found(view(RUNS, ILL), "TargetUnhealthy", parents=("db", "net"))
    assert (diagnosis.kind, diagnosis.confidence) == ("dependency_down", 0.85)
    assert diagnosis.says == "it depends on db, net, which is in trouble or was just started"
    assert found(view(RUNS, ILL), "ServiceDown", parents=("db",)).kind == "dependency_down"
    assert found(view(DEAD), "ServiceDown", parents=("db",)).kind == "down"
    assert found(view(disk_percent=95), "DiskFilling", parents=("db",)).kind == "disk_filling"


def test_what_was_healed_often_and_fails_again_is_a_crash_loop() -> None:
    assert found(view(DEAD), "ServiceDown", history=OFTEN).kind == "crash_loop"
    assert found(view(disk_percent=95), "DiskFilling", history=OFTEN).kind == "disk_filling"
    assert found(view(DEAD), "ServiceDown", history=OFTEN.with_(healed=2)).kind == "down"


def test_only_alerts_that_fire_are_believed() -> None:
    over = firing("MemoryHigh")
    alerts = [over.with_(status="resolved")]
    diagnosis = diagnose(INCIDENT, alerts=alerts, view=view(DEAD), ailing_parents=(), history=NEVER)
    assert {one.kind for one in diagnosis.hypotheses} == {"down"}


def test_hypotheses_cite_the_evidence_that_they_rest_on() -> None:
    [hypothesis, *_] = found(view(RUNS, ILL), "TargetUnhealthy").hypotheses
    assert hypothesis.evidence == ("EV-health",)


def test_a_reading_out_of_its_band_is_shown_by_itself_and_not_by_a_path_that_is_not_there() -> None:
    lacks = seen("status", value=False).with_(id="EV-status")
    [hypothesis, *_] = found(view(RUNS, HEALTHY, lacks, disk_percent=95), "DiskFilling").hypotheses
    assert hypothesis.evidence == ("EV-disk_percent",)


def test_the_class_says_category_complexity_and_the_graver_severity() -> None:
    diagnosis = found(view(DEAD), "ServiceDown")
    assert (diagnosis.category, diagnosis.complexity) == (Category.SERVICE_DOWN, Complexity.SIMPLE)
    assert diagnosis.severity is Severity.CRITICAL
    grave = INCIDENT.with_(severity=Severity.CRITICAL)
    mild = diagnose(grave, alerts=[], view=view(latency_ms=9000), ailing_parents=(), history=NEVER)
    assert mild.severity is Severity.CRITICAL


KINDS = sorted(FAULTS)
states = st.sampled_from([None, RUNS, DEAD, OOM, STARTING, State(exists=False, running=False)])
views = st.builds(
    lambda state, check, readings: view(state, check, of=API, **readings),
    states,
    st.sampled_from([HEALTHY, ILL, seen("verdict", "host unreachable")]),
    st.dictionaries(st.sampled_from(["memory_percent", "disk_percent", "latency_ms"]), st.floats(0, 10_000)),
)


@given(views, st.sets(st.sampled_from(["ServiceDown", "MemoryHigh", "Odd", "HighLatency"])), st.sampled_from(KINDS))
def test_every_diagnosis_says_something_of_a_known_class_and_healthy_means_nothing_wrong_was_seen(
    seen_: View, names: set[str], opened_by: str
) -> None:
    diagnosis = found(seen_, *sorted(names), opened_by=opened_by)
    assert diagnosis.kind in FAULTS
    assert diagnosis.says
    assert 0 < diagnosis.confidence <= 1
    if diagnosis.well:
        assert not {condition.kind for condition in seen_.conditions} & {"down", "unhealthy", "out_of_memory"}
        assert not seen_.network
    assert diagnosis == found(seen_, *sorted(names), opened_by=opened_by)
