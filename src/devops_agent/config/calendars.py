"""Calendars: who is on call by an iCalendar file (RFC 5545), read when it changes; a broken one leaves the rotation."""

from __future__ import annotations

import logging
import math
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devops_agent.model.clockface import zone
from devops_agent.model.fact import Fact
from devops_agent.model.oncall import Duty, on_duty

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from devops_agent.model.contact import Notify, Schedule

log = logging.getLogger("devops_agent.calendars")

MAX_BYTES = 500_000
_AHEAD = timedelta(days=35)
_BACK = timedelta(days=1)
_READ_AGAIN = timedelta(hours=12)
_PERIODS = {"DAILY": 366, "WEEKLY": 53, "MONTHLY": 12, "YEARLY": 1}
"""Frequency -> how often a year its rule is worked out; nobody's duty repeats more often."""
_MOST_PERIODS = 2_500_000
"""Of all rules of a file together: seconds' work. Whoever reads it holds up everything that people are told."""
_CLOCK_PARTS = ("BYHOUR", "BYMINUTE", "BYSECOND")
_MAY_NEVER_FIT = ("BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS")
"""A rule that never fits, such as each 30th of February, is followed to the end of time."""
_LAST_YEAR = 9999


class CalendarError(Exception):
    """A file that says nobody's duty; the message tells why."""


class _Read(Fact, kw_only=True):
    """What a file said when it was read."""

    mark: tuple[int, int, int]
    """Its inode, size and time of change."""
    at: datetime
    duties: tuple[Duty, ...] = ()
    trouble: str = ""


class Calendars:
    """Keeps what calendar files say; each is read again when it changes, and twice a day."""

    def __init__(self) -> None:
        self._read: dict[str, _Read] = {}

    def on_call(self, notify: Notify, now: datetime) -> dict[str, str]:
        """Return schedule → whose turn it is."""
        found = {}
        for schedule in notify.schedules:
            duty = on_duty(schedule, now, where=zone(notify.time_zone), calendar=self.duties(schedule, notify, now))
            if duty is not None:
                found[schedule.name] = duty.person
        return found

    def duties(self, schedule: Schedule, notify: Notify, now: datetime) -> tuple[Duty, ...]:
        """Return what the schedule's file plans for the weeks around `now`; nothing without one, or if it is broken."""
        path = schedule.calendar_file
        if not path:
            return ()
        known = self._read.get(path)
        mark = _mark(path)
        if known is None or known.mark != mark or not known.at <= now < known.at + _READ_AGAIN:
            known = self._look(path, mark, notify, now)
            self._read[path] = known
        return known.duties

    def troubles(self, notify: Notify) -> dict[str, str]:
        """Return schedule → why its file could not be used when it was read last."""
        found = {one.name: self._read.get(one.calendar_file) for one in notify.schedules if one.calendar_file}
        return {name: read.trouble for name, read in found.items() if read is not None and read.trouble}

    def _look(self, path: str, mark: tuple[int, int, int], notify: Notify, now: datetime) -> _Read:
        try:
            duties = read_duties(Path(path), notify=notify, begin=now - _BACK, end=now + _AHEAD)
        except CalendarError as error:
            log.warning("calendar cannot be used", extra={"file": path, "error": str(error)})
            return _Read(mark=mark, at=now, trouble=str(error))
        return _Read(mark=mark, at=now, duties=duties)


def read_duties(path: Path, *, notify: Notify, begin: datetime, end: datetime) -> tuple[Duty, ...]:
    """Return who is on call between `begin` and `end` by a calendar file, in order.

    An event's summary is the name of a person, alone or at its beginning (`alice`, `alice: on call`); case does not
    count. Events that name nobody known are left out. Times without a zone are in `notify.time_zone`; events of whole
    days begin and end at midnight there.

    Raises:
        CalendarError: the file cannot be read, is no calendar, or is too large.

    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        message = f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
        raise CalendarError(message) from error
    if len(content) > MAX_BYTES:
        message = f"cannot use {path}: it is larger than {MAX_BYTES:,} bytes"
        raise CalendarError(message)
    return parse_duties(content, name=str(path), notify=notify, begin=begin, end=end)


def parse_duties(content: bytes, *, name: str, notify: Notify, begin: datetime, end: datetime) -> tuple[Duty, ...]:
    """Return the duties of a calendar's content, as `read_duties` does.

    Raises:
        CalendarError: it is no calendar.

    """
    import recurring_ical_events  # type: ignore[import-untyped]
    from icalendar import Calendar

    where = zone(notify.time_zone)
    people = {person.name.casefold(): person.name for person in notify.people}
    try:
        calendar = Calendar.from_ical(content)
        _bound(calendar, end=end, name=name)
        events = recurring_ical_events.of(calendar).between(begin, end)
        duties = [duty for event in events if (duty := _duty(event, people, where)) is not None]
    except CalendarError:
        raise
    except Exception as error:  # whatever these libraries raise on a strange file, the rotation has to go on
        message = f"cannot use {name}: it is no iCalendar file ({type(error).__name__}: {str(error)[:200]})"
        raise CalendarError(message) from error
    return tuple(sorted(duties, key=lambda duty: (duty.begins_at, duty.person)))


def _bound(calendar: Any, *, end: datetime, name: str) -> None:  # noqa: ANN401 — icalendar's own type
    """See that its rules can be worked out in a few seconds.

    Raises:
        CalendarError: they cannot.

    """
    periods = 0
    for event in calendar.walk("VEVENT"):
        rules = event.get("RRULE") or []
        begins = event.decoded("DTSTART")
        for rule in rules if isinstance(rules, list) else [rules]:
            often = str(next(iter(rule.get("FREQ") or [""]))).upper()
            if often not in _PERIODS:
                message = f"cannot use {name}: an event repeats {often or 'without FREQ'}; duties do at most DAILY"
                raise CalendarError(message)
            last = _LAST_YEAR if any(rule.get(part) for part in _MAY_NEVER_FIT) else end.year
            times = math.prod(len(rule.get(part) or [0]) for part in _CLOCK_PARTS)
            periods += max(1, last - begins.year + 1) * _PERIODS[often] * times
    if periods > _MOST_PERIODS:
        message = f"cannot use {name}: working out how its events repeat takes too long; let them begin later"
        raise CalendarError(message)


def _duty(event: Any, people: dict[str, str], where: ZoneInfo) -> Duty | None:  # noqa: ANN401 — icalendar's own type
    summary = " ".join(str(event.get("SUMMARY", "")).split()).casefold()
    first = summary.split(" ", 1)[0].rstrip(":,-")
    person = people.get(summary) or people.get(summary.split(":", 1)[0].strip()) or people.get(first)
    begins_at, ends_at = _aware(event.start, where), _aware(event.end, where)
    if person is None or ends_at <= begins_at or str(event.get("STATUS", "")).upper() == "CANCELLED":
        return None
    return Duty(person=person, begins_at=begins_at, ends_at=ends_at, source="calendar")


def _aware(moment: date | datetime, where: ZoneInfo) -> datetime:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(), tzinfo=where)
    return (moment if moment.tzinfo else moment.replace(tzinfo=where)).astimezone(UTC)


def _mark(path: str) -> tuple[int, int, int]:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
