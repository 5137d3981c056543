"""Plan: which runbooks fit, which of them has worked before, and the real steps of the best."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact
from devops_agent.model.incident import Incident
from devops_agent.model.learning import Record, Waited, credit, draw
from devops_agent.model.rendering import RenderError, render
from devops_agent.model.runbook import Plan, Runbook
from devops_agent.model.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NEW = Record()


class Choice(Fact, kw_only=True):
    """The plan that was chosen, and why that one."""

    plan: Plan | None
    """None: there is nothing a machine should do."""
    says: str
    advice: tuple[str, ...] = ()


class Options(Fact, kw_only=True):
    """Everything that a choice is made from."""

    incident: Incident
    kind: str
    """Fault class of the likeliest hypothesis."""
    target: Target
    runbooks: tuple[Runbook, ...]
    """All that there are, in the order in which people see them."""
    labels: dict[str, str] = {}
    """Of the alert that fires longest."""
    readings: dict[str, float] = {}
    offered: tuple[str, ...] = ()
    """Names of all actions that there are."""
    tried: tuple[str, ...] = ()
    """Runbooks that were tried on this incident in vain."""
    records: dict[str, Record] = {}
    """Runbook → how it fared against this fault class."""
    waited: Waited = Waited()
    """What became of this trouble where it was left alone."""


def choose(options: Options) -> Choice:
    """Return the first runbook, best first, that fits, was not tried in vain on this incident, and can be filled in.

    People decide first: by how exactly a runbook names the trouble, then by its priority. Among equals the record
    decides; see `model.learning.draw`. While none of them has any record, they go in the order in which they are shown.
    """
    guided = options.incident.guided
    fitting = [book for book in options.runbooks if (book.name == guided if guided else _fits(book, options))]
    draws = _draws(fitting, options)
    fitting.sort(key=lambda book: (*_rank(book), draws[book.name]), reverse=True)
    failures: list[str] = []
    for book in fitting:
        if book.name in options.tried and book.name != guided:
            failures.append(f"{book.name} was tried and did not help")
            continue
        try:
            plan = _fill_in(book, options)
        except RenderError as error:
            failures.append(f"{book.name}: {error}")
            continue
        if not plan.steps:
            return Choice(plan=None, says=f"{book.name}: {book.says}", advice=plan.advice)
        return Choice(plan=plan, says=_why(book, fitting, options), advice=plan.advice)
    none = f"no runbook is for {options.kind} on {options.target.via or 'a target that is only watched'}"
    return Choice(
        plan=None,
        says="; ".join(failures) or (f"there is no runbook {guided!r}" if guided else none),
        advice=_advice(fitting[0], options) if fitting else (),
    )


def _fits(book: Runbook, options: Options) -> bool:
    return fits(book, options.kind, target=options.target, labels=options.labels)


def _fill_in(book: Runbook, options: Options) -> Plan:
    return render(
        book,
        incident=options.incident.id,
        target=options.target,
        labels=options.labels,
        readings=options.readings,
        offered=options.offered,
    )


def _advice(book: Runbook, options: Options) -> tuple[str, ...]:
    return render(book.with_(steps=()), incident=options.incident.id, target=options.target).advice


def fits(runbook: Runbook, kind: str, *, target: Target, labels: Mapping[str, str]) -> bool:
    """Whether a runbook is for this fault class, target and alert; one that matches nothing is for guidance only."""
    match = runbook.match
    if not (match.kinds or match.alerts or match.labels or match.targets):
        return False
    return (
        (not match.kinds or kind in match.kinds)
        and (not match.alerts or any(fnmatchcase(labels.get("alertname", ""), pattern) for pattern in match.alerts))
        and all(fnmatchcase(labels.get(name, ""), pattern) for name, pattern in match.labels.items())
        and (not match.via or target.via in match.via)
        and (not match.targets or any(fnmatchcase(target.name, pattern) for pattern in match.targets))
    )


def _rank(book: Runbook) -> tuple[int, int]:
    """The more exactly it names this trouble, then by priority."""
    match = book.match
    return 2 * bool(match.targets) + 2 * bool(match.alerts) + len(match.labels) + bool(match.via), book.priority


def _draws(fitting: Sequence[Runbook], options: Options) -> dict[str, float]:
    if not any(options.records.get(book.name, _NEW).known for book in fitting):
        return dict.fromkeys((book.name for book in fitting), 0.0)
    seed = f"{options.incident.id}/{options.incident.attempts}"
    return {book.name: draw(options.records.get(book.name, _NEW), seed=f"{seed}/{book.name}") for book in fitting}


def _why(book: Runbook, fitting: Sequence[Runbook], options: Options) -> str:
    if options.incident.guided:
        return f"{book.name}, chosen by a person"
    record = options.records.get(book.name, _NEW)
    says = f"{book.name} is for {options.kind}; "
    says += f"it healed {record.says} before" if record.known else "it was not used for this before"
    if record.known and options.waited.known:
        says += f", {credit(record, options.waited):.0%} more often than waiting"
    rivals = [one for one in fitting if _rank(one) == _rank(book) and one != book and one.name not in options.tried]
    if not rivals:
        return says
    over = ", ".join(f"{one.name} ({options.records.get(one.name, _NEW).says or 'not used yet'})" for one in rivals)
    best = max(options.records.get(one.name, _NEW).mean for one in rivals)
    return f"{says}; chosen over {over}" + (", to know it better" if record.known and best > record.mean else "")
