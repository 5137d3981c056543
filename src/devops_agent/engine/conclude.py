"""Conclude: what came of a plan, by its proof and by the alerts that still fire; all within one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.engine import learn
from devops_agent.engine.ledger import Ledger, guide
from devops_agent.engine.receive import OWN_SOURCES
from devops_agent.model.attempt import Attempt, Outcome
from devops_agent.model.incident import Status
from devops_agent.store import attempts

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.engine.remediate import Ended
    from devops_agent.store.rows import Rows


class StillFiringError(Exception):
    """Measurably healed, but alerts from outside have not cleared yet; nothing was written."""

    def __init__(self, alerts: int, *, until: datetime) -> None:
        super().__init__(f"{alerts} alert(s) from outside to clear")
        self.until = until


def healthy(rows: Rows, ledger: Ledger, attempt: Attempt, ended: Ended) -> int:
    """Write that the plan is over and has healed, unless alerts from outside say otherwise until the deadline."""
    attempts.end(rows, attempt.id, Outcome.HEALED, says=ended.says, now=ledger.now())
    return ledger.tell(rows, "healthy", ended.says, attempt=attempt.id)


def conclude(rows: Rows, ledger: Ledger, attempt: Attempt, ended: Ended) -> str:
    """Write the outcome and what follows: `healed`, `escalated`, `again` for the next best plan, or `closed` before.

    Raises:
        StillFiringError: it has to be asked again when alerts have cleared, at the latest at the deadline.

    """
    now = ledger.now()
    outcome, says = ended.outcome, ended.says
    incident = ledger.current(rows)
    if incident is not None and outcome is Outcome.HEALED and not ledger.incident.ordered_json:
        outcome, says = _heard(rows, ledger, attempt, says, now=now)
    learn.record(rows, incident or ledger.incident, attempt, outcome, says=says, now=now)
    if incident is None:
        return "closed"
    if outcome is Outcome.HEALED:
        ordered = bool(incident.ordered_json)
        closing = f"done as ordered: {says}" if ordered else f"healed by {attempt.plan.runbook}: {says}"
        ledger.close(rows, incident, closing, now=now)
        ledger.notify(rows, incident, "acted" if ordered else "healed", closing, now=now)
        return "healed"
    if outcome is Outcome.UNCLEAR or incident.ordered_json:
        ledger.hand_over(rows, incident, says, (*attempt.plan.advice, guide(incident)))
        return "escalated"
    ledger.move(rows, Status.INVESTIGATING, f"{attempt.plan.runbook} did not heal it: {says}")
    return "again"


def _heard(rows: Rows, ledger: Ledger, attempt: Attempt, says: str, *, now: datetime) -> tuple[Outcome, str]:
    """Hear what alerts say of a plan that has measurably healed."""
    measured = attempts.get(rows, attempt.id)
    healed_at = (measured and measured.ended_at) or now
    firing = ledger.firing(rows)
    relapses = [one for one in firing if one.source in OWN_SOURCES and one.starts_at > healed_at]
    if relapses:
        return Outcome.FAILED, f"{says}; but then again: {relapses[0].summary}"
    outside = sum(one.source not in OWN_SOURCES for one in firing)
    deadline = attempt.decided_at + ledger.site.settings().guard.deadline
    if outside and now < deadline:
        raise StillFiringError(outside, until=deadline)
    if outside:
        return Outcome.FAILED, f"{says}; but {outside} alert(s) still fire: done but still firing"
    return Outcome.HEALED, says
