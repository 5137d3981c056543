"""Outcomes in figures: who ended what, how soon, and sums that add up."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.outcomes import (
    durations,
    ending,
    figures,
    gravest,
    time_to_acknowledge,
    time_to_detect,
    time_to_resolve,
)
from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.attempt import Outcome
from devops_agent.model.incident import Incident, Status
from devops_agent.model.report import Case, Figures, Tally

WEEK = timedelta(days=7)
_moments = st.integers(-14 * 86_400, 14 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


def incident(opened: datetime, closed: datetime | None, *, severity: Severity = Severity.WARNING) -> Incident:
    return Incident(
        id="INC-1",
        status=Status.OPEN if closed is None else Status.RESOLVED,
        severity=severity,
        target="api",
        kind="down",
        title="api is down",
        opened_at=opened,
        changed_at=opened,
        resolved_at=closed,
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    opened = draw(_moments)
    return Case(
        incident=incident(opened, draw(st.none() | _moments), severity=draw(st.sampled_from(Severity))),
        began_at=draw(st.none() | _moments),
        asked_at=draw(st.none() | _moments),
        reacted_at=draw(st.none() | _moments),
        escalated=draw(st.booleans()),
        approved=draw(st.booleans()),
        by_person=draw(st.booleans()),
        outcomes=tuple(draw(st.lists(st.sampled_from(Outcome), max_size=3))),
        relapsed=draw(st.booleans()),
    )


def told(some: list[Case]) -> Figures:
    return figures(
        some, Tally(), begin=START, end=START + WEEK, watched_seconds=86_400, saved_by_each=timedelta(minutes=20)
    )


@given(st.lists(cases(), max_size=20))
def test_splits_add_up_and_no_duration_is_negative(some: list[Case]) -> None:
    found = told(some)
    assert sum(found.by_kind.values()) == found.incidents
    assert sum(found.by_severity.values()) == found.incidents
    assert sum(found.by_target.values()) == found.incidents
    split = found.healed_alone + found.healed_with_yes + found.over_by_itself + found.by_people
    assert split == found.resolved
    assert 0 <= found.still_open <= found.incidents
    assert found.seconds_saved == found.healed_alone * 1200
    for one in (found.detect, found.acknowledge, found.resolve):
        assert one is None or (one.count > 0 and 0 <= one.median <= one.longest and 0 <= one.mean <= one.longest)
    assert (found.between_failures is None) == (found.incidents == 0)


@given(cases())
def test_a_clock_that_is_ahead_makes_no_time_negative(case: Case) -> None:
    for measure in (time_to_detect, time_to_acknowledge, time_to_resolve):
        took = measure(case)
        assert took is None or took >= timedelta()


def closed(**more: object) -> Case:
    return Case(incident=incident(START, START + timedelta(minutes=5)), **more)  # type: ignore[arg-type]


def test_who_ended_an_incident_is_told_apart() -> None:
    healed = (Outcome.FAILED, Outcome.HEALED)
    assert ending(closed(outcomes=healed)) == "alone"
    assert ending(closed(outcomes=healed, approved=True)) == "with_yes"
    assert ending(closed(outcomes=healed, escalated=True)) == "by_people"
    assert ending(closed(outcomes=healed, relapsed=True)) == "by_itself"
    assert ending(closed(outcomes=(Outcome.FAILED,), escalated=True)) == "by_people"
    assert ending(closed(by_person=True, outcomes=healed)) == "by_people"
    assert ending(closed()) == "by_itself"


def test_of_nothing_no_mean_is_told() -> None:
    assert durations([]) is None
    assert durations([None]) is None
    assert told([]) == Figures()


def test_the_gravest_and_then_the_longest_come_first() -> None:
    def case(severity: Severity, minutes: int) -> Case:
        return Case(incident=incident(START, START + timedelta(minutes=minutes), severity=severity))

    some = [case(Severity.WARNING, 90), case(Severity.CRITICAL, 5), case(Severity.CRITICAL, 50)]
    ranked = gravest(some, begin=START, end=START + WEEK, limit=2)
    assert [one.incident.resolved_at for one in ranked] == [some[2].incident.resolved_at, some[1].incident.resolved_at]
