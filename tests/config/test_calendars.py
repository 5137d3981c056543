"""Calendar files: whose events name people say who is on call; a broken one leaves the rotation."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from devops_agent.config.calendars import MAX_BYTES, CalendarError, Calendars, parse_duties, read_duties
from devops_agent.model.contact import Notify, Person, Schedule
from devops_agent.model.oncall import Duty
from tests.effort import examples

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
PEOPLE = (Person(name="alice", channels=("sms",)), Person(name="Bob Jones", channels=("sms",)))
NOTIFY = Notify(people=PEOPLE, time_zone="Europe/Berlin")
_ZONE = (
    "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19961027T030000\nTZOFFSETFROM:+0200\n"
    "TZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\nBEGIN:DAYLIGHT\n"
    "DTSTART:19810329T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\n"
    "END:DAYLIGHT\nEND:VTIMEZONE\n"
)


def calendar(*events: str) -> bytes:
    """Return a calendar of events, each of its lines."""
    said = "".join(
        f"BEGIN:VEVENT\nUID:{number}@example.com\nDTSTAMP:20260101T000000Z\n{event}\nEND:VEVENT\n"
        for number, event in enumerate(events)
    )
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{_ZONE}{said}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def duties(content: bytes) -> list[tuple[str, str, str]]:
    """Return (person, begin, end) of a fortnight."""
    found = parse_duties(content, name="duty.ics", notify=NOTIFY, begin=NOW, end=NOW + timedelta(days=14))
    return [(one.person, f"{one.begins_at:%m-%d %H:%M}", f"{one.ends_at:%m-%d %H:%M}") for one in found]


def test_an_event_that_names_a_person_is_their_duty() -> None:
    content = calendar(
        "SUMMARY:alice\nDTSTART:20260106T080000Z\nDTEND:20260106T200000Z",
        "SUMMARY:BOB JONES: on call\nDTSTART;TZID=Europe/Berlin:20260107T080000\nDURATION:PT12H",
        "SUMMARY:Alice on call\nDTSTART;VALUE=DATE:20260108\nDTEND;VALUE=DATE:20260109",
        "SUMMARY:alice\nDTSTART:20260110T080000\nDTEND:20260110T090000",
    )
    assert duties(content) == [
        ("alice", "01-06 08:00", "01-06 20:00"),
        ("Bob Jones", "01-07 07:00", "01-07 19:00"),
        ("alice", "01-07 23:00", "01-08 23:00"),
        ("alice", "01-10 07:00", "01-10 08:00"),
    ]


def test_events_that_recur_are_duties_each_time_but_for_those_taken_out() -> None:
    content = calendar(
        "SUMMARY:alice\nDTSTART:20251229T080000Z\nDTEND:20251229T200000Z\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE\n"
        "EXDATE:20260107T080000Z"
    )
    assert [begin for _, begin, _ in duties(content)] == ["01-05 08:00", "01-12 08:00", "01-14 08:00", "01-19 08:00"]


def test_events_of_nobody_known_and_cancelled_ones_say_nothing() -> None:
    content = calendar(
        "SUMMARY:Christmas party\nDTSTART:20260106T080000Z\nDTEND:20260106T200000Z",
        "SUMMARY:alice\nSTATUS:CANCELLED\nDTSTART:20260106T080000Z\nDTEND:20260106T200000Z",
        "DTSTART:20260106T080000Z\nDTEND:20260106T200000Z",
    )
    assert duties(content) == []


@pytest.mark.parametrize("content", [b"hello", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", b"\xff\xfe\x00"])
def test_what_is_no_calendar_is_told(content: bytes) -> None:
    with pytest.raises(CalendarError, match=r"cannot use duty\.ics: it is no iCalendar file"):
        duties(content)


_EVERY = ",".join(map(str, range(60)))


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=MINUTELY",
        "FREQ=SECONDLY;COUNT=1",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        f"FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE={_EVERY};BYSECOND={_EVERY}",
    ],
)
def test_rules_that_would_take_for_ever_are_refused_before_they_are_worked_out(rule: str) -> None:
    content = calendar(f"SUMMARY:alice\nDTSTART:20260105T080000Z\nDURATION:PT1S\nRRULE:{rule}")
    with pytest.raises(CalendarError, match=r"cannot use duty\.ics: (an event repeats|working out how)"):
        duties(content)


def test_very_many_old_rules_are_refused_and_some_are_not() -> None:
    old = "SUMMARY:alice\nDTSTART:19700105T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY"
    assert len(duties(calendar(*[old] * 2))) == 28
    with pytest.raises(CalendarError, match="takes too long"):
        duties(calendar(*[old] * 1_000))


def test_a_file_that_is_not_there_or_far_too_large_is_told(tmp_path: Path) -> None:
    with pytest.raises(CalendarError, match=r"cannot read .*No such file"):
        read_duties(tmp_path / "none.ics", notify=NOTIFY, begin=NOW, end=NOW)
    (tmp_path / "large.ics").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(CalendarError, match="larger than 500,000 bytes"):
        read_duties(tmp_path / "large.ics", notify=NOTIFY, begin=NOW, end=NOW)


def test_a_broken_file_leaves_the_rotation_and_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "duty.ics"
    schedule = Schedule(name="on-call", people=("alice",), calendar_file=str(file))
    notify, calendars = NOTIFY.with_(schedules=(schedule,)), Calendars()
    with caplog.at_level(logging.WARNING):
        assert calendars.on_call(notify, NOW) == {"on-call": "alice"}
    assert calendars.troubles(notify) == {"on-call": f"cannot read {file}: No such file or directory"}
    assert "calendar cannot be used" in caplog.messages
    file.write_bytes(calendar("SUMMARY:Bob Jones\nDTSTART:20260105T080000Z\nDTEND:20260105T200000Z"))
    assert calendars.on_call(notify, NOW) == {"on-call": "Bob Jones"}
    assert calendars.troubles(notify) == {}


def test_a_calendar_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "duty.ics"
    schedule = Schedule(name="on-call", people=("alice",), calendar_file=str(file))
    notify, calendars = NOTIFY.with_(schedules=(schedule,)), Calendars()
    for person in ("Bob Jones", "alice on call now"):
        file.write_bytes(calendar(f"SUMMARY:{person}\nDTSTART:20260105T080000Z\nDTEND:20260105T200000Z"))
        assert calendars.on_call(notify, NOW)["on-call"] in person
    assert [one.source for one in calendars.duties(schedule, notify, NOW)] == ["calendar"]


_LINES = st.sampled_from(
    [
        "SUMMARY:alice",
        "DTSTART:20260105T080000Z",
        "DTEND:20260104T080000Z",
        "DTEND:20260106T080000Z",
        "DTSTART;VALUE=DATE:20260105",
        "DTSTART;TZID=Nowhere/Land:20260105T080000",
        "RRULE:FREQ=DAILY;COUNT=5",
        "RRULE:FREQ=SECONDLY;UNTIL=1",
        "DURATION:-PT5M",
        "DURATION:PT5M",
        "RDATE:20260107T080000Z",
        "EXDATE;VALUE=DATE:20260107",
        "RECURRENCE-ID:20260105T080000Z",
        "STATUS:CANCELLED",
        "SUMMARY;LANGUAGE=en:" + "x" * 300,
    ]
)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(_LINES, st.text(max_size=20)), max_size=8), st.binary(max_size=40))
def test_any_file_is_read_or_refused(lines: list[str], noise: bytes) -> None:
    for content in (calendar("\n".join(lines)), noise, calendar("SUMMARY:alice") + noise):
        try:
            found: tuple[Duty, ...] = parse_duties(
                content, name="duty.ics", notify=NOTIFY, begin=NOW, end=NOW + timedelta(days=7)
            )
        except CalendarError:
            continue
        assert all(one.begins_at < one.ends_at and one.person in ("alice", "Bob Jones") for one in found)
