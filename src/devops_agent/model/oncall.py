"""Who is on call: the calendar while one of its events is on, else people in turn."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from devops_agent.model.clockface import ClockError
from devops_agent.model.contact import Schedule
from devops_agent.model.fact import Fact

_BEGINS = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2}))?")


class Duty(Fact, kw_only=True):
    """Somebody is on call for a while."""

    person: str
    begins_at: datetime
    ends_at: datetime
    source: str
    """`calendar` or `rotation`."""


def parse_begins(text: str) -> datetime:
    """Read `2024-01-01 09:00` (or a date alone) as a time on the wall clock, without a zone.

    Raises:
        ClockError: it is none.

    """
    found = _BEGINS.fullmatch(text.strip())
    try:
        if found:
            return datetime.fromisoformat(f"{found[1]} {found[2] or '00:00'}")
    except ValueError:
        pass
    message = f"{text!r} is no date with a time; write 2024-01-01 09:00"
    raise ClockError(message)


def on_duty(schedule: Schedule, now: datetime, *, where: ZoneInfo, calendar: Iterable[Duty] = ()) -> Duty | None:
    """Return whose turn it is; of several events of the calendar the one that began last; None: nobody's."""
    on = [duty for duty in calendar if duty.begins_at <= now < duty.ends_at]
    if on:
        return max(on, key=lambda duty: (duty.begins_at, duty.person))
    return next(_turns(schedule, now, where=where), None)


def coming(
    schedule: Schedule, now: datetime, *, where: ZoneInfo, calendar: Iterable[Duty] = (), until: datetime
) -> list[Duty]:
    """Return who is on call from `now` on, in order, at most a hundred turns; the calendar cuts into the rotation."""
    planned = tuple(calendar)
    found: list[Duty] = []
    moment = now
    while moment < until and len(found) < _MOST_TURNS:
        duty = on_duty(schedule, moment, where=where, calendar=planned)
        ahead = [one.begins_at for one in planned if one.begins_at > moment]
        ends_at = min([duty.ends_at if duty else until, *ahead])
        if duty and found and (found[-1].person, found[-1].source) == (duty.person, duty.source):
            found[-1] = found[-1].with_(ends_at=ends_at)
        elif duty:
            found.append(duty.with_(begins_at=max(duty.begins_at, found[-1].ends_at if found else duty.begins_at),
                                    ends_at=ends_at))  # fmt: skip
        moment = ends_at
    return found


_MOST_TURNS = 100


def _turns(schedule: Schedule, now: datetime, *, where: ZoneInfo) -> Iterator[Duty]:
    """Yield the turn of the rotation that `now` lies in.

    Turns are counted on the wall clock, so that a week's turn begins at 09:00 in summer and in winter. A first turn
    in the future counts backwards too.
    """
    if not schedule.people:
        return
    begins = parse_begins(schedule.begins)
    local = now.astimezone(where).replace(tzinfo=None)
    number = (local - begins) // schedule.each
    turn = begins + number * schedule.each
    yield Duty(
        person=schedule.people[number % len(schedule.people)],
        begins_at=_aware(turn, where),
        ends_at=max(_aware(turn + schedule.each, where), now + timedelta(seconds=1)),
        source="rotation",
    )


def _aware(local: datetime, where: ZoneInfo) -> datetime:
    return local.replace(tzinfo=where).astimezone(UTC)
