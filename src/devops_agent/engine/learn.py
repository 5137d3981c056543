"""Learn: write down what came of a plan, so that the next choice and the guard can go by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.store import attempts, incidents

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.attempt import Attempt, Outcome
    from devops_agent.model.incident import Incident
    from devops_agent.store.rows import Rows


def record(rows: Rows, incident: Incident, attempt: Attempt, outcome: Outcome, *, says: str, now: datetime) -> None:
    """Write the outcome of an attempt and count it on the incident."""
    attempts.end(rows, attempt.id, outcome, says=says, now=now)
    incidents.describe(rows, incident.id, attempts=incident.attempts + 1)
