"""What a drill's figures say: quantiles that know of what was never seen, budgets, and what counts as false."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest

from devops_agent.drill.course import Course
from devops_agent.drill.drills import DRILLS, Right, judge
from devops_agent.drill.figures import Control, Round, Time, print_table, quantile, rows_of
from devops_agent.drill.tell import Speaker
from devops_agent.model.alert import Severity
from devops_agent.model.event import Event
from devops_agent.model.incident import Incident, Status

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
HEALED = Round(
    fault="crash",
    detect=0.1,
    act=0.2,
    mitigate=1.0,
    wants_healing=True,
    healed=True,
    right=True,
    outcome="healed",
    false_actions=0,
    limit=60.0,
)
MISSED = Round(
    fault="crash",
    detect=None,
    act=None,
    mitigate=None,
    wants_healing=True,
    healed=False,
    right=False,
    outcome="not noticed",
    false_actions=0,
    limit=60.0,
)


def course(status: Status, **acted_on: list[str]) -> Course:
    incident = Incident(
        id="INC-1",
        status=status,
        severity=Severity.CRITICAL,
        target="market-predictor",
        kind="down",
        title="down",
        opened_at=BEGAN,
        changed_at=BEGAN,
    )
    names = {name.replace("_", "-"): actions for name, actions in acted_on.items()}
    return Course(began=BEGAN, reading=frozenset(), noticed=0.1, incidents={"INC-1": incident}, acted_on=names)


@pytest.mark.parametrize(
    ("values", "part", "expected"),
    [
        ([3.0, 1.0, 2.0], 0.5, Time(seconds=2.0, censored=False)),
        ([1.0, None, None], 0.5, Time(seconds=60.0, censored=True)),
        ([1.0, 2.0, None], 0.5, Time(seconds=2.0, censored=False)),
        ([1.0, 2.0, None], 0.95, Time(seconds=60.0, censored=True)),
        ([], 0.5, Time(seconds=0.0, censored=False)),
    ],
)
def test_a_quantile_that_falls_on_what_was_never_seen_is_censored(
    values: list[float | None], part: float, expected: Time
) -> None:
    assert quantile(values, part, limit=60.0) == expected


def test_what_is_healed_by_one_right_action_is_right() -> None:
    done = judge(DRILLS["crash"], course(Status.RESOLVED, market_predictor=["process.restart"]), mitigated=0.7)
    assert (done.right, done.healed, done.false_actions, done.mitigate) == (True, True, 0, 0.7)


def test_a_second_restart_and_any_action_on_another_target_are_false() -> None:
    twice = course(Status.RESOLVED, market_predictor=["process.restart"] * 2, market_data=["process.restart"])
    done = judge(DRILLS["slow_start"], twice, mitigated=3.0)
    assert (done.right, done.false_actions) == (False, 2)


def test_a_restart_that_leaves_a_full_disk_full_is_false() -> None:
    done = judge(DRILLS["disk_fill"], course(Status.RESOLVED, market_predictor=["process.restart"]), mitigated=None)
    assert (done.right, done.healed, done.false_actions) == (False, False, 1)


def test_the_victim_of_a_dependency_must_not_be_touched() -> None:
    drill = DRILLS["dependency_down"]
    assert judge(drill, course(Status.RESOLVED, market_data=["process.restart"]), mitigated=4.0).right
    assert not judge(drill, course(Status.RESOLVED, market_predictor=["process.restart"]), mitigated=4.0).right


def test_a_crash_loop_is_right_when_a_person_was_called() -> None:
    done = judge(DRILLS["crash_loop"], course(Status.ESCALATED, market_predictor=["process.restart"]), mitigated=None)
    assert (done.right, done.wants_healing, done.mitigate) == (True, False, None)
    assert DRILLS["crash_loop"].right is Right.PERSON


def test_rows_have_the_form_of_the_benchmarks_and_hold_budgets() -> None:
    control = Control(name="nothing happens", false=("INC-2: restart",), incidents=1)
    rows = {row["what"]: row for row in rows_of([HEALED, MISSED], [control])}
    assert all(
        set(row) == {"what", "value", "unit", "budget", "ok", "peer", "peer_value", "ratio"} for row in rows.values()
    )
    assert rows["crash: time to detect, median"]["ok"] is True
    assert rows["all: time to detect, p95"]["ok"] is False
    assert rows["all: share healed"]["value"] == 0.5
    assert rows["without a fault: false actions"]["ok"] is False
    assert rows["rounds without a fault"]["ok"] is None


def test_the_table_fits_the_page_and_marks_what_nobody_waited_for() -> None:
    out = StringIO()
    print_table([HEALED, MISSED], [], Speaker(out))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert "≥ 60.00 s" in out.getvalue()
    assert "Healed: 1 of 2 that should be." in lines


def test_seconds_count_from_the_fault() -> None:
    assert course(Status.OPEN).seconds(BEGAN + timedelta(seconds=2)) == 2.0


def diagnosed(kind: str, confidence: float) -> Event:
    found = {"hypotheses": [{"kind": kind, "says": "", "confidence": confidence}], "category": "unknown",
             "complexity": "simple", "severity": "critical"}  # fmt: skip
    return Event(
        seq=1, at=BEGAN, incident="INC-1", target="market-predictor", kind="diagnosis", actor="agent", says="",
        data={"found": found},
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "right"), [("down", True), ("disk_filling", False)])
def test_the_cause_is_right_when_the_diagnosis_names_what_was_broken(kind: str, right: bool) -> None:  # noqa: FBT001
    seen = course(Status.RESOLVED, market_predictor=["process.restart"])
    seen.take(diagnosed(kind, 0.9))
    told = judge(DRILLS["crash"], seen, mitigated=1.0)
    assert (told.cause, told.confidence, told.cause_right) == (kind, 0.9, right)
    rows = {row["what"]: row["value"] for row in rows_of([told], [])}
    assert rows["cause named right"] == (1.0 if right else 0.0)
    assert rows["expected calibration error of the cause"] == (0.1 if right else 0.9)
