"""Whose turn it is."""

import contextlib
import itertools
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from devops_agent.model.clockface import ClockError, zone
from devops_agent.model.contact import Schedule
from devops_agent.model.oncall import Duty, coming, on_duty, parse_begins

WEEKLY = Schedule(name="on-call", people=("alice", "bob", "carol"), begins="2026-01-05 09:00", each=timedelta(days=7))
UTC_ZONE = zone("UTC")
BERLIN = zone("Europe/Berlin")
START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def who(schedule: Schedule, now: datetime, calendar: tuple[Duty, ...] = ()) -> str:
    duty = on_duty(schedule, now, where=UTC_ZONE, calendar=calendar)
    return duty.person if duty else ""


def event(person: str, begin: float, end: float) -> Duty:
    """Return an event of the calendar, in hours after the start."""
    hours = timedelta(hours=1)
    return Duty(person=person, begins_at=START + begin * hours, ends_at=START + end * hours, source="calendar")


def test_people_take_turns_from_the_first_beginning_on() -> None:
    weeks = [who(WEEKLY, START + timedelta(weeks=number)) for number in range(4)]
    assert weeks == ["alice", "bob", "carol", "alice"]
    assert who(WEEKLY, START + timedelta(weeks=1, seconds=-1)) == "alice"


def test_turns_before_the_first_beginning_are_counted_backwards() -> None:
    assert who(WEEKLY, START - timedelta(seconds=1)) == "carol"


def test_a_turn_begins_at_the_same_time_of_day_in_summer_and_in_winter() -> None:
    summer = on_duty(WEEKLY, datetime(2026, 7, 7, tzinfo=UTC), where=BERLIN)
    winter = on_duty(WEEKLY, datetime(2026, 1, 7, tzinfo=UTC), where=BERLIN)
    assert summer
    assert winter
    assert (summer.begins_at.hour, winter.begins_at.hour) == (7, 8)


def test_an_event_of_the_calendar_goes_before_the_rotation() -> None:
    vacation = (event("carol", 10, 20),)
    assert [who(WEEKLY, START + timedelta(hours=hours), vacation) for hours in (9, 10, 19, 20)] == [
        "alice", "carol", "carol", "alice",
    ]  # fmt: skip


def test_of_two_events_the_later_one_counts() -> None:
    assert who(WEEKLY, START + timedelta(hours=15), (event("bob", 0, 20), event("carol", 14, 16))) == "carol"


def test_nobody_is_on_call_without_people() -> None:
    assert on_duty(Schedule(name="empty"), START, where=UTC_ZONE) is None


def test_what_comes_is_told_without_gaps() -> None:
    turns = coming(WEEKLY, START, where=UTC_ZONE, calendar=(event("carol", 10, 20),), until=START + timedelta(days=10))
    assert [(turn.person, turn.source) for turn in turns] == [
        ("alice", "rotation"), ("carol", "calendar"), ("alice", "rotation"), ("bob", "rotation"),
    ]  # fmt: skip
    assert all(one.ends_at == after.begins_at for one, after in itertools.pairwise(turns))


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01 09:00", "2026-01-01 25:00", "09:00"])
def test_what_is_no_beginning_is_told(text: str) -> None:
    with pytest.raises(ClockError, match="write 2024-01-01 09:00"):
        parse_begins(text)


@given(st.text(max_size=25))
def test_any_text_is_a_beginning_or_refused(text: str) -> None:
    with contextlib.suppress(ClockError):
        assert parse_begins(text).tzinfo is None


@given(
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 — Hypothesis adds the zone
    st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=30)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
)
def test_somebody_is_on_call_at_any_moment(now: datetime, each: timedelta, name: str) -> None:
    duty = on_duty(WEEKLY.with_(each=each), now, where=zone(name))
    assert duty
    assert duty.person in WEEKLY.people
    assert duty.ends_at > now
