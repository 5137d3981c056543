"""Climbing: what needs a person goes up its ladder until one takes it; rungs and reminders are notices of their own."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from devops_agent.model import escalation as ladder
from devops_agent.model.alert import Severity
from devops_agent.model.decision import Answer
from devops_agent.model.duration import write_duration
from devops_agent.model.escalation import Climb, Escalation, Next
from devops_agent.model.incident import Status
from devops_agent.model.mute import muted
from devops_agent.model.notice import Notice
from devops_agent.store import approvals, escalations, events, gatherings, incidents, mutes, outbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from devops_agent.model.incident import Incident
    from devops_agent.model.mute import Mute
    from devops_agent.model.routing import Addressed
    from devops_agent.workers.round import Round

_NEEDS_PERSON = (Status.ESCALATED, Status.AWAITING_APPROVAL)
_MOST_MUTED = 100
_MINUTE = timedelta(minutes=1)


def begin(turn: Round, notice: Notice, incident: Incident, said: Addressed) -> tuple[str, ...]:
    """Return whom something that needs a person is told, and begin to climb.

    While an earlier call still waits for a person, this one goes to those who were told of that one: there is one
    ladder for an incident, however much happens to it.
    """
    policy = turn.policy(said.policy)
    first = policy.rungs[0].tell if policy and policy.rungs else ()
    names = tuple(dict.fromkeys((*said.tell, *first)))
    living = escalations.living(turn.rows, incident.id)
    if living is not None:
        _worsen(turn, living, notice.severity)
        told = ladder.told_names(living, turn.policy(living.policy))
        return told if living.state is Climb.HANDED else tuple(dict.fromkeys((*told, *said.tell)))
    if names and not incident.closed and not taken_by(turn, notice, incident):
        begun = Escalation(
            incident=incident.id,
            notice=notice.id,
            severity=notice.severity,
            policy=said.policy if policy else "",
            tell=said.tell,
            remind_at=turn.now,
            began_at=turn.now,
        )
        escalations.add(turn.rows, ladder.begin(begun, policy, remind_every=turn.notify.remind_every))
    return names


def taken_by(turn: Round, notice: Notice, incident: Incident) -> str:
    """Return who took the incident after the notice was put; empty: nobody has it."""
    last = escalations.latest(turn.rows, incident.id)
    taken = last and last.state is Climb.ACKNOWLEDGED and last.ended_at and last.ended_at >= notice.created_at
    return last.by if last and taken else ""


def climb(turn: Round) -> None:
    """Tell the next rungs and remind, where that is due; end what needs nobody any more."""
    for one in escalations.pressing(turn.rows, now=turn.now):
        incident = incidents.get(turn.rows, one.incident)
        if says := _settled(turn, one, incident):
            escalations.write(turn.rows, one.with_(state=Climb.OVER, says=says, ended_at=turn.now))
        elif incident is not None and min(one.climb_at or one.remind_at, one.remind_at) <= turn.now:
            _go_on(turn, one, incident)


def end_mutes(turn: Round) -> None:
    """Tell once of what is still wrong when a mute ends."""
    for mute in mutes.ended(turn.rows, now=turn.now):
        if mute.incident:
            named = incidents.get(turn.rows, mute.incident)
            found = [named] if named else []
        else:
            found = incidents.page(turn.rows, status="unresolved", target=mute.target, limit=_MOST_MUTED)
        for incident in found:
            if _is_news(turn, mute, incident):
                says = f"still on, now that the mute by {mute.by} is over: {incident.reason}"
                tell = (mute.person,) if mute.person else _told_so_far(turn, incident)
                _put(turn, incident, "unmuted", f"{incident.id}/unmuted/{mute.id}", says, tell)
        mutes.settle(turn.rows, mute.id, now=turn.now)


def tell_ends(turn: Round) -> None:
    """Tell those who know of trouble that it is over, also where no plan of ours has ended it."""
    for id_ in gatherings.over_untold(turn.rows):
        incident = incidents.get(turn.rows, id_)
        if incident is None or incident.resolved_at is None:
            continue
        at = incident.resolved_at.astimezone(UTC)
        # What healed it has put a notice of its own, with the same moment; routing tells only one of the two.
        _put(turn, incident, "resolved", f"{id_}/resolved/{at:%Y%m%dT%H%M%S.%f}", incident.reason, ())


def tell_troubles(turn: Round, troubles: Mapping[str, str]) -> None:
    """Tell once a day of calendars that cannot be read: the wrong person may be called meanwhile."""
    for schedule, says in troubles.items():
        outbox.put(
            turn.rows,
            Notice(
                key=f"calendar/{schedule}/{turn.now:%Y-%m-%d}",
                incident="",
                kind="calendar",
                severity=Severity.WARNING,
                message={
                    "title": f"the calendar of {schedule} cannot be used",
                    "says": f"{says}. Meanwhile the rotation says who is on call.",
                    "next_steps": [f"mend the file, or take notify.schedules.{schedule}.calendar_file out"],
                },
                created_at=turn.now,
            ),
        )


def _is_news(turn: Round, mute: Mute, incident: Incident) -> bool:
    """Whether an incident that a mute was about is to be told when it ends."""
    if incident.closed or not mute.covers(incident=incident.id, target=incident.target, kind=incident.kind):
        return False
    last = escalations.latest(turn.rows, incident.id)
    if last is not None and last.state is Climb.ACKNOWLEDGED:
        return False
    if muted(turn.mutes_of(incident), person=mute.person, now=turn.now):
        return False
    return incident.status in _NEEDS_PERSON or mutes.kept_from(turn.rows, mute, incident.id)


def _worsen(turn: Round, living: Escalation, severity: Severity) -> None:
    if severity.rank > living.severity.rank:
        escalations.write(turn.rows, living.with_(severity=severity))


def _settled(turn: Round, one: Escalation, incident: Incident | None) -> str:
    """Return why nobody is needed any more; empty: somebody is."""
    if incident is None:
        return "the incident is gone"
    if incident.closed:
        return incident.reason or "it is over"
    if incident.status is Status.ESCALATED or one.state is Climb.HANDED:
        return ""
    if incident.status is not Status.AWAITING_APPROVAL:
        return "it is being dealt with"
    asked = approvals.of_incident(turn.rows, incident.id)
    if any(approval.answer is Answer.PENDING for approval in asked):
        return ""
    answered = next((approval for approval in reversed(asked) if approval.by), None)
    return f"answered by {answered.by}" if answered else "nothing is asked any more"


def _go_on(turn: Round, one: Escalation, incident: Incident) -> None:
    policy = turn.policy(one.policy)
    mute = muted(turn.mutes_of(incident), person="", now=turn.now)
    if mute is not None:  # for all
        every = turn.notify.remind_every
        escalations.write(turn.rows, ladder.rest(one, policy, until=mute.ends_at, remind_every=every))
        return
    step = ladder.go_on(one, policy, now=turn.now, remind_every=turn.notify.remind_every)
    escalations.write(turn.rows, step.escalation)
    if step.climbs:
        _tell_rung(turn, one, incident, step)
    if step.exhausted and one.policy:
        _tell_exhausted(turn, one, incident, ladder.told_names(one.with_(state=Climb.CLIMBING), policy))
    if step.reminds:
        number = step.escalation.reminders
        since = write_duration(_whole_minutes(turn.now, one.began_at) * _MINUTE)
        says = f"nobody has acknowledged for {since}: {incident.reason}"
        _put(turn, incident, "reminder", f"{incident.id}/reminder/{one.id}/{number}", says, step.reminds)


def _tell_rung(turn: Round, one: Escalation, incident: Incident, step: Next) -> None:
    now_at = step.escalation
    names = ", ".join(step.climbs)
    silent = f"{one.handed_to} has not" if one.state is Climb.HANDED else "nobody told so far has"
    says = f"{silent} acknowledged: {incident.reason}"
    key = f"{incident.id}/climbed/{one.id}/{now_at.round}.{now_at.rung}"
    _put(turn, incident, "climbed", key, says, step.climbs)
    events.add(
        turn.rows, "climbed", f"nobody has acknowledged, so {names} is told (rung {now_at.rung + 1} of {one.policy})",
        at=turn.now, incident=incident.id, target=incident.target, rung=now_at.rung, round=now_at.round,
        policy=one.policy,
    )  # fmt: skip


def _tell_exhausted(turn: Round, one: Escalation, incident: Incident, names: Sequence[str]) -> None:
    says = (
        f"the end of {one.policy} is reached: {', '.join(names)} were told and nobody has acknowledged;"
        " the safe choice stands: nothing is done without an answer"
    )
    events.add(
        turn.rows, "unanswered", says, at=turn.now, incident=incident.id, target=incident.target, policy=one.policy
    )


def _told_so_far(turn: Round, incident: Incident) -> tuple[str, ...]:
    living = escalations.living(turn.rows, incident.id)
    return ladder.told_names(living, turn.policy(living.policy)) if living else ()


def _put(turn: Round, incident: Incident, kind: str, key: str, says: str, tell: Sequence[str]) -> None:
    """Put a notice of our own; `tell` goes before routes, and without it they decide."""
    outbox.put(
        turn.rows,
        Notice(
            key=key,
            incident=incident.id,
            kind=kind,
            severity=incident.severity,
            message={
                "title": f"{incident.id} {incident.target}: {incident.title}",
                "says": says,
                "next_steps": list(incident.next_steps) if kind != "resolved" else [],
                "links": {"incident": f"/incidents/{incident.id}"},
                **({"tell": list(tell)} if tell else {}),
            },
            created_at=turn.now,
        ),
    )


def _whole_minutes(now: datetime, since: datetime) -> int:
    return max(1, round((now - since).total_seconds() / 60))
