"""Plan: which runbooks fit, which of them has worked before, and the real steps of the best."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact
from devops_agent.model.rendering import RenderError, render
from devops_agent.model.runbook import Plan, Runbook

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from devops_agent.model.diagnosis import Diagnosis
    from devops_agent.model.incident import Incident
    from devops_agent.model.target import Target


class Choice(Fact, kw_only=True):
    """The plan that was chosen, and why that one."""

    plan: Plan | None
    """None: there is nothing a machine should do."""
    says: str
    advice: tuple[str, ...] = ()


def choose(  # noqa: PLR0913 — a choice weighs these
    incident: Incident,
    diagnosis: Diagnosis,
    *,
    target: Target,
    runbooks: Sequence[Runbook],
    labels: Mapping[str, str],
    readings: Mapping[str, float],
    offered: Collection[str],
    past: Mapping[tuple[str, str], tuple[int, int]],
    tried: Collection[str],
) -> Choice:
    """Return the first runbook, best first, that fits, was not tried in vain on this incident, and can be filled in.

    `offered` are the names of all actions that there are, `past` is (runbook, fault class) → (healed, carried out).
    """
    fitting = [book for book in runbooks if fits(book, diagnosis.kind, target=target, labels=labels)]
    if incident.guided:
        fitting = [book for book in runbooks if book.name == incident.guided]
    fitting.sort(key=lambda book: _worth(book, diagnosis.kind, past), reverse=True)
    failures: list[str] = []
    for book in fitting:
        if book.name in tried and book.name != incident.guided:
            failures.append(f"{book.name} was tried and did not help")
            continue
        try:
            plan = render(book, incident=incident.id, target=target, labels=labels, readings=readings, offered=offered)
        except RenderError as error:
            failures.append(f"{book.name}: {error}")
            continue
        if not plan.steps:
            return Choice(plan=None, says=f"{book.name}: {book.says}", advice=plan.advice)
        return Choice(plan=plan, says=_why(book, diagnosis, past, guided=bool(incident.guided)), advice=plan.advice)
    none = f"no runbook is for {diagnosis.kind} on {target.via or 'a target that is only watched'}"
    return Choice(
        plan=None,
        says="; ".join(failures) or (f"there is no runbook {incident.guided!r}" if incident.guided else none),
        advice=_advice(fitting[0], incident, target) if fitting else (),
    )


def _advice(book: Runbook, incident: Incident, target: Target) -> tuple[str, ...]:
    return render(book.with_(steps=()), incident=incident.id, target=target).advice


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


def _worth(book: Runbook, kind: str, past: Mapping[tuple[str, str], tuple[int, int]]) -> tuple[int, int, float]:
    """The more exactly it names this trouble, then by priority, then the better it worked (Laplace's rule)."""
    match = book.match
    exactness = 2 * bool(match.targets) + 2 * bool(match.alerts) + len(match.labels) + bool(match.via)
    healed, done = past.get((book.name, kind), (0, 0))
    return exactness, book.priority, (healed + 1) / (done + 2)


def _why(book: Runbook, diagnosis: Diagnosis, past: Mapping[tuple[str, str], tuple[int, int]], *, guided: bool) -> str:
    if guided:
        return f"{book.name}, chosen by a person"
    healed, done = past.get((book.name, diagnosis.kind), (0, 0))
    record = f"it healed {healed} of {done} before" if done else "it was not used for this before"
    return f"{book.name} is for {diagnosis.kind}; {record}"
