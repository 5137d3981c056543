"""Periods of reports: whole days, weeks and months of a time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.model.period import KINDS, before, custom, last_whole, named

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 23, 7, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("kind", "name", "hours"), [("daily", "2026-11-22", 24), ("weekly", "2026-W47", 168), ("monthly", "2026-10", 745)]
)
def test_the_last_whole_period_is_told(kind: str, name: str, hours: int) -> None:
    period = last_whole(kind, now=MONDAY, where=BERLIN)
    assert (period.name, (period.end - period.begin) / timedelta(hours=1)) == (name, hours)


def test_a_day_on_which_the_clocks_change_has_its_own_length() -> None:
    spring = last_whole("daily", now=datetime(2026, 3, 30, 9, tzinfo=BERLIN), where=BERLIN)
    autumn = last_whole("daily", now=datetime(2026, 10, 26, 9, tzinfo=BERLIN), where=BERLIN)
    assert [(one.end - one.begin) / timedelta(hours=1) for one in (spring, autumn)] == [23, 25]
    assert spring.begin == datetime(2026, 3, 28, 23, tzinfo=UTC)


def test_weeks_are_numbered_as_iso_8601_has_it() -> None:
    assert last_whole("weekly", now=datetime(2027, 1, 4, 12, tzinfo=UTC), where=ZoneInfo("UTC")).name == "2026-W53"


@given(
    st.sampled_from(KINDS),
    st.datetimes(datetime(2001, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 — they get their zone
    st.sampled_from([BERLIN, ZoneInfo("UTC"), ZoneInfo("America/St_Johns"), ZoneInfo("Pacific/Apia")]),
)
def test_a_period_is_over_has_its_name_and_follows_the_one_before(kind: str, now: datetime, where: ZoneInfo) -> None:
    period = last_whole(kind, now=now, where=where)
    assert period.begin < period.end <= now
    assert named(kind, period.name, where=where) == period
    assert before(period, where=where).end == period.begin


def test_before_a_time_that_was_asked_for_lies_as_much_time() -> None:
    asked = custom(MONDAY - timedelta(days=3), MONDAY)
    assert before(asked, where=BERLIN).begin == MONDAY - timedelta(days=6)


@pytest.mark.parametrize("key", ["daily/yesterday", "weekly/2026-W60", "weekly/-W", "monthly/2026-13", "yearly/2026"])
def test_what_names_no_period_is_refused_with_the_way_out(key: str) -> None:
    kind, _, name = key.partition("/")
    with pytest.raises(ValueError, match="write daily 2026-11-20"):
        named(kind, name, where=BERLIN)
