"""What people tell the agent: answers, pauses, silences, guidance, orders.

Each is rows in one transaction, and an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.engine import learn, lifecycle
from devops_agent.model.alert import Severity
from devops_agent.model.decision import Answer, Approval
from devops_agent.model.fact import to_json
from devops_agent.model.incident import Incident, Status
from devops_agent.store import approvals, controls, events, incidents, runs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from devops_agent.model.action import Step
    from devops_agent.model.control import Pause, Silence
    from devops_agent.store.rows import Rows

RUNS = "respond"
"""The queue, and the topic, of responses."""
TOPICS = (RUNS, "events")
"""What to ring after a command."""
FLAGS = ("AUTONOMOUS_MONITORING_ENABLED", "AUTO_REMEDIATION_ENABLED", "PAM_INTEGRATION_ENABLED")


class RefusedError(Exception):
    """A command that does not fit the state of things; says what does."""


class NotFoundError(RefusedError):
    """It speaks of something that is not there."""


def answer(rows: Rows, id_: str, given: Answer, *, by: str, comment: str, now: datetime) -> Approval:
    """Approve or deny one plan, by the id of its approval.

    Raises:
        NotFoundError: there is none of that id.
        RefusedError: it was answered already, has expired or was withdrawn.

    """
    asked = approvals.get(rows, id_)
    if asked is None:
        message = f"no approval {id_!r}; `devops-agent approvals` lists those that wait"
        raise NotFoundError(message)
    if not approvals.answer(rows, id_, given, by=by, comment=comment, now=now):
        word = asked.answer.value if asked.answer is not Answer.PENDING else "expired"
        message = f"{id_} cannot be answered: it is {word}" + (f" (by {asked.by})" if asked.by else "")
        raise RefusedError(message)
    events.add(
        rows,
        given.value,
        f"{by} {given.value} {id_}: {asked.summary}" + (f" — {comment}" if comment else ""),
        at=now,
        incident=asked.incident,
        actor=by,
        approval=id_,
        digest=asked.digest,
    )
    runs.wake(rows, RUNS, asked.incident, now=now)
    answered = approvals.get(rows, id_)
    assert answered is not None  # noqa: S101 — just written
    return answered


def pause(rows: Rows, *, target: str, reason: str, by: str, ends_at: datetime | None, now: datetime) -> Pause:
    """Stop automatic actions on `target`, or on all when it is empty."""
    made = controls.pause(rows, target=target, reason=reason, by=by, now=now, ends_at=ends_at)
    until = f" until {ends_at:%Y-%m-%d %H:%M} UTC" if ends_at else ""
    events.add(
        rows, "paused", f"{by} paused {target or 'everything'}{until}: {reason}", at=now, target=target, actor=by
    )
    return made


def resume(rows: Rows, *, target: str, by: str, now: datetime) -> int:
    """End the pauses of `target`, or the global ones when it is empty, and let held responses go on.

    Raises:
        RefusedError: it is not paused.

    """
    ended = controls.resume(rows, target=target, now=now)
    if not ended:
        message = f"{target or 'everything'} is not paused"
        raise RefusedError(message)
    events.add(rows, "resumed", f"{by} resumed {target or 'everything'}", at=now, target=target, actor=by)
    for incident in incidents.open_ones(rows):
        if target in ("", incident.target):
            runs.wake(rows, RUNS, incident.id, now=now)
    return ended


def silence(
    rows: Rows, *, matchers: Mapping[str, str], by: str, comment: str, now: datetime, ends_at: datetime
) -> Silence:
    """Let alerts whose labels match open no incident until `ends_at`.

    Raises:
        RefusedError: there is no matcher, or it would end before it begins.

    """
    if not matchers:
        message = "a silence needs a matcher such as alertname=HighLatency; it would silence everything"
        raise RefusedError(message)
    if ends_at <= now:
        message = "a silence has to end in the future"
        raise RefusedError(message)
    made = controls.silence(rows, matchers=matchers, by=by, comment=comment, begins_at=now, ends_at=ends_at)
    said = ", ".join(f"{name}={pattern}" for name, pattern in sorted(matchers.items()))
    events.add(
        rows, "silenced", f"{by} silenced {said} until {ends_at:%Y-%m-%d %H:%M} UTC: {comment}", at=now, actor=by,
        silence=made.id,
    )  # fmt: skip
    return made


def end_silence(rows: Rows, id_: str, *, by: str, now: datetime) -> None:
    """End a silence.

    Raises:
        NotFoundError: none of that id holds.

    """
    if not controls.end_silence(rows, id_, now=now):
        message = f"no silence {id_!r} holds; `devops-agent silences` lists them"
        raise NotFoundError(message)
    events.add(rows, "unsilenced", f"{by} ended silence {id_}", at=now, actor=by, silence=id_)


def guide(rows: Rows, id_: str, *, runbook: str, by: str, comment: str, now: datetime) -> Incident:
    """Tell the agent which runbook to use for an incident; the guard still decides on the plan.

    Raises:
        NotFoundError: there is no such incident.
        RefusedError: it is resolved, or being acted on right now.

    """
    incident = _open_incident(rows, id_)
    if incident.status in (Status.REMEDIATING, Status.VERIFYING):
        message = f"{id_} is {incident.status.value} right now; wait, or pause {incident.target}"
        raise RefusedError(message)
    incidents.describe(rows, id_, guided=runbook)
    approvals.withdraw(rows, id_, now=now)
    events.add(
        rows, "guided", f"{by} chose runbook {runbook}" + (f": {comment}" if comment else ""), at=now, incident=id_,
        target=incident.target, actor=by,
    )  # fmt: skip
    _respond_again(rows, incident, now=now)
    return _open_incident(rows, id_)


def order(  # noqa: PLR0913 — an order has these parts
    rows: Rows, *, target: str, step: Step, reason: str, by: str, now: datetime, version: str
) -> Incident:
    """Open an incident whose plan is the one step that a person ordered; guard, journal and proof apply as ever.

    The order to stop something pauses it, too: else it would be found down, and healed.
    """
    incident = incidents.open_(
        rows,
        target=target,
        cause_group="order",
        kind="order",
        severity=Severity.INFO,
        title=f"{step.action} on {target}, ordered by {by}",
        now=now,
        ordered_json=to_json(step),
    )
    events.add(
        rows, "ordered", f"{by} ordered {step.action} on {target}: {reason}", at=now, incident=incident.id,
        target=target, actor=by, action=step.action,
    )  # fmt: skip
    if step.action.endswith(".stop"):
        pause(rows, target=target, reason=f"stopped by order, {incident.id}: {reason}", by=by, ends_at=None, now=now)
    runs.enqueue(rows, RUNS, "respond", key=incident.id, lock=target, now=now, version=version)
    return incident


def resolve(rows: Rows, id_: str, *, by: str, comment: str, now: datetime) -> Incident:
    """Close an incident by hand.

    Raises:
        NotFoundError: there is no such incident.
        RefusedError: it is resolved, or being acted on right now.

    """
    incident = _open_incident(rows, id_)
    if incident.status is Status.REMEDIATING:
        message = f"{id_} is being acted on right now; wait for the step to end"
        raise RefusedError(message)
    approvals.withdraw(rows, id_, now=now)
    learn.close(rows, incident, now=now, by_person=True)
    closed = lifecycle.move(rows, incident, Status.RESOLVED, reason=f"closed by {by}: {comment}", now=now, actor=by)
    runs.wake(rows, RUNS, id_, now=now)
    for child in incidents.children(rows, id_):
        _respond_again(rows, child, now=now)
    return closed


def set_flag(rows: Rows, name: str, *, value: bool | None, by: str, now: datetime, reason: str = "") -> None:
    """Switch one of the three flags while running; None: let file and environment say again what it is.

    Raises:
        NotFoundError: there is no such flag.

    """
    if name not in FLAGS:
        message = f"no flag {name!r}; known: {', '.join(FLAGS)}"
        raise NotFoundError(message)
    if value is None:
        controls.clear_flag(rows, name)
        says = f"{by} left {name} to file and environment again"
    else:
        controls.set_flag(rows, name, value=value, by=by, now=now)
        says = f"{by} switched {name} {'on' if value else 'off'}"
    events.add(rows, "flag", f"{says}: {reason}" if reason else says, at=now, actor=by)
    if value is not False:
        for incident in incidents.open_ones(rows):
            runs.wake(rows, RUNS, incident.id, now=now)


def _open_incident(rows: Rows, id_: str) -> Incident:
    incident = incidents.get(rows, id_)
    if incident is None:
        message = f"no incident {id_!r}; `devops-agent incidents` lists them"
        raise NotFoundError(message)
    if incident.closed:
        message = f"{id_} is resolved"
        raise RefusedError(message)
    return incident


def _respond_again(rows: Rows, incident: Incident, *, now: datetime) -> None:
    """Wake the response, or begin another when it has ended (the incident was escalated)."""
    from devops_agent import __version__

    runs.enqueue(rows, RUNS, "respond", key=incident.id, lock=incident.target, now=now, version=__version__)
