"""Reporting: makes a report from what happened within its period. Not loaded by the agent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.analysis import noise, outcomes
from devops_agent.engine.objectives import standings
from devops_agent.engine.stock import standing_of
from devops_agent.model import clockface
from devops_agent.model.action import Risk
from devops_agent.model.period import before
from devops_agent.model.report import Figures, Noisy, OfTarget, Report, TrustChange
from devops_agent.model.slo import availability
from devops_agent.model.target import Target
from devops_agent.store import catalogue, learning, readings, reports, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.model.learning import Tried
    from devops_agent.model.period import Period
    from devops_agent.model.reading import Times
    from devops_agent.model.report import Case
    from devops_agent.model.slo import Standing
    from devops_agent.store.rows import Rows

_LITTLE = 5
"""Incidents below which means say little."""


def find(rows: Rows, period: Period, *, settings: Settings, now: datetime) -> Report:
    """Return the report of a period as it was made when its time had come; else make it now."""
    return reports.get(rows, period.kind, period.name) or make(rows, period, settings=settings, now=now)


def make(rows: Rows, period: Period, *, settings: Settings, now: datetime) -> Report:
    """Make the report of a period from the rows as they are."""
    where = clockface.zone(settings.reports.time_zone)
    saved = settings.reports.minutes_saved
    known = reports.begun_at(rows)
    earlier = before(period, where=where)
    watched = [one.target for one in targets.all_(rows)]
    happened = reports.cases(rows, begin=period.begin, end=period.end)
    figures = _figures(rows, period, happened, watched, saved=saved)
    compared = None
    if known is not None and known < earlier.end:
        cases = reports.cases(rows, begin=earlier.begin, end=earlier.end)
        compared = _figures(rows, earlier, cases, watched, saved=saved)
    return Report(
        period=period,
        time_zone=settings.reports.time_zone,
        made_at=now,
        figures=figures,
        before=compared,
        minutes_saved=saved / timedelta(minutes=1),
        targets=of_targets(rows, watched, happened, period=period),
        worst=tuple(case.incident for case in outcomes.gravest(happened, begin=period.begin, end=period.end)),
        trust=_trust_changes(rows, period, settings=settings, targets_by_name={one.name: one for one in watched}),
        noisy=_noisy(rows, period, happened),
        remarks=tuple(_remarks(figures, period, earlier, known=known, now=now, compared=compared)),
    )


def of_targets(
    rows: Rows, watched: Sequence[Target], happened: Iterable[Case], *, period: Period
) -> tuple[OfTarget, ...]:
    """Return how each target was within a period; those with an objective first, the least available first."""
    names = [one.name for one in watched]
    times = readings.times(rows, names, begin=period.begin, end=period.end)
    standing = {one.target: one for one in standings(rows, watched, now=period.end)}
    cases: dict[str, list[Case]] = {name: [] for name in names}
    for case in happened:
        if case.incident.target in cases and not case.incident.ordered_json:
            cases[case.incident.target].append(case)
    told = [_of_target(name, times[name], cases[name], standing.get(name), period=period) for name in names]
    return tuple(
        sorted(
            told,
            key=lambda one: (one.budget is None, 1.0 if one.availability is None else one.availability, one.target),
        )
    )


def _of_target(name: str, times: Times, cases: list[Case], standing: Standing | None, *, period: Period) -> OfTarget:
    opened = [case for case in cases if period.begin <= case.incident.opened_at < period.end]
    closed = [case for case in cases if case.incident.resolved_at and case.incident.resolved_at < period.end]
    counted = (period.end - period.begin).total_seconds() - times.excluded
    rates = [burn.long_rate for burn in standing.burns if burn.long_rate is not None] if standing else []
    return OfTarget(
        target=name,
        availability=availability(times),
        trouble_seconds=times.bad,
        unknown=min(max(1 - times.seen / counted, 0.0), 1.0) if counted > 0 else 0.0,
        maintenance_seconds=times.excluded,
        incidents=len(opened),
        resolve=outcomes.durations(outcomes.time_to_resolve(case) for case in closed),
        between_failures=times.seen / len(opened) if opened and times.seen > 0 else None,
        budget=standing.budget if standing else None,
        fastest_burn=max(rates, default=None),
    )


def _figures(
    rows: Rows, period: Period, happened: Sequence[Case], watched: Sequence[Target], *, saved: timedelta
) -> Figures:
    times = readings.times(rows, [one.name for one in watched], begin=period.begin, end=period.end)
    return outcomes.figures(
        happened,
        reports.tally(rows, begin=period.begin, end=period.end),
        begin=period.begin,
        end=period.end,
        watched_seconds=sum(one.seen for one in times.values()),
        saved_by_each=saved,
    )


def _noisy(rows: Rows, period: Period, happened: Iterable[Case]) -> tuple[Noisy, ...]:
    return noise.noisy(
        reports.firings(rows, begin=period.begin, end=period.end),
        endings={case.incident.id: outcomes.ending(case) for case in happened if case.incident.closed},
        messages=reports.messages(rows, begin=period.begin, end=period.end),
    )


def _trust_changes(
    rows: Rows, period: Period, *, settings: Settings, targets_by_name: Mapping[str, Target]
) -> tuple[TrustChange, ...]:
    """Return where trust stood elsewhere at the period's end than at its begin, by what was known then."""
    since = period.begin - settings.learning.memory
    trials = [one for one in learning.all_trials(rows, since=since) if one.at < period.end]
    actions = {one.name: one for one in catalogue.actions(rows) if one.risk is not Risk.READ}
    groups: dict[tuple[str, str, str], list[Tried]] = {}
    for one in trials:
        for name in one.actions:
            if name in actions:
                groups.setdefault((name, one.kind, one.target), []).append(one)
    found = []
    for (name, kind, place), some in sorted(groups.items()):
        if not any(_is_new(one, period) for one in some):
            continue
        waited = learning.waited(rows, kind, target=place, since=since)
        target = targets_by_name.get(place) or Target(name=place)
        was, is_now = (
            standing_of(actions[name], target=target, trials=known, waited=waited, settings=settings, now=at)
            for at, known in ((period.begin, _known_at(some, period.begin)), (period.end, some))
        )
        if was.level is not is_now.level:
            found.append(
                TrustChange(
                    action=name, kind=kind, target=place, was=was.level.value, now=is_now.level.value, says=is_now.says
                )
            )
    return tuple(found)


def _is_new(one: Tried, period: Period) -> bool:
    return one.at >= period.begin or (one.word_at is not None and period.begin <= one.word_at < period.end)


def _known_at(trials: Iterable[Tried], moment: datetime) -> list[Tried]:
    """Return trials as they were known at a moment, without what people said of them later."""
    return [
        one.with_(word="", word_at=None) if one.word_at is not None and one.word_at >= moment else one
        for one in trials
        if one.at < moment
    ]


def _remarks(
    figures: Figures,
    period: Period,
    earlier: Period,
    *,
    known: datetime | None,
    now: datetime,
    compared: Figures | None,
) -> Iterable[str]:
    if known is None or known >= period.end:
        yield "nothing is known of this period: the agent has not run yet"
        return
    if now < period.end:
        yield f"the period is not over: it is told up to {now:%Y-%m-%d %H:%M} UTC"
    if known > period.begin:
        yield f"the agent has run since {known:%Y-%m-%d %H:%M} UTC only: figures are of the time since then"
    if compared is None:
        yield "there is no period before to compare with"
    elif known > earlier.begin:
        yield "the period before is known in part only: comparisons say little"
    if 0 < figures.incidents < _LITTLE:
        yield f"means of {figures.incidents} incident{'s' * (figures.incidents > 1)} say little"
