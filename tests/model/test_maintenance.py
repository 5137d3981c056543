from datetime import UTC, datetime, timedelta, timezone

import pytest

from devops_agent.model.maintenance import CronError, last_beginning, next_beginning, parse_cron


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def is_open_at(cron: str, *, lasts: timedelta, now: datetime) -> bool:
    return last_beginning(parse_cron(cron), now=now, within=lasts) is not None


@pytest.mark.parametrize(
    ("cron", "now", "is_open"),
    [
        ("0 3 * * *", "2024-03-10T02:59:59", False),
        ("0 3 * * *", "2024-03-10T03:00:00", True),
        ("0 3 * * *", "2024-03-10T03:59:59", True),
        ("0 3 * * *", "2024-03-10T04:00:00", False),
        ("30 23 * * *", "2024-03-01T00:15:00", True),
        ("30 23 31 dec *", "2025-01-01T00:29:59", True),
        ("0 3 * * sun", "2024-03-10T03:30:00", True),
        ("0 3 * * 7", "2024-03-10T03:30:00", True),
        ("0 3 * * mon-fri", "2024-03-10T03:30:00", False),
        ("*/20 8-10,22 * * *", "2024-03-10T10:59:00", True),
        ("0 3 29 2 *", "2024-02-29T03:10:00", True),
        ("0 3 29 2 *", "2025-03-01T03:10:00", False),
        ("0 3 13 * fri", "2024-03-13T03:10:00", True),
        ("0 3 13 * fri", "2024-03-15T03:10:00", True),
        ("0 3 */2 * fri", "2024-03-13T03:10:00", False),
    ],
)
def test_a_window_of_an_hour_opens_when_cron_says(cron: str, now: str, *, is_open: bool) -> None:
    assert is_open_at(cron, lasts=timedelta(hours=1), now=at(now)) is is_open


def test_a_window_may_last_for_days() -> None:
    saturday = "0 0 * * sat"
    assert is_open_at(saturday, lasts=timedelta(days=2), now=at("2024-03-10T23:59:59"))
    assert not is_open_at(saturday, lasts=timedelta(days=2), now=at("2024-03-11T00:00:00"))


def test_the_hour_is_that_of_utc_wherever_the_clock_stands() -> None:
    in_tokyo = datetime(2024, 3, 10, 12, 30, tzinfo=timezone(timedelta(hours=9)))
    assert is_open_at("0 3 * * *", lasts=timedelta(hours=1), now=in_tokyo)


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("", "no cron expression; write `minute hour day month weekday`"),
        ("* * * *", "no cron expression"),
        ("60 * * * *", "'60' is no minute in a cron expression; allowed: 0 to 59"),
        ("* * * foo *", "'foo' is no month in a cron expression; allowed: 1 to 12, jan"),
        ("10-5 * * * *", "'10-5' runs backwards in the minute of a cron expression; write 5-10"),
        ("*/0 * * * *", "'0' is no minute"),
        ("1,,2 * * * *", "'' is no minute"),
        ("² * * * *", "'²' is no minute"),
    ],
)
def test_what_is_no_cron_expression_is_refused_with_what_is_allowed(cron: str, told: str) -> None:
    with pytest.raises(CronError) as caught:
        parse_cron(cron)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("cron", "now", "begins"),
    [
        ("0 3 * * *", "2024-03-10T02:59:59", "2024-03-10T03:00:00"),
        ("0 3 * * *", "2024-03-10T03:00:00", "2024-03-11T03:00:00"),
        ("*/20 8,22 * * *", "2024-03-10T08:41:00", "2024-03-10T22:00:00"),
        ("0 0 29 2 *", "2024-03-01T00:00:00", "2028-02-29T00:00:00"),
    ],
)
def test_a_window_begins_next_when_cron_says(cron: str, now: str, begins: str) -> None:
    assert next_beginning(parse_cron(cron), now=at(now)) == at(begins)


def test_a_window_on_a_day_that_never_comes_never_begins() -> None:
    assert next_beginning(parse_cron("0 0 31 2 *"), now=at("2024-03-01T00:00:00")) is None
