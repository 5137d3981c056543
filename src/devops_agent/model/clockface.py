"""Times of day and of the week as people write them: `22:00-07:00`, `Mon-Fri 08:00-18:00`, `Mon 07:30`, `1 07:30`.

All are read on the wall clock of a time zone: 08:00 stays 08:00 when the clocks change (zoneinfo, IANA names).
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from devops_agent.model.fact import Fact

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_HOURS = re.compile(
    rf"(?:(?P<days>{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*)(?: (?P<a>{_TIME})-(?P<b>{_TIME}|24:00))?)"
    rf"|(?:(?P<c>{_TIME})-(?P<d>{_TIME}|24:00))"
)
_MOMENT = re.compile(rf"(?:(?P<day>{_DAY}|[1-9]|1[0-9]|2[0-8]) )?(?P<time>{_TIME})")
_LONGEST_LOOK = 64  # days within which a day of the month comes again, whatever the month


class ClockError(ValueError):
    """A text that names no hours, no moment or no time zone; says how to write one."""


class Hours(Fact, kw_only=True):
    """Some hours on some days of the week; those that pass midnight belong to the day on which they begin."""

    days: frozenset[int]
    """0 for Monday to 6 for Sunday."""
    begin: int
    """Minutes since midnight."""
    end: int
    """The same; not later than `begin` means on the next day."""


class Moment(Fact, kw_only=True):
    """A time of day, of one day of the week or of the month when it names one."""

    minutes: int
    """Since midnight."""
    weekday: int | None = None
    day: int | None = None
    """Of the month, 1 to 28: every month has it."""


def zone(name: str) -> ZoneInfo:
    """Return the time zone of that name.

    Raises:
        ClockError: there is none.

    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        message = f"no time zone {name!r}; write an IANA name such as UTC or Europe/Berlin"
        raise ClockError(message) from error


def parse_hours(text: str) -> Hours:
    """Read `22:00-07:00`, `Mon-Fri 08:00-18:00`, `Sat,Sun`.

    Raises:
        ClockError: it is neither.

    """
    found = _HOURS.fullmatch(text.strip())
    begin, end = (found["a"] or found["c"] or "00:00", found["b"] or found["d"] or "24:00") if found else ("", "")
    if found is None or begin == end:
        message = f"{text!r} are no hours; write 22:00-07:00, Mon-Fri 08:00-18:00, or Sat,Sun"
        raise ClockError(message)
    return Hours(days=_days(found["days"]), begin=_minutes(begin), end=_minutes(end))


def parse_moment(text: str, *, example: str = "07:30, Mon 07:30, or 1 07:30") -> Moment:
    """Read `07:30`, `Mon 07:30`, `1 07:30` (a day of the month, 1 to 28).

    Raises:
        ClockError: it is none of them.

    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        message = f"{text!r} is no time; write {example}"
        raise ClockError(message)
    minutes, day = _minutes(found["time"]), found["day"]
    if day is None:
        return Moment(minutes=minutes)
    if day in DAYS:
        return Moment(minutes=minutes, weekday=DAYS.index(day))
    return Moment(minutes=minutes, day=int(day))


def parse_daily(text: str) -> Moment:
    """Read a time of day alone.

    Raises:
        ClockError: it is none.

    """
    found = parse_moment(text, example="07:30")
    if found.weekday is not None or found.day is not None:
        message = f"{text!r} names a day; write a time of day such as 07:30"
        raise ClockError(message)
    return found


def parse_weekly(text: str) -> Moment:
    """Read a day of the week with a time.

    Raises:
        ClockError: it is none.

    """
    found = parse_moment(text, example="Mon 07:30")
    if found.weekday is None:
        message = f"{text!r} names no day of the week; write Mon 07:30"
        raise ClockError(message)
    return found


def parse_monthly(text: str) -> Moment:
    """Read a day of the month, 1 to 28, with a time.

    Raises:
        ClockError: it is none.

    """
    found = parse_moment(text, example="1 07:30")
    if found.day is None:
        message = f"{text!r} names no day of the month; write 1 07:30 for the first (to 28)"
        raise ClockError(message)
    return found


def within(hours: Hours, now: datetime, *, where: ZoneInfo) -> bool:
    """Whether `now` lies in the hours."""
    return ending(hours, now, where=where) is not None


def ending(hours: Hours, now: datetime, *, where: ZoneInfo) -> datetime | None:
    """Return when the hours that `now` lies in are over; None when it lies in none.

    Hours that follow without a gap (`Sat,Sun`) are told one by one.
    """
    today = now.astimezone(where).date()
    for begins_on in (today, today - timedelta(days=1)):
        if begins_on.weekday() not in hours.days:
            continue
        ends_on = begins_on if hours.end > hours.begin else begins_on + timedelta(days=1)
        begin, end = _at(begins_on, hours.begin, where), _at(ends_on, hours.end, where)
        if begin <= now < end:
            return end
    return None


def next_time(moment: Moment, now: datetime, *, where: ZoneInfo) -> datetime:
    """Return the first such moment after `now`, UTC."""
    today = now.astimezone(where).date()
    days = (today + timedelta(days=ahead) for ahead in range(_LONGEST_LOOK))
    return next(at for day in days if _is_on(moment, day) and (at := _at(day, moment.minutes, where)) > now)


def last_time(moment: Moment, now: datetime, *, where: ZoneInfo) -> datetime:
    """Return the last such moment that is not after `now`, UTC."""
    today = now.astimezone(where).date()
    days = (today - timedelta(days=back) for back in range(_LONGEST_LOOK))
    return next(at for day in days if _is_on(moment, day) and (at := _at(day, moment.minutes, where)) <= now)


def _is_on(moment: Moment, day: date) -> bool:
    return moment.weekday in (None, day.weekday()) and moment.day in (None, day.day)


def _at(day: date, minutes: int, where: ZoneInfo) -> datetime:
    """Return that time of that day; one that is skipped when the clocks go forward is read as just after the gap."""
    whole_days, rest = divmod(minutes, 24 * 60)
    local = datetime.combine(day + timedelta(days=whole_days), time(rest // 60, rest % 60), tzinfo=where)
    return local.astimezone(UTC)


def _days(text: str | None) -> frozenset[int]:
    if not text:
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return frozenset(found)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
