"""Answer: what waits for a yes or no, and what an incident should come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command
from devops_agent.cli.exits import Exit
from devops_agent.cli.incidents import incident_id, known, step_line

if TYPE_CHECKING:
    from devops_agent.model.decision import Answer, Approval
    from devops_agent.model.incident import Incident
    from devops_agent.model.runbook import Plan
    from devops_agent.store.rows import Rows


@command("approvals", "devops-agent approvals", "devops-agent approvals --all --json")
@click.option("--all", "everything", is_flag=True, help="Also those that were answered, expired or withdrawn.")
def list_approvals(call: Call, *, everything: bool) -> None:
    """List the plans that wait for a yes or no, with every step and its real arguments."""
    from devops_agent.store import approvals

    def read(rows: Rows) -> list[tuple[Approval, Plan | None]]:
        found = approvals.latest(rows, limit=200) if everything else approvals.pending(rows)
        return [(one, _plan_of(rows, one)) for one in found]

    found = call.read(read)
    if call.as_json:
        say.document([{**say.plain(one), "plan": plan} for one, plan in found])
        return
    if not found:
        say.line("nothing waits for an answer")
        return
    for one, plan in found:
        end = one.expires_at if one.answered_at is None else one.answered_at
        word = "expires" if one.answered_at is None else f"by {one.by}," if one.by else ""
        say.line(f"{one.id}  {one.incident}  {one.answer.value}, {word} {say.ago(end, now=call.now)}", bold=True)
        say.line(f"  {one.summary}")
        for number, step in enumerate(plan.steps if plan else (), start=1):
            say.line(f"  {number}. {step_line(step)}")
    say.note("answer with `devops-agent approve ID` or `devops-agent deny ID`")


@command("approve", "devops-agent approve APR-4", 'devops-agent approve APR-4 --comment "after the backup"')
@click.argument("approval")
@click.option("--comment", default="", help="Why; kept in the timeline.")
def approve(call: Call, approval: str, *, comment: str) -> None:
    """Let exactly the plan of one approval be carried out.

    `devops-agent approvals` shows it. The guard looks once more before anything is done.
    """
    from devops_agent.model.decision import Answer

    _answer(call, approval, Answer.APPROVED, comment)


@command("deny", "devops-agent deny APR-4", 'devops-agent deny APR-4 --comment "it is being moved"')
@click.argument("approval")
@click.option("--comment", default="", help="Why; kept in the timeline.")
def deny(call: Call, approval: str, *, comment: str) -> None:
    """Refuse the plan of one approval; the incident goes to a person."""
    from devops_agent.model.decision import Answer

    _answer(call, approval, Answer.DENIED, comment)


@command(
    "guide", "devops-agent guide INC-4 service-down", 'devops-agent guide INC-4 service-down --comment "try once more"'
)
@click.argument("incident")
@click.argument("runbook")
@click.option("--comment", default="", help="Why; kept in the timeline.")
def guide(call: Call, incident: str, runbook: str, *, comment: str) -> None:
    """Say which runbook to use for an incident; the guard still decides on the plan.

    Also takes up again an incident that was handed to people.
    """
    from devops_agent.engine import commands
    from devops_agent.store import catalogue

    now = call.now

    def work(rows: Rows) -> Incident:
        names = sorted(book.name for book in catalogue.runbooks(rows))
        if runbook not in names:
            says = f"known: {', '.join(names)}" if names else "none is known before the agent has run"
            raise Trouble(f"no runbook {runbook!r}; {says}", Exit.NOT_FOUND)
        found = known(rows, incident)
        return commands.guide(rows, found.id, runbook=runbook, by=call.by, comment=comment, now=now)

    guided = call.write(work)
    if call.as_json:
        say.document(guided)
        return
    say.line(f"{guided.id}: {runbook} is tried next; devops-agent show {guided.id}")


@command("resolve", 'devops-agent resolve INC-4 --comment "replaced the disk"')
@click.argument("incident")
@click.option("--comment", required=True, help="What was done; kept in the timeline.")
def resolve(call: Call, incident: str, *, comment: str) -> None:
    """Close an incident by hand."""
    from devops_agent.engine import commands

    now = call.now
    closed = call.write(
        lambda rows: commands.resolve(rows, incident_id(incident), by=call.by, comment=comment, now=now)
    )
    if call.as_json:
        say.document(closed)
        return
    say.line(f"{closed.id} is resolved")


def _answer(call: Call, approval: str, given: Answer, comment: str) -> None:
    from devops_agent.engine import commands

    now = call.now
    id_ = f"APR-{approval}" if approval.isascii() and approval.isdigit() else approval.upper()
    answered = call.write(lambda rows: commands.answer(rows, id_, given, by=call.by, comment=comment, now=now))
    if call.as_json:
        say.document(answered)
        return
    say.line(f"{given.value} {answered.id}: {answered.summary}")
    say.note(f"devops-agent show {answered.incident} tells what comes of it")


def _plan_of(rows: Rows, approval: Approval) -> Plan | None:
    from devops_agent.store import attempts

    plans = [one.plan for one in attempts.of_incident(rows, approval.incident) if one.plan.digest == approval.digest]
    return plans[-1] if plans else None
