"""Outcomes in figures: how soon trouble is found, taken up and over, and who ended it.

Mean time to detect, to acknowledge, to resolve and between failures are meant as in ITIL 4, Incident Management: each
says here from which moment to which it counts, and of how many incidents it is the mean.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from statistics import fmean, median
from typing import TYPE_CHECKING

from devops_agent.model.attempt import Outcome
from devops_agent.model.report import SEVERITIES, Case, Durations, Figures, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

ALONE, WITH_YES, BY_ITSELF, BY_PEOPLE = "alone", "with_yes", "by_itself", "by_people"
"""Who ended an incident."""


def figures(
    cases: Sequence[Case],
    tally: Tally,
    *,
    begin: datetime,
    end: datetime,
    watched_seconds: float,
    saved_by_each: timedelta,
) -> Figures:
    """Return a period, from `begin` until before `end`, in figures.

    Args:
        cases: incidents that were opened or closed within it; others are left out here.
        tally: what was counted by the store.
        begin: its first moment.
        end: the first moment after it.
        watched_seconds: how long targets were watched within it, summed over all.
        saved_by_each: what an incident that is healed alone is assumed to cost a person.

    """
    counted = [case for case in cases if not case.incident.ordered_json]
    opened = [case for case in counted if begin <= case.incident.opened_at < end]
    closed = [case for case in counted if _closed_within(case, begin, end)]
    endings = Counter(ending(case) for case in closed)
    by_severity = Counter(case.incident.severity.value for case in opened)
    return Figures(
        incidents=len(opened),
        by_kind=_ranked(case.incident.kind for case in opened),
        by_severity={name: by_severity[name] for name in SEVERITIES if by_severity[name]},
        by_target=_ranked(case.incident.target or "no known target" for case in opened),
        resolved=len(closed),
        still_open=sum(1 for case in opened if case.incident.resolved_at is None or case.incident.resolved_at >= end),
        healed_alone=endings[ALONE],
        healed_with_yes=endings[WITH_YES],
        over_by_itself=endings[BY_ITSELF],
        by_people=endings[BY_PEOPLE],
        escalated=sum(1 for case in opened if case.escalated),
        detect=durations(time_to_detect(case) for case in opened),
        acknowledge=durations(time_to_acknowledge(case) for case in opened),
        resolve=durations(time_to_resolve(case) for case in closed),
        between_failures=watched_seconds / len(opened) if opened and watched_seconds > 0 else None,
        false_actions=tally.plans.get(Outcome.UNDONE.value, 0) + tally.relapsed + tally.harmful,
        seconds_saved=endings[ALONE] * saved_by_each.total_seconds(),
        tally=tally,
    )


def ending(case: Case) -> str:
    """Return who ended an incident that is closed: exactly one of ALONE, WITH_YES, BY_ITSELF, BY_PEOPLE."""
    if case.by_person:
        return BY_PEOPLE
    if Outcome.HEALED in case.outcomes and not case.relapsed:
        if case.approved:
            return WITH_YES
        return BY_PEOPLE if case.escalated else ALONE
    return BY_PEOPLE if case.escalated or case.reacted_at is not None else BY_ITSELF


def time_to_detect(case: Case) -> timedelta | None:
    """Return the time from when the trouble began to the opening; None when no alert tells."""
    return None if case.began_at is None else _forward(case.began_at, case.incident.opened_at)


def time_to_acknowledge(case: Case) -> timedelta | None:
    """Return the time from when people were asked or called to the first thing one did; None when there was none."""
    if case.asked_at is None or case.reacted_at is None:
        return None
    return _forward(case.asked_at, case.reacted_at)


def time_to_resolve(case: Case) -> timedelta | None:
    """Return the time from the opening to the end; None while it is open."""
    closed = case.incident.resolved_at
    return None if closed is None else _forward(case.incident.opened_at, closed)


def durations(spans: Iterable[timedelta | None]) -> Durations | None:
    """Return mean, median and longest of those that are known; None when none is."""
    seconds = [span.total_seconds() for span in spans if span is not None]
    if not seconds:
        return None
    longest = max(seconds)
    return Durations(count=len(seconds), mean=min(fmean(seconds), longest), median=median(seconds), longest=longest)


def gravest(cases: Iterable[Case], *, begin: datetime, end: datetime, limit: int = 10) -> list[Case]:
    """Return the incidents opened within a period that were worst: by severity, then by how long they lasted."""
    opened = [case for case in cases if not case.incident.ordered_json and begin <= case.incident.opened_at < end]
    return sorted(opened, key=lambda case: (-case.incident.severity.rank, -_lasted(case, end).total_seconds()))[:limit]


def _lasted(case: Case, end: datetime) -> timedelta:
    return (case.incident.resolved_at or end) - case.incident.opened_at


def _closed_within(case: Case, begin: datetime, end: datetime) -> bool:
    closed = case.incident.resolved_at
    return closed is not None and begin <= closed < end


def _forward(begin: datetime, end: datetime) -> timedelta:
    """Return the time between; clocks of senders may be ahead of ours, but nothing is found before it begins."""
    return max(end - begin, timedelta())


def _ranked(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda one: (-one[1], one[0])))
