"""History: what happened, item by item under stable keys, for a memory elsewhere."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from devops_agent.analysis.quarantine import Quarantine
from devops_agent.model.alert import Severity
from devops_agent.model.attempt import ActionDone, Attempt
from devops_agent.model.fact import Fact
from devops_agent.model.incident import Incident, Status
from devops_agent.model.knowledge import Memory, helped
from devops_agent.store import attempts, events, figures, incidents, knowledge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devops_agent.store.rows import Rows

_TOLD = ("resolved", "escalated")
"""Events after which an incident is worth telling."""
_TEXT = 2_000


class Untold(Fact, kw_only=True):
    """What was not mirrored yet."""

    memories: tuple[Memory, ...]
    seq: int
    """The last event that this covers."""


def untold(rows: Rows, *, limit: int) -> Untold:
    """Return what happened in the next `limit` events that were not mirrored; the newest word on each incident."""
    begin = knowledge.mirrored(rows)
    page = events.after(rows, begin, limit=limit)
    ids = dict.fromkeys(event.incident for event in page if event.kind in _TOLD and event.incident)
    found = [one for id_ in ids if (one := incidents.get(rows, id_)) is not None]
    memories = [memory for one in found for memory in _of_incident(rows, one)]
    memories += [memory for target in dict.fromkeys(one.target for one in found) for memory in _metrics(rows, target)]
    days = dict.fromkeys((one.resolved_at or one.changed_at).date() for one in found)
    memories += [_day(rows, datetime(day.year, day.month, day.day, tzinfo=found[0].opened_at.tzinfo)) for day in days]
    return Untold(memories=tuple(map(_masked, memories)), seq=page[-1].seq if page else begin)


def _of_incident(rows: Rows, incident: Incident) -> Iterator[Memory]:
    tried = attempts.of_incident(rows, incident.id)
    ended = f", resolved {incident.resolved_at:%Y-%m-%d %H:%M:%S} UTC" if incident.resolved_at else ""
    healed = helped(tried)
    says = (
        f"{incident.id}: {incident.kind} on {incident.target} ({incident.severity.value}), {incident.status.value}:"
        f" {incident.title}. Opened {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC{ended}. {incident.reason}"
    )
    yield Memory(
        key=incident.id,
        says=f"{says}. Helped: {healed}" if healed else says,
        sort="incident",
        failed=incident.status is Status.ESCALATED,
        urgent=incident.severity is Severity.CRITICAL,
    )
    yield from (_plan(attempt) for attempt in tried)
    yield from (_action(done) for done in attempts.actions_of(rows, incident.id))


def _plan(attempt: Attempt) -> Memory:
    steps = ", ".join(step.action for step in attempt.plan.steps)
    says = (
        f"{attempt.id}: {attempt.plan.runbook} ({steps}) for {attempt.incident} on {attempt.target},"
        f" {attempt.kind}: {attempt.decision.permission.value} by {attempt.decision.rule};"
        f" {attempt.outcome.value}: {attempt.says or attempt.decision.reason}"
    )
    return Memory(key=attempt.id, says=says, sort="plan", failed=attempt.outcome.strike)


def _action(done: ActionDone) -> Memory:
    seconds = (done.ended_at - done.started_at).total_seconds()
    proof = "verified" if done.verified else "done" if done.ok else "failed"
    says = (
        f"{done.action} on {done.target} for {done.incident} ({done.kind}) at {done.started_at:%Y-%m-%d %H:%M:%S} UTC,"
        f" {seconds:.1f} s: {proof}: {done.says}"
    )
    return Memory(key=f"action:{done.key}", says=says, sort="action", failed=not done.ok)


def _metrics(rows: Rows, target: str) -> Iterator[Memory]:
    for one in attempts.success(rows, target=target):
        says = (
            f"{one.action} for {one.kind} on {one.target}: done {one.done}, ok {one.ok}, verified {one.verified},"
            f" undone {one.undone}, {one.mean_seconds:.1f} s on average"
        )
        yield Memory(key=f"metrics:{one.action}:{one.kind}:{one.target}", says=says, sort="metrics")


def _day(rows: Rows, day: datetime) -> Memory:
    counted = figures.day(rows, begin=day, end=day + timedelta(days=1))
    minutes = f", {counted.minutes:.1f} min on average until resolved" if counted.resolved else ""
    says = (
        f"{day:%Y-%m-%d} (UTC): {counted.opened} incidents opened, {counted.resolved} resolved, {counted.escalated}"
        f" handed to people, {counted.healed} plans healed, {counted.failed} did not{minutes}"
    )
    return Memory(key=f"metrics:day:{day:%Y-%m-%d}", says=says, sort="metrics")


def _masked(memory: Memory) -> Memory:
    """What leaves the machine carries no secret."""
    return memory.with_(says=Quarantine(boundary="memory").mask(memory.says, limit=_TEXT))
