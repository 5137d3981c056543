"""Hours and moments, on the wall clock of a time zone."""

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from devops_agent.model.clockface import (
    ClockError,
    ending,
    last_time,
    next_time,
    parse_daily,
    parse_hours,
    parse_moment,
    parse_monthly,
    parse_weekly,
    within,
    zone,
)

BERLIN = zone("Europe/Berlin")
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 — Hypothesis adds the zone


def at(hour: int, minute: int = 0, *, day: int = 0) -> datetime:
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("22:00-07:00", [at(22), at(23, 59), at(0), at(6, 59)], [at(7), at(21, 59), at(12)]),
        ("Mon-Fri 08:00-18:00", [at(8), at(17, 59), at(9, day=4)], [at(18), at(7, 59), at(9, day=5), at(9, day=6)]),
        ("Sat,Sun", [at(0, day=5), at(23, 59, day=6)], [at(23, 59, day=4), at(0, day=7)]),
        ("Fri 20:00-02:00", [at(20, day=4), at(1, 59, day=5)], [at(1, day=4), at(2, day=5), at(20, day=5)]),
        ("Sat-Mon 00:00-24:00", [at(12), at(12, day=5), at(12, day=6)], [at(12, day=1), at(12, day=4)]),
    ],
)
def test_hours_hold_from_their_beginning_until_right_before_their_end(
    text: str, inside: list[datetime], outside: list[datetime]
) -> None:
    hours = parse_hours(text)
    assert [moment for moment in inside if not within(hours, moment, where=zone("UTC"))] == []
    assert [moment for moment in outside if within(hours, moment, where=zone("UTC"))] == []


def test_hours_are_read_on_the_wall_clock_in_summer_and_in_winter() -> None:
    hours = parse_hours("22:00-07:00")
    assert ending(hours, datetime(2026, 1, 5, 23, tzinfo=UTC), where=BERLIN) == datetime(2026, 1, 6, 6, tzinfo=UTC)
    assert ending(hours, datetime(2026, 7, 5, 23, tzinfo=UTC), where=BERLIN) == datetime(2026, 7, 6, 5, tzinfo=UTC)
    assert ending(hours, datetime(2026, 7, 5, 19, 59, tzinfo=UTC), where=BERLIN) is None


def test_the_night_in_which_clocks_change_ends_when_the_wall_clock_says_so() -> None:
    hours = parse_hours("22:00-07:00")
    assert ending(hours, datetime(2026, 3, 29, 0, tzinfo=UTC), where=BERLIN) == datetime(2026, 3, 29, 5, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "22-7", "25:00-07:00", "08:00-08:00", "Mo-Fr 08:00-18:00", "Mon-Fri8", "24:00-1"])
def test_what_are_no_hours_is_told_with_the_way_to_write_them(text: str) -> None:
    with pytest.raises(ClockError, match="write 22:00-07:00"):
        parse_hours(text)


def test_the_next_moment_comes_after_now_and_the_last_does_not() -> None:
    where = zone("UTC")
    daily, weekly, monthly = parse_moment("07:30"), parse_moment("Mon 07:30"), parse_moment("1 07:30")
    assert next_time(daily, at(7, 30), where=where) == at(7, 30, day=1)
    assert last_time(daily, at(7, 30), where=where) == at(7, 30)
    assert next_time(weekly, at(8), where=where) == at(7, 30, day=7)
    assert next_time(monthly, at(8), where=where) == datetime(2026, 2, 1, 7, 30, tzinfo=UTC)
    assert last_time(monthly, at(8), where=where) == datetime(2026, 1, 1, 7, 30, tzinfo=UTC)


def test_a_moment_that_the_change_of_clocks_skips_comes_right_after() -> None:
    due = next_time(parse_moment("02:30"), datetime(2026, 3, 28, 12, tzinfo=UTC), where=BERLIN)
    assert due == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_each_report_has_its_form_of_time() -> None:
    for parse, wrong in ((parse_daily, "Mon 07:30"), (parse_weekly, "07:30"), (parse_monthly, "Mon 07:30")):
        with pytest.raises(ClockError, match=r"write .*07:30"):
            parse(wrong)
    for parse, right in ((parse_daily, "07:30"), (parse_weekly, "Sun 00:00"), (parse_monthly, "28 23:59")):
        assert parse(right) == parse_moment(right)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b"])
def test_a_zone_that_there_is_not_is_told(name: str) -> None:
    with pytest.raises(ClockError, match="no time zone"):
        zone(name)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_hours, parse_moment, parse_daily, parse_weekly, parse_monthly, zone):
        try:
            parse(text)
        except ClockError as error:
            assert "write" in str(error)  # noqa: PT017 — refused texts are fine, other errors are not


@given(MOMENTS, st.sampled_from(["07:30", "Tue 00:00", "28 23:59"]), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_between_the_last_and_the_next_moment_lies_now(now: datetime, text: str, name: str) -> None:
    moment, where = parse_moment(text), zone(name)
    last, due = last_time(moment, now, where=where), next_time(moment, now, where=where)
    assert last <= now < due
    assert last_time(moment, due, where=where) == due


@given(MOMENTS, st.sampled_from(["22:00-07:00", "Mon-Fri 08:00-18:00", "Sat 12:00-11:00"]))
def test_hours_that_hold_are_over_at_their_end(now: datetime, text: str) -> None:
    hours = parse_hours(text)
    end = ending(hours, now, where=BERLIN)
    assert (end is not None) is within(hours, now, where=BERLIN)
    if end is not None:
        assert now < end <= now + timedelta(hours=25)
