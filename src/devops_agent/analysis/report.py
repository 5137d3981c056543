"""Reports as papers: which figures are shown, against the period before, and how each was come by."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from devops_agent.analysis.paper import Items, Link, Paper, Section, Table, Text, link
from devops_agent.model import clockface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from devops_agent.model.incident import Incident
    from devops_agent.model.report import Durations, Figures, Noisy, OfTarget, Report

_MANY = 50
"""Rows of a table; further ones are counted."""
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_ODD_SHARE = 0.01


def paper_of(report: Report, *, url: str | None = None) -> Paper:
    """Return a report as a paper; `url` is where the page is, for links, empty on the page itself; None: no links."""
    where = clockface.zone(report.time_zone)
    period = report.period
    begin, end = period.begin.astimezone(where), period.end.astimezone(where)
    sections = [
        Section(title="At a glance", blocks=(Text(says=in_short(report)), _figures(report.figures, report.before))),
        *_targets(report, url),
        *_incidents(report, url),
        *_done(report),
        *_trust(report),
        *_noisy(report),
        *_told(report.figures),
        Section(title="How to read this", blocks=(Items(items=(*report.remarks, *_meanings(report))),)),
    ]
    title = f"{period.kind.capitalize()} report {period.name}"
    lead = f"From {begin:%a %d %b %Y %H:%M} to {end:%a %d %b %Y %H:%M} ({report.time_zone})"
    return Paper(title=title, lead=(lead,), sections=tuple(sections))


def in_short(report: Report) -> str:
    """Return a report in two or three sentences, for channels with little room."""
    figures = report.figures
    if not figures.incidents and not figures.resolved:
        told = "There were no incidents."
    else:
        told = (
            f"{_several(figures.incidents, 'incident')}, {figures.resolved} resolved:"
            f" {figures.healed_alone} healed alone, {figures.healed_with_yes} after a yes,"
            f" {figures.by_people} by people, {figures.over_by_itself} over by itself."
        )
    missed = [one.target for one in report.targets if one.budget is not None and one.budget.left < 0]
    if missed:
        told += f" Out of error budget: {', '.join(missed[:5])}{' and others' if len(missed) > 5 else ''}."  # noqa: PLR2004 — as many as fit a line
    if figures.seconds_saved:
        told += f" About {span(figures.seconds_saved)} of people's time saved."
    return told


def span(seconds: float) -> str:
    """Return a duration as people read it, in its two largest units."""
    if 0.05 <= seconds < 10:  # noqa: PLR2004 — below ten seconds a tenth matters
        return f"{seconds:.1f} s"
    left, parts = round(seconds), []
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


def share(value: float | None, *, digits: int = 2) -> str:
    """Return a share, 0 to 1, as percent, never rounded up to a whole that it is not."""
    if value is None:
        return "not known"
    shown = 100 * value
    if value < 1 and round(shown, digits) >= 100:  # noqa: PLR2004 — percent
        digits += 2
    if value < 1 and round(shown, digits) >= 100:  # noqa: PLR2004 — percent
        return "just under 100 %"
    return f"{shown:.{digits}f} %"


def _figures(now: Figures, before: Figures | None) -> Table:
    def row(name: str, value: Callable[[Figures], str]) -> tuple[str, str, str]:
        return name, value(now), value(before) if before is not None else "–"

    rows = (
        row("Incidents", lambda one: str(one.incidents)),
        row("of them still open", lambda one: str(one.still_open)),
        row("Resolved", lambda one: str(one.resolved)),
        row("healed alone", lambda one: _of(one.healed_alone, one.resolved)),
        row("healed after a yes", lambda one: _of(one.healed_with_yes, one.resolved)),
        row("ended by people", lambda one: _of(one.by_people, one.resolved)),
        row("over by itself", lambda one: _of(one.over_by_itself, one.resolved)),
        row("Escalated", lambda one: str(one.escalated)),
        row("Time to detect (MTTD)", lambda one: _mean(one.detect)),
        row("Time to acknowledge (MTTA)", lambda one: _mean(one.acknowledge)),
        row("Time to resolve (MTTR)", lambda one: _mean(one.resolve)),
        row("Between failures (MTBF)", lambda one: _maybe_span(one.between_failures)),
        row("False actions", lambda one: str(one.false_actions)),
        row("People's time saved", lambda one: span(one.seconds_saved)),
    )
    return Table(head=("", "this period", "the one before"), rows=rows, figures=frozenset({1, 2}))


def _targets(report: Report, url: str | None) -> Iterable[Section]:
    if not report.targets:
        return
    promised = [one for one in report.targets if one.budget is not None]
    blocks: list[Text | Table] = []
    if promised:
        rows = tuple(_promised(one, url) for one in promised[:_MANY])
        head = ("Target", "Objective", "Available, 30 days", "Budget left", "that is", "Burn rate", "this period")
        blocks.append(Table(head=head, rows=rows, figures=frozenset({1, 2, 3, 4, 5, 6})))
    else:
        blocks.append(Text(says="No target has an objective (agent.yaml: targets[].objective)."))
    head = ("Target", "Available", "Trouble", "Incidents", "MTTR", "MTBF", "Nobody looked")
    rows = tuple(_available(one, url) for one in report.targets[:_MANY])
    blocks.append(Table(head=head, rows=rows, figures=frozenset({1, 2, 3, 4, 5, 6})))
    if len(report.targets) > _MANY:
        blocks.append(Text(says=f"{len(report.targets) - _MANY} further targets are not shown."))
    yield Section(title="Availability and objectives", blocks=tuple(blocks))


def _promised(one: OfTarget, url: str | None) -> tuple[str | Link, ...]:
    budget = one.budget
    assert budget is not None  # noqa: S101 — only such are handed in
    left = budget.left_seconds
    return (
        _target(one.target, url),
        f"{100 * budget.objective:g} %",
        share(budget.availability, digits=3),
        f"{100 * budget.left:.0f} %" if left >= 0 else "none",
        span(left) if left >= 0 else f"{span(-left)} too much",
        "not known" if one.fastest_burn is None else f"{one.fastest_burn:.1f}",
        share(one.availability, digits=3),
    )


def _available(one: OfTarget, url: str | None) -> tuple[str | Link, ...]:
    return (
        _target(one.target, url),
        share(one.availability),
        span(one.trouble_seconds) if one.trouble_seconds else "none",
        str(one.incidents),
        _mean(one.resolve),
        _maybe_span(one.between_failures),
        share(one.unknown) if one.unknown >= _ODD_SHARE else "–",
    )


def _incidents(report: Report, url: str | None) -> Iterable[Section]:
    figures = report.figures
    if not figures.incidents:
        return
    blocks: list[Text | Table] = [
        Text(says=f"By severity: {_listed(figures.by_severity)}."),
        Text(says=f"By kind: {_listed(figures.by_kind)}."),
        Text(says=f"By target: {_listed(figures.by_target)}."),
    ]
    rows = tuple(_worst(one, url) for one in report.worst)
    blocks.append(Table(head=("Incident", "Severity", "Target", "What", "Lasted"), rows=rows, figures=frozenset({4})))
    yield Section(title="Incidents", blocks=tuple(blocks))


def _worst(one: Incident, url: str | None) -> tuple[str | Link, ...]:
    lasted = span((one.resolved_at - one.opened_at).total_seconds()) if one.resolved_at else "open"
    return link(one.id, f"/incidents/{one.id}", url), one.severity.value, one.target, one.title, lasted


def _done(report: Report) -> Iterable[Section]:
    figures = report.figures
    tally = figures.tally
    carried_out = sum(tally.plans.values())
    items = [
        f"Plans carried out: {carried_out}" + (f" ({_listed(tally.plans)})" if carried_out else ""),
        f"Questions put before people: {tally.asked}" + (f" ({_listed(tally.answers)})" if tally.answers else ""),
        (
            f"False actions: {figures.false_actions} ({tally.plans.get('undone', 0)} undone,"
            f" {tally.harmful} called harmful, {tally.relapsed} after which the trouble came back)"
        ),
        (
            f"People's time saved: {span(figures.seconds_saved)}, for {figures.healed_alone} healed alone at"
            f" {report.minutes_saved:g} minutes each, which is an assumption (agent.yaml: reports.minutes_saved)"
        ),
    ]
    yield Section(title="What was done", blocks=(Items(items=tuple(items)),))


def _trust(report: Report) -> Iterable[Section]:
    if report.trust:
        rows = tuple((one.action, one.kind, one.target, one.was, one.now, one.says) for one in report.trust[:_MANY])
        head = ("Action", "Against", "Target", "Was", "Is", "Why")
        yield Section(title="Trust that changed", blocks=(Table(head=head, rows=rows),))


def _noisy(report: Report) -> Iterable[Section]:
    if report.noisy:
        head = ("Alert", "Target", "Fired", "Incidents", "Messages", "What to do about it", "Would have saved")
        rows = tuple(_noise(one) for one in report.noisy)
        yield Section(title="Noisiest alerts", blocks=(Table(head=head, rows=rows, figures=frozenset({2, 3, 4})),))


def _noise(one: Noisy) -> tuple[str, ...]:
    saved = "–"
    if one.saved_firings:
        saved = f"{one.saved_firings} of {one.firings} firings"
        saved += f", {one.saved_messages} of {one.messages} messages" if one.messages else ""
    counts = str(one.firings), str(one.incidents), str(one.messages)
    return one.alert, one.target or "–", *counts, one.advice, saved


def _told(figures: Figures) -> Iterable[Section]:
    tally = figures.tally
    if tally.notices:
        items = [f"Notices: {sum(tally.notices.values())} ({_listed(tally.notices)})"]
        if tally.deliveries:
            items.append(f"Messages: {_listed({_STAGES.get(one, one): n for one, n in tally.deliveries.items()})}")
        yield Section(title="What people were told", blocks=(Items(items=tuple(items)),))


_STAGES = {
    "waiting": "waiting",
    "sending": "under way",
    "dropped": "kept from people on purpose",
    "gathered": "put together with others",
}


def _meanings(report: Report) -> Iterable[str]:
    counts = {
        "detect": report.figures.detect,
        "acknowledge": report.figures.acknowledge,
        "resolve": report.figures.resolve,
    }
    of = {name: f", of {one.count}" if one else "" for name, one in counts.items()}
    yield f"MTTD: from when the trouble began, as its alert says, to the opening of the incident{of['detect']}."
    yield f"MTTA: from when people were asked or called to the first thing one of them did{of['acknowledge']}."
    yield f"MTTR: from the opening to the end of incidents that ended in this period{of['resolve']}."
    yield "MTBF: the time that targets were watched, divided by the incidents that were opened."
    yield (
        "Available: the share of the time with known state in which a target served; windows of maintenance and time in"
        " which nobody looked count neither way. Errors and slow answers count as trouble, a filling disk does not."
    )
    if any(one.budget is not None for one in report.targets):
        yield (
            "Error budget: the trouble that the objective leaves room for within 30 days. Burn rate 1 uses it up in"
            " exactly 30 days; the highest of 1 hour, 6 hours and 3 days at the end of the period is shown."
        )


def _target(name: str, url: str | None) -> str | Link:
    return link(name, f"/targets/{quote(name, safe='')}", url)


def _of(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.0f} %)" if whole else str(part)


def _mean(durations: Durations | None) -> str:
    return "–" if durations is None else span(durations.mean)


def _maybe_span(seconds: float | None) -> str:
    return "–" if seconds is None else span(seconds)


def _listed(counts: Mapping[str, int]) -> str:
    shown = [f"{name.replace('_', ' ')} {n}" for name, n in list(counts.items())[:10]]
    rest = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "") if shown else "none"


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
