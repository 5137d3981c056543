"""What people say to being called: taken, handed over, muted. Each is rows in one transaction, an event, a wake-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.engine.commands import NotFoundError, RefusedError
from devops_agent.model import escalation as ladder
from devops_agent.model import routing
from devops_agent.model.escalation import Climb, Escalation
from devops_agent.model.mute import Mute
from devops_agent.model.notice import Notice
from devops_agent.store import alerts, deliveries, escalations, events, gatherings, incidents, mutes, outbox

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from devops_agent.config.settings import Settings
    from devops_agent.model.alert import Severity
    from devops_agent.model.contact import Notify, Policy
    from devops_agent.model.incident import Incident
    from devops_agent.store.rows import Rows

TOPICS = ("events", outbox.QUEUE)
"""What to ring after one of these commands."""
_CALLS = ("escalated", "approval", "climbed", "reminder")
_ALERTS = 50
"""Alerts of an incident whose labels routes look at."""


def acknowledge(rows: Rows, id_: str, *, by: str, comment: str = "", now: datetime) -> Escalation:
    """Take an incident: nobody else is told of it any more, but for its end.

    Acknowledged before anybody was told, it keeps people from being told at all. What it explains is taken with it.

    Raises:
        NotFoundError: there is no such incident.
        RefusedError: it is over.

    """
    incident = _open_incident(rows, id_)
    taken = _take(rows, incident, by=by, now=now)
    for child in incidents.children(rows, id_):
        if escalations.living(rows, child.id) is not None:
            _take(rows, child, by=by, now=now)
    says = f"{by} has taken it" + (f": {comment}" if comment else "")
    events.add(rows, "acknowledged", says, at=now, incident=id_, target=incident.target, actor=by)
    if gatherings.knowing(rows, id_):
        _tell(rows, incident, "acknowledged", says, tell=(), key=f"{id_}/acknowledged/{taken.id}", now=now)
    return taken


def acknowledge_all(rows: Rows, *, by: str, comment: str = "", now: datetime) -> list[Escalation]:
    """Take everything that waits for a person: in a storm nobody has the time to take it one by one."""
    waiting = {one.incident for one in escalations.every_living(rows)}
    found = [incident for id_ in sorted(waiting) if (incident := incidents.get(rows, id_)) and not incident.closed]
    return [acknowledge(rows, incident.id, by=by, comment=comment, now=now) for incident in found]


def hand_over(  # noqa: PLR0913 — a hand-over has these parts
    rows: Rows, id_: str, *, to: str, by: str, notify: Notify, comment: str = "", now: datetime
) -> Escalation:
    """Give an incident to one person, who is told; without an acknowledgement the ladder goes on later.

    Raises:
        NotFoundError: there is no such incident, or no such person.
        RefusedError: it is over.

    """
    known = sorted(person.name for person in notify.people)
    if to not in known:
        message = f"no person {to!r}; known: {', '.join(known) or 'none'} (agent.yaml: notify.people)"
        raise NotFoundError(message)
    incident = _open_incident(rows, id_)
    last = escalations.latest(rows, id_)
    base = last or _new(incident, now=now)
    handed = ladder.hand_over(base.with_(ended_at=None), to, by=by, now=now, remind_every=notify.remind_every).with_(
        says=comment
    )
    if last is None or not last.living:
        handed = escalations.add(rows, handed.with_(began_at=now, reminders=0))
    else:
        escalations.write(rows, handed)
    says = f"{by} handed it over to {to}" + (f": {comment}" if comment else "")
    number = events.add(rows, "handed_over", says, at=now, incident=id_, target=incident.target, actor=by, to=to)
    _tell(rows, incident, "handed_over", says, tell=(to,), key=f"{id_}/handed_over/{number}", now=now)
    return handed


def mute(  # noqa: PLR0913 — a mute has these parts
    rows: Rows,
    *,
    incident: str = "",
    target: str = "",
    kind: str = "",
    person: str = "",
    by: str,
    until: datetime,
    comment: str = "",
    notify: Notify,
    now: datetime,
) -> Mute:
    """Keep a person, or all, from being told of an incident, or of a kind of trouble on a target, for a while.

    Raises:
        NotFoundError: there is no such incident or person.
        RefusedError: it is about nothing or about two things, or would end before it begins.

    """
    if bool(incident) == bool(target):
        message = "a mute is about an incident or about a target: name one of them"
        raise RefusedError(message)
    if until <= now:
        message = "a mute has to end in the future"
        raise RefusedError(message)
    known = sorted(one.name for one in notify.people)
    if person and person not in known:
        message = f"no person {person!r}; known: {', '.join(known) or 'none'} (agent.yaml: notify.people)"
        raise NotFoundError(message)
    about = _open_incident(rows, incident) if incident else None
    made = mutes.add(
        rows,
        Mute(
            id="",
            incident=incident,
            target=target,
            kind=kind,
            person=person,
            by=by,
            comment=comment,
            begins_at=now,
            ends_at=until,
        ),
    )
    what = incident or f"{kind or 'everything'} on {target}"
    says = f"{by} muted {what} for {person or 'all'} until {until:%Y-%m-%d %H:%M} UTC"
    events.add(
        rows, "muted", says + (f": {comment}" if comment else ""), at=now, incident=incident,
        target=about.target if about else target, actor=by, mute=made.id,
    )  # fmt: skip
    if notify.channels:
        outbox.wake(rows, now=now)
    return made


def unmute(rows: Rows, id_: str, *, by: str, now: datetime) -> Mute:
    """End a mute; what is still wrong is then told once.

    Raises:
        NotFoundError: none of that id holds.

    """
    held = mutes.get(rows, id_)
    if held is None or not mutes.end(rows, id_, now=now):
        message = f"no mute {id_!r} holds; GET /api/v1/mutes lists them"
        raise NotFoundError(message)
    events.add(rows, "unmuted", f"{by} ended mute {id_}", at=now, incident=held.incident, target=held.target, actor=by)
    outbox.wake(rows, now=now)
    return held.with_(ends_at=now)


def subject_of(rows: Rows, incident: Incident | None, *, kind: str, severity: Severity) -> routing.Subject:
    """Return what routes look at."""
    if incident is None:
        return routing.Subject(kind=kind, severity=severity)
    labels: dict[str, dict[str, None]] = {}
    for alert in alerts.of_incident(rows, incident.id, limit=_ALERTS):
        for name, value in alert.labels.items():
            labels.setdefault(name, {})[value] = None
    return routing.Subject(
        kind=kind,
        severity=severity,
        target=incident.target,
        labels={name: tuple(values) for name, values in labels.items()},
    )


def approval_expiry(rows: Rows, incident: Incident, *, settings: Settings, now: datetime) -> timedelta:
    """Return how long a question waits: until the whole ladder of its policy was told, if that takes longer."""
    subject = subject_of(rows, incident, kind="approval", severity=incident.severity)
    name = routing.addressed(settings.notify, subject, now=now).policy
    policy: Policy | None = next((one for one in settings.notify.policies if one.name == name), None)
    return max(settings.guard.approval_expiry, ladder.patience(policy))


def _take(rows: Rows, incident: Incident, *, by: str, now: datetime) -> Escalation:
    living = escalations.living(rows, incident.id)
    taken = (living or _new(incident, now=now)).with_(
        state=Climb.ACKNOWLEDGED, by=by, says=f"taken by {by}", climb_at=None, ended_at=now
    )
    if living is None:
        return escalations.add(rows, taken)
    escalations.write(rows, taken)
    # What a channel that was out has not taken yet would call people for nothing.
    deliveries.recall(rows, incident.id, kinds=_CALLS, says=f"{by} has it already", now=now)
    return taken


def _new(incident: Incident, *, now: datetime) -> Escalation:
    return Escalation(incident=incident.id, notice=0, severity=incident.severity, remind_at=now, began_at=now)


def _tell(  # noqa: PLR0913 — a notice has these parts
    rows: Rows, incident: Incident, kind: str, says: str, *, tell: tuple[str, ...], key: str, now: datetime
) -> None:
    outbox.put(
        rows,
        Notice(
            key=key,
            incident=incident.id,
            kind=kind,
            severity=incident.severity,
            message={
                "title": f"{incident.id} {incident.target}: {incident.title}",
                "says": f"{says}. {incident.reason}",
                "next_steps": list(incident.next_steps),
                "links": {"incident": f"/incidents/{incident.id}"},
                **({"tell": list(tell)} if tell else {}),
            },
            created_at=now,
        ),
    )


def _open_incident(rows: Rows, id_: str) -> Incident:
    incident = incidents.get(rows, id_)
    if incident is None:
        message = f"no incident {id_!r}; `devops-agent incidents` lists them"
        raise NotFoundError(message)
    if incident.closed:
        message = f"{id_} is resolved; nobody is called for it any more"
        raise RefusedError(message)
    return incident
