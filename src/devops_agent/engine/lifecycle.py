"""The only writer of an incident's status: every move is legal, compared-and-set, and told in the timeline."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.model.incident import MOVES, Incident, Status
from devops_agent.store import events, gatherings, incidents, insights, outbox, runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.store.rows import Rows


REMEMBER = "remember"
"""The queue, and the topic, of what is to be learnt from incidents that are closed."""
CLOSED = "incident"
"""The job of one of them."""
_UNHURRIED = timedelta(seconds=20)
"""Learning leaves the machine to whatever else is being healed."""


class IllegalMoveError(Exception):
    """An incident cannot go from where it is to where it was sent."""


def move(  # noqa: PLR0913 — a move names what it does and why
    rows: Rows,
    incident: Incident,
    to: Status,
    *,
    reason: str,
    now: datetime,
    actor: str = "agent",
    next_steps: Sequence[str] = (),
    **data: object,
) -> Incident:
    """Move an incident and tell why; the returned one is the permission to act.

    Raises:
        IllegalMoveError: there is no such move.
        StaleError: somebody else moved it in between.

    """
    if to is incident.status:
        return incidents.still(rows, incident)
    if to not in MOVES[incident.status]:
        allowed = ", ".join(sorted(status.value for status in MOVES[incident.status]))
        message = f"{incident.id} cannot go from {incident.status.value} to {to.value}; from there: {allowed}"
        raise IllegalMoveError(message)
    moved = incidents.move(rows, incident, to, reason=reason, next_steps=next_steps, now=now)
    events.add(
        rows,
        to.value,
        reason,
        at=now,
        incident=incident.id,
        target=incident.target,
        actor=actor,
        was=incident.status.value,
        **({"next_steps": list(next_steps)} if next_steps else {}),
        **data,
    )
    if to is Status.RESOLVED:
        from devops_agent import __version__

        due = now + _UNHURRIED
        runs.enqueue(rows, REMEMBER, CLOSED, key=incident.id, now=now, not_before=due, version=__version__)
        if gatherings.is_known(rows, incident.id):  # whoever was told of the trouble is told of its end
            outbox.wake(rows, now=now)
    if incident.closed:  # it came back, perhaps as something else: what was found out then may not hold now
        insights.drop(rows, incident.id)
    return moved
