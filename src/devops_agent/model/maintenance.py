"""When a recurring window is open: five cron fields in UTC and how long it lasts."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WORDS = {
    "month": {word: number for number, word in enumerate(_MONTHS, start=1)},
    "weekday": {word: number for number, word in enumerate(_WEEKDAYS)},
}


class CronError(ValueError):
    """A text that is no cron expression; says which field is wrong and what it may hold."""


@dataclass(frozen=True, slots=True)
class Cron:
    """The minutes at which something begins."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either_day: bool
    """Whether day and weekday are both restricted, so that one of them is enough (as cron has it)."""

    def begins_on(self, day: date) -> bool:
        """Whether there is a beginning on that day."""
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_date or by_weekday) if self.either_day else (by_date and by_weekday)


def last_beginning(cron: Cron, *, now: datetime, within: timedelta) -> datetime | None:
    """Return the latest beginning that is less than `within` before `now`; None when there is none."""
    utc = now.astimezone(UTC)
    earliest = utc - within
    day = utc.date()
    while day >= earliest.date():
        if cron.begins_on(day):
            for hour in reversed(cron.hours):
                for minute in reversed(cron.minutes):
                    begun = datetime.combine(day, time(hour, minute), tzinfo=UTC)
                    if begun <= utc:
                        return begun if begun > earliest else None
        day -= timedelta(days=1)
    return None


def next_beginning(cron: Cron, *, now: datetime) -> datetime | None:
    """Return the first beginning after `now`; None when there is none within five years (such as 31 February)."""
    utc = now.astimezone(UTC)
    for ahead in range(_FIVE_YEARS):
        day = utc.date() + timedelta(days=ahead)
        if cron.begins_on(day):
            for hour in cron.hours:
                for minute in cron.minutes:
                    begins = datetime.combine(day, time(hour, minute), tzinfo=UTC)
                    if begins > utc:
                        return begins
    return None


_FIVE_YEARS = 5 * 366  # days


def parse_cron(text: str) -> Cron:
    """Read `minute hour day month weekday`, each `*`, a number, a range, a list or any of them with `/step`.

    Months and weekdays may be words of three letters; weekday 0 and 7 are Sunday.

    Raises:
        CronError: a field is missing or holds what it may not.

    """
    parts = text.lower().split()
    if len(parts) != len(_FIELDS):
        raise CronError(f"{text!r} is no cron expression; write `minute hour day month weekday`, such as `0 2 * * sun`")
    minute, hour, day, month, weekday = (_read_field(part, *field) for part, field in zip(parts, _FIELDS, strict=True))
    return Cron(
        minutes=tuple(sorted(minute)),
        hours=tuple(sorted(hour)),
        days=frozenset(day),
        months=frozenset(month),
        weekdays=frozenset(number % 7 for number in weekday),
        either_day=not parts[2].startswith("*") and not parts[4].startswith("*"),
    )


def _read_field(text: str, name: str, low: int, high: int) -> set[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _read_number(step_text, name, 1, high) if slash else 1
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (_read_number(end, name, low, high) for end in span.split("-", 1))
        else:
            first = _read_number(span, name, low, high)
            last = high if slash else first
        if first > last:
            raise CronError(f"{part!r} runs backwards in the {name} of a cron expression; write {last}-{first}")
        numbers.update(range(first, last + 1, step))
    return numbers


def _read_number(text: str, name: str, low: int, high: int) -> int:
    words = _WORDS.get(name, {})
    number = words.get(text, int(text) if text.isascii() and text.isdigit() and len(text) < 4 else -1)  # noqa: PLR2004 — no field has more digits
    if not low <= number <= high:
        allowed = f"{low} to {high}" + (f", {', '.join(words)}" if words else "")
        raise CronError(f"{text!r} is no {name} in a cron expression; allowed: {allowed}")
    return number
