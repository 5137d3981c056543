"""Assign alerts to incidents: silenced? the same cause as an open one? a victim of something it depends on?"""

from __future__ import annotations

import logging
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from devops_agent.engine import lifecycle
from devops_agent.model.control import Silence, silenced
from devops_agent.model.directory import Directory
from devops_agent.model.fact import Fact
from devops_agent.model.fault import FAULTS, kind_of
from devops_agent.model.incident import Incident, Status
from devops_agent.store import alerts as kept
from devops_agent.store import controls, events, incidents, learning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.model.alert import Alert
    from devops_agent.store.rows import Rows

log = logging.getLogger("devops_agent.alerts")

_LONGEST = 200
"""Characters of a stranger's name that count: PostgreSQL's indexes take no row of more than 2,700 bytes."""


class Cause(Fact, kw_only=True):
    """What alerts have in common when they belong to one incident."""

    target: str
    """Name of a known target, or what the alert calls itself."""
    group: str
    known: bool
    """Whether the target is one of ours."""


class Assigned(Fact, kw_only=True):
    """Where a batch of firing alerts went."""

    opened: list[Incident]
    """New or opened again: each needs a response."""
    joined: list[Incident]
    settled: list[Alert]
    """Those that have an incident now."""
    held_back: int
    """Silenced or in maintenance: kept, but no incident."""


class Grouping(Fact, kw_only=True):
    """How alerts become incidents."""

    window: timedelta
    """An incident that was resolved no longer ago is opened again."""
    self_alerts: tuple[str, ...]
    """Patterns of the names of alerts about the agent itself."""


def assign(
    rows: Rows,
    alerts: Sequence[Alert],
    *,
    directory: Directory,
    grouping: Grouping,
    silences: Sequence[Silence],
    now: datetime,
) -> Assigned:
    """Write each firing alert with the incident it belongs to, opening incidents where there is none.

    `silences` are the windows of maintenance that are open; those that people set are read from the rows.
    """
    assigned = Assigned(opened=[], joined=[], settled=[], held_back=0)
    held = 0
    every = [*silences, *controls.silences(rows, now=now)]
    groups: dict[Cause, list[Alert]] = {}
    for alert in alerts:
        cause = _cause(alert, directory=directory, grouping=grouping)
        if silence := silenced(every, {**alert.labels, "target": cause.target}, now=now):
            kept.keep(rows, [alert], target=cause.target, incident="", now=now)
            log.info("alert held back", extra={"alert": alert.name, "target": cause.target, "by": silence.id})
            held += 1
        else:
            groups.setdefault(cause, []).append(alert)
    for cause, members in groups.items():
        _assign_group(rows, members, cause=cause, into=assigned, directory=directory, grouping=grouping, now=now)
        assigned.settled.extend(members)
    return assigned.with_(held_back=held)


def _cause(alert: Alert, *, directory: Directory, grouping: Grouping) -> Cause:
    target, name, label = directory.find(alert.labels)
    log.debug("service name taken from label", extra={"alert": alert.name, "label": label, "service": name})
    if any(fnmatchcase(alert.name, pattern) for pattern in grouping.self_alerts):
        return Cause(target=target.name if target else name, group="self", known=target is not None)
    group = FAULTS[kind_of(alert.labels)].cause_group
    if target is not None:
        return Cause(target=target.name, group=group, known=True)
    # Alerts about something unknown have no cause in common but the rule that fired.
    stranger = name or alert.group_key or alert.fingerprint
    return Cause(target=stranger[:_LONGEST], group=f"{group}:{alert.name}"[:_LONGEST], known=False)


def _assign_group(  # noqa: PLR0913 — the parts of one assignment
    rows: Rows,
    members: list[Alert],
    *,
    cause: Cause,
    into: Assigned,
    directory: Directory,
    grouping: Grouping,
    now: datetime,
) -> None:
    incident = incidents.latest_of_cause(
        rows, target=cause.target, cause_group=cause.group, since=now - grouping.window
    )
    parent = _explaining(rows, cause, directory=directory) if incident is None or incident.closed else None
    if parent is not None:
        kept.keep(rows, members, target=cause.target, incident=parent.id, now=now)
        _tell_joined(rows, parent, members, now=now, why=f"{cause.target} depends on {parent.target}")
        into.joined.append(parent)
        return
    lead = max(members, key=lambda alert: FAULTS[kind_of(alert.labels)].rank)
    if incident is None:
        incident = _open(rows, cause, lead, now=now)
        into.opened.append(incident)
        _adopt_victims(rows, incident, directory=directory, now=now)
    elif incident.closed:
        incident = _reopen(rows, incident, cause, lead, now=now)
        into.opened.append(incident)
        _adopt_victims(rows, incident, directory=directory, now=now)
    else:
        _tell_joined(rows, incident, members, now=now, why="the same cause")
        _worsen(rows, incident, lead)
        into.joined.append(incident)
    kept.keep(rows, members, target=cause.target, incident=incident.id, now=now)


def _explaining(rows: Rows, cause: Cause, *, directory: Directory) -> Incident | None:
    """Return the open incident of something that this target depends on: the cause of which this is an effect."""
    if not cause.known or cause.group != "service":
        return None
    found = incidents.open_of_targets(rows, directory.ancestors(cause.target), cause_group="service")
    return found[0] if found else None


def _open(rows: Rows, cause: Cause, lead: Alert, *, now: datetime) -> Incident:
    kind = _kind(cause, lead)
    incident = incidents.open_(
        rows,
        target=cause.target,
        cause_group=cause.group,
        kind=kind,
        severity=lead.severity,
        title=lead.summary or f"{cause.target}: {FAULTS[kind].says}",
        now=now,
    )
    events.add(
        rows,
        "opened",
        f"{lead.name} on {cause.target}: {lead.summary}",
        at=now,
        incident=incident.id,
        target=cause.target,
        actor=lead.source,
        alert=lead.name,
        fingerprint=lead.fingerprint,
        began=lead.starts_at,
    )
    return incident


def _kind(cause: Cause, lead: Alert) -> str:
    return "self" if cause.group == "self" else kind_of(lead.labels)


def _reopen(rows: Rows, incident: Incident, cause: Cause, lead: Alert, *, now: datetime) -> Incident:
    moved = lifecycle.move(
        rows, incident, Status.OPEN, reason=f"opened again by {lead.name}: {lead.summary}", now=now, actor=lead.source
    )
    title = lead.summary or None
    incidents.describe(rows, incident.id, kind=_kind(cause, lead), severity=lead.severity, title=title)
    learning.relapse(rows, incident.id)
    return moved


def _adopt_victims(rows: Rows, incident: Incident, *, directory: Directory, now: datetime) -> None:
    """Tie open incidents of what depends on this target to it: their responses wait for this one."""
    waiting = (Status.OPEN, Status.INVESTIGATING, Status.AWAITING_APPROVAL, Status.ESCALATED)
    for victim in incidents.open_of_targets(rows, directory.dependants(incident.target), cause_group="service"):
        if victim.status in waiting and not victim.parent:
            incidents.describe(rows, victim.id, parent=incident.id)
            says = f"{victim.target} depends on {incident.target}, which is in trouble too: {incident.id} goes first"
            events.add(rows, "parent", says, at=now, incident=victim.id, target=victim.target, parent=incident.id)


def _worsen(rows: Rows, incident: Incident, lead: Alert) -> None:
    """Let a graver class or severity of the same cause replace the milder one."""
    kind = kind_of(lead.labels)
    if incident.kind in FAULTS and FAULTS[kind].rank > FAULTS[incident.kind].rank:
        incidents.describe(rows, incident.id, kind=kind)
    if lead.severity.rank > incident.severity.rank:
        incidents.describe(rows, incident.id, severity=lead.severity)


def _tell_joined(rows: Rows, incident: Incident, members: list[Alert], *, now: datetime, why: str) -> None:
    """One line for the batch: a flood of alerts must not become a flood of events."""
    names = sorted({alert.name for alert in members})
    said = names[0] if len(members) == 1 else f"{len(members)} alerts ({', '.join(names[:5])})"
    events.add(
        rows, "joined", f"{said} joined: {why}", at=now, incident=incident.id, target=incident.target,
        actor=members[0].source, count=len(members),
    )  # fmt: skip
