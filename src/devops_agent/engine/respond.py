"""The story: what is done about an incident. Read this first; `turn.py` holds its sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.durable.journal import Again, Run
from devops_agent.engine import escalate, learn
from devops_agent.engine.turn import begin, stranger
from devops_agent.model.attempt import Outcome
from devops_agent.model.decision import Answer, Permission
from devops_agent.store import attempts, incidents

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.engine.site import Site
    from devops_agent.store.rows import Rows


async def respond(run: Run, site: Site) -> Again | None:  # noqa: C901, PLR0911 — each return is one end of it
    """Do one round of the response to the incident that `run` is about; Again asks for another round later.

    Killed anywhere, it is called again from its top: what the journal has is not decided or done anew.
    """
    turn = await begin(run, site)
    if turn is None:
        return None
    if parent := await turn.open_parent():
        return Again(turn.later(30), f"{parent.id} goes first: {turn.incident.target} depends on {parent.target}")
    if turn.target is None:
        return await turn.escalate(*stranger(turn.incident))
    findings = await turn.investigate(turn.target)
    insight = await turn.understand(findings)
    diagnosis = await turn.diagnose(findings, insight)
    if diagnosis.well:
        return await turn.stand_down(diagnosis)
    if diagnosis.starting:
        return Again(turn.later(3), f"{turn.incident.target} is starting")
    if turn.expects_parent(diagnosis, findings):
        return Again(turn.later(5), f"what {turn.incident.target} depends on to be responded to first")
    choice = await turn.choose(turn.target, diagnosis, findings)
    if choice.plan is None:
        return await turn.escalate(f"{diagnosis.says}; {choice.says}", choice.advice)
    attempt = await turn.decide(turn.target, diagnosis, choice.plan)
    if attempt is not None and attempt.decision.permission is Permission.ASK:
        answer = await turn.ask(attempt, diagnosis)
        if answer.answer is not Answer.APPROVED:
            return await turn.refused(attempt, answer)
        attempt = await turn.decide(turn.target, diagnosis, choice.plan, approved_at=answer.answered_at)
    if attempt is None:  # somebody closed the incident meanwhile
        return None
    if attempt.decision.permission is not Permission.ALLOW:
        return await turn.hold_back(attempt)
    ended = await turn.carry_out(turn.target, attempt, diagnosis)
    return await turn.conclude(attempt, ended)


def abandon(rows: Rows, incident_id: str, says: str, *, settings: Settings, now: datetime) -> None:
    """Hand over an incident whose response keeps failing; written in the transaction that ends the run."""
    says = f"the agent cannot go on by itself: {says}"
    for attempt in attempts.of_incident(rows, incident_id):
        if attempt.outcome is Outcome.STARTED:
            attempts.end(rows, attempt.id, Outcome.UNCLEAR, says=says, now=now)
            learn.keep(rows, attempt, Outcome.UNCLEAR, now=now)
    incident = incidents.get(rows, incident_id)
    if incident is None or incident.closed:
        return
    steps = ("read the agent's log", f"mend {incident.target} by hand", f"devops-agent guide {incident.id} RUNBOOK")
    escalate.climb(rows, incident, reason=says, next_steps=steps, settings=settings, now=now)
