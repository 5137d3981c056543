"""Incidents: what there is, all about one, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command
from devops_agent.cli.exits import Exit

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.action import Step
    from devops_agent.model.attempt import Attempt
    from devops_agent.model.decision import Approval
    from devops_agent.model.diagnosis import Diagnosis
    from devops_agent.model.event import Event
    from devops_agent.model.evidence import Evidence
    from devops_agent.model.incident import Incident
    from devops_agent.model.insight import Insight
    from devops_agent.store.rows import Rows

_STATUSES = (
    "unresolved",
    "open",
    "investigating",
    "awaiting_approval",
    "remediating",
    "verifying",
    "escalated",
    "resolved",
)

_SEVERITIES = ("critical", "warning", "info", "none")


@command(
    "incidents",
    "devops-agent incidents",
    "devops-agent incidents --all --target checkout --limit 20",
    "devops-agent incidents --status escalated --json",
    "devops-agent incidents --all --text disk --severity critical",
)
@click.option("--all", "everything", is_flag=True, help="Also those that are resolved.")
@click.option("--target", metavar="TARGET", default="", help="Only those of one target.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only those that stand so.")
@click.option("--severity", type=click.Choice(_SEVERITIES), help="Only those that are so bad.")
@click.option("--kind", metavar="CLASS", default="", help="Only those of one fault class, such as disk_filling.")
@click.option("--text", metavar="TEXT", default="", help="Only those with this in title, reason, target or id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
def list_incidents(
    call: Call,
    *,
    everything: bool,
    target: str,
    status: str | None,
    severity: str | None,
    kind: str,
    text: str,
    limit: int,
) -> None:
    """List incidents, newest first: by default those that are not resolved."""
    from devops_agent.store import incidents

    asked = status or ("" if everything else "unresolved")
    sought = incidents.Sought(status=asked, target=target, severity=severity or "", kind=kind, text=text)
    found = call.read(lambda rows: incidents.search(rows, sought, limit=limit))
    if call.as_json:
        say.document(found)
        return
    if not found:
        narrowed = any((target, status, severity, kind, text))
        say.line("no such incident" if narrowed else "no incident" if everything else "no incident is open")
        return
    now = call.now
    rows = [
        (
            one.id,
            one.severity.value,
            one.status.value,
            one.target or "–",
            say.roughly(one.opened_at, now=now),
            one.title,
        )
        for one in found
    ]
    say.table(("incident", "severity", "status", "target", "opened", "what"), rows)


@command("show", "devops-agent show INC-4", "devops-agent show INC-4 --json")
@click.argument("incident")
def show_incident(call: Call, incident: str) -> None:
    """Tell everything about one incident: in short, and then its timeline, causes, evidence, plans, approvals.

    Times in the timeline count from its opening.
    """
    from devops_agent.model.event import last_diagnosis
    from devops_agent.model.story import tell
    from devops_agent.store import alerts, approvals, attempts, events, evidence, insights

    def read(rows: Rows) -> dict[str, Any]:
        found = known(rows, incident)
        return {
            "incident": found,
            "timeline": events.of_incident(rows, found.id),
            "evidence": evidence.of_incident(rows, found.id),
            "insight": insights.get(rows, found.id),
            "attempts": attempts.of_incident(rows, found.id),
            "approvals": approvals.of_incident(rows, found.id),
            "alerts": alerts.of_incident(rows, found.id),
        }

    whole = call.read(read)
    diagnosis = last_diagnosis(whole["timeline"], acted=any(one.started_at for one in whole["attempts"]))
    story = tell(
        whole["incident"], diagnosis=diagnosis, attempts=whole["attempts"], questions=whole["approvals"], now=call.now
    )
    if call.as_json:
        say.document(
            {
                **whole,
                "story": {**say.plain(story), "says": story.says},
                "attempts": [_with_digest(one) for one in whole["attempts"]],
            }
        )
        return
    found: Incident = whole["incident"]
    say.line(f"{found.id}  {found.title}", bold=True)
    say.line()
    for sentence in story.sentences:
        say.line(f"  {sentence}")
    say.line()
    _head(found, now=call.now)
    say.heading("Timeline")
    _timeline(found, whole["timeline"])
    if whole["alerts"]:
        say.heading("Alerts")
        rows = [(one.status.value, one.name, one.source, say.at(one.starts_at), one.summary) for one in whole["alerts"]]
        say.table((), rows, indent=2)
    if diagnosis is not None or whole["insight"] is not None:
        say.heading("Causes")
        _causes(found, diagnosis, whole["insight"])
    if whole["evidence"]:
        say.heading("Evidence")
        _evidence(whole["evidence"])
    for attempt in whole["attempts"]:
        say.heading(f"Plan {attempt.id}")
        _plan(attempt)
    if whole["approvals"]:
        say.heading("Approvals")
        _approvals(whole["approvals"], now=call.now)


@command("why", "devops-agent why INC-4", "devops-agent why INC-4 --json")
@click.argument("incident")
def tell_why(call: Call, incident: str) -> None:
    """Tell what every rule of the guard said, and which decided.

    All rules are asked about every plan; the strictest verdict decides, among equals the first.
    """
    from devops_agent.store import attempts, events

    def read(rows: Rows) -> tuple[Incident, list[Attempt], dict[str, str]]:
        found = known(rows, incident)
        said = {kind: events.last_said(rows, found.id, kind) for kind in ("diagnosis", "plan")}
        return found, attempts.of_incident(rows, found.id), said

    found, tried, said = call.read(read)
    if call.as_json:
        decisions = [{**_with_digest(one), "decisive": one.decision.rule} for one in tried]
        say.document({"incident": found, **said, "attempts": decisions})
        return
    say.line(f"{found.id} on {found.target or 'no known target'} stands at {found.status.value}: {found.reason or '–'}")
    for kind, text in said.items():
        if text:
            say.line(f"{kind}: {text}")
    if not tried:
        say.line("The guard was not asked: there was no plan to decide on.")
    for attempt in tried:
        _verdicts(attempt)


def known(rows: Rows, id_: str) -> Incident:
    """Return an incident; a number alone will do.

    Raises:
        Trouble: there is none of that id.

    """
    from devops_agent.store import incidents

    found = incidents.get(rows, incident_id(id_))
    if found is None:
        raise Trouble(f"no incident {id_!r}; `devops-agent incidents --all` lists them", Exit.NOT_FOUND)
    return found


def incident_id(given: str) -> str:
    """Return the id that is meant: `4` and `inc-4` are `INC-4`."""
    return f"INC-{given}" if given.isascii() and given.isdigit() else given.upper()


def step_line(step: Step) -> str:
    """Return a step as a person reads it, with real arguments and its proof."""
    args = ", ".join(f"{name}={_value(value)}" for name, value in step.args.items())
    proof = [f"it is {step.proof.state}"] if step.proof.state else []
    proof += ["it is healthy"] if step.proof.healthy else []
    proof += [f"{name} is under {limit:g}" for name, limit in step.proof.below.items()]
    text = f"{step.name}: {step.action}({args})"
    if step.only_if:
        text += f" when {step.only_if}"
    if proof:
        text += f"; proven when {' and '.join(proof)} within {say.span(step.proof.within)}"
    return text + ("; undone if not" if step.undo else "")


def _value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _head(incident: Incident, *, now: datetime) -> None:
    about = [
        ("target", incident.target or "none that is known"),
        ("stands at", incident.status.value),
        ("because", incident.reason),
        ("severity", incident.severity.value),
        ("sort", incident.kind),
        ("opened", f"{say.at(incident.opened_at)} ({say.ago(incident.opened_at, now=now)})"),
    ]
    if incident.resolved_at:
        lasted = say.span(incident.resolved_at - incident.opened_at)
        about.append(("resolved", f"{say.at(incident.resolved_at)}, after {lasted}"))
    about += [("explained by", incident.parent), ("guided to", incident.guided)]
    say.table((), [(name, text) for name, text in about if text])
    if incident.next_steps and not incident.closed:
        say.heading("What a person should do")
        for step in incident.next_steps:
            say.line(f"  - {step}")


def _timeline(incident: Incident, timeline: list[Event]) -> None:
    rows = [
        (say.since_opening(one.at, opened=incident.opened_at).rjust(10), one.kind, one.actor, one.says)
        for one in timeline
    ]
    say.table((), rows, indent=2)


def _causes(incident: Incident, diagnosis: Diagnosis | None, insight: Insight | None) -> None:
    ranked = list(diagnosis.hypotheses) if diagnosis is not None else []
    known = {(cause.kind, cause.component or incident.target) for cause in ranked}
    looked = insight.hypotheses if insight is not None else ()
    ranked += [cause for cause in looked if (cause.kind, cause.component or incident.target) not in known]
    rows = [
        (f"{cause.confidence:.0%}".rjust(4), cause.kind, cause.component or incident.target, cause.says,
         " ".join(cause.evidence))
        for cause in ranked
    ]  # fmt: skip
    say.table((), rows, indent=2)
    if insight is None:
        return
    say.line(f"  closer look: {insight.says}")
    for cause in insight.advised:
        say.line(f"  {cause.source} advises ({cause.confidence:.0%}): {cause.kind}: {cause.says}")
    if insight.similar:
        say.line(f"  like {', '.join(insight.similar)}")
    for line in insight.advice:
        say.line(f"  - {line}")
    for reason in insight.missing:
        say.line(f"  not answered: {reason}")


def _evidence(pieces: list[Evidence]) -> None:
    rows = [(one.id, one.source, one.name, one.shown, one.says or one.query) for one in pieces]
    say.table((), rows, indent=2)


def _plan(attempt: Attempt) -> None:
    decision = attempt.decision
    say.line(f"  {attempt.plan.runbook} ({attempt.risk}), digest {attempt.plan.digest}: {attempt.outcome.value}")
    say.line(f"  decided: {decision.permission.value} ({decision.rule}): {decision.reason}")
    for number, step in enumerate(attempt.plan.steps, start=1):
        say.line(f"  {number}. {step_line(step)}")
    if attempt.says:
        say.line(f"  came of it: {attempt.says}")


def _approvals(asked: list[Approval], *, now: datetime) -> None:
    for one in asked:
        end = f"until {say.at(one.expires_at)}" if one.answered_at is None else f"{say.ago(one.answered_at, now=now)}"
        by = f" by {one.by}" if one.by else ""
        comment = f": {one.comment}" if one.comment else ""
        say.line(f"  {one.id} {one.answer.value}{by} {end}{comment} – {one.summary}")


def _verdicts(attempt: Attempt) -> None:
    decision = attempt.decision
    say.heading(f"{attempt.id}: {attempt.plan.runbook} → {decision.permission.value}")
    rows = [
        ("→" if one.rule == decision.rule else " ", one.permission.value, one.rule, one.reason)
        for one in decision.verdicts
    ]
    say.table((), rows, indent=2, plain_columns={2, 3})
    decided = "every rule" if decision.rule == "all" else decision.rule
    say.line(f"  decided by {decided}: {decision.reason}", bold=True)
    if decision.retry_at:
        say.line(f"  asked again at {say.at(decision.retry_at)}")
    say.line(f"  came of it: {attempt.outcome.value}" + (f", {attempt.says}" if attempt.says else ""))


def _with_digest(attempt: Attempt) -> dict[str, Any]:
    shown: dict[str, Any] = say.plain(attempt)
    shown["plan"]["digest"] = attempt.plan.digest
    return shown
