"""Periods that reports are about: whole days, weeks and months on the wall clock of a time zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from devops_agent.model.fact import Fact

KINDS = ("daily", "weekly", "monthly")
_FIRST, _LAST = 1971, 2999
"""Years within which every period has one before it."""


class Period(Fact, kw_only=True):
    """A stretch of time that a report is about."""

    kind: str
    """`daily`, `weekly`, `monthly`; `custom` for one that somebody asked for."""
    name: str
    """`2026-11-20`, `2026-W47` (ISO 8601), `2026-11`."""
    begin: datetime
    end: datetime
    """The first moment after it."""

    @property
    def key(self) -> str:
        """What names it among all: `weekly/2026-W47`."""
        return f"{self.kind}/{self.name}"


def last_whole(kind: str, *, now: datetime, where: ZoneInfo) -> Period:
    """Return the last day, week (from Monday) or month that is over at `now`."""
    today = now.astimezone(where).date()
    match kind:
        case "daily":
            first, after = today - timedelta(days=1), today
        case "weekly":
            after = today - timedelta(days=today.weekday())
            first = after - timedelta(days=7)
        case "monthly":
            after = today.replace(day=1)
            first = (after - timedelta(days=1)).replace(day=1)
        case _:
            message = f"no kind of report {kind!r}; known: {', '.join(KINDS)}"
            raise ValueError(message)
    return Period(kind=kind, name=_name(kind, first), begin=_midnight(first, where), end=_midnight(after, where))


def before(period: Period, *, where: ZoneInfo) -> Period:
    """Return the period that came before, of the same kind; for one that was asked for, as much time before it."""
    if period.kind in KINDS:
        return last_whole(period.kind, now=period.begin, where=where)
    begin = period.begin - (period.end - period.begin)
    return period.with_(name="before", begin=begin, end=period.begin)


def named(kind: str, name: str, *, where: ZoneInfo) -> Period:
    """Return the period of a kind and name.

    Raises:
        ValueError: there is none of that name, or it lies in no time that reports are made of.

    """
    try:
        match kind:
            case "daily":
                first = date.fromisoformat(name)
            case "weekly":
                year, _, week = name.partition("-W")
                first = date.fromisocalendar(int(year), int(week), 1)
            case "monthly":
                first = date.fromisoformat(f"{name}-01")
            case _:
                first = date.min
        _see(first)
        after = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}.get(kind, timedelta(days=32))
        period = last_whole(kind, now=_midnight(first + after, where), where=where)
    except (ValueError, OverflowError) as error:
        message = f"no {kind} report {name!r}; write daily 2026-11-20, weekly 2026-W47, or monthly 2026-11"
        raise ValueError(message) from error
    return period


def custom(begin: datetime, end: datetime) -> Period:
    """Return a period between any two moments.

    Raises:
        ValueError: it lies in no time that reports are made of.

    """
    _see(begin.astimezone(UTC).date())
    _see(end.astimezone(UTC).date())
    name = f"{begin.astimezone(UTC):%Y-%m-%dT%H:%MZ}–{end.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    return Period(kind="custom", name=name, begin=begin, end=end)


def _see(day: date) -> None:
    if not _FIRST <= day.year <= _LAST:
        message = f"no report is made of the year {day.year}; from {_FIRST} to {_LAST} there may be some"
        raise ValueError(message)


def _name(kind: str, first: date) -> str:
    if kind == "weekly":
        year, week, _ = first.isocalendar()
        return f"{year}-W{week:02}"
    return f"{first:%Y-%m}" if kind == "monthly" else first.isoformat()


def _midnight(day: date, where: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=where).astimezone(UTC)
