"""What happens to alerts that come in, in one transaction: sort, close what is over, assign the rest, respond."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.engine import correlate, ingest, learn, lifecycle
from devops_agent.engine.commands import RUNS
from devops_agent.model.fact import Fact
from devops_agent.model.fault import FAULTS, kind_of
from devops_agent.model.incident import Category, Status
from devops_agent.store import alerts as kept
from devops_agent.store import approvals, heartbeats, incidents, runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.engine.ground import Ground
    from devops_agent.model.alert import Alert
    from devops_agent.model.directory import Directory
    from devops_agent.model.incident import Incident
    from devops_agent.store.rows import Rows

OWN_SOURCES = ("poller", "docker", "process", "supervisord", "systemd")
"""Where alerts come from that our own watching raises, and ends."""


class Received(Fact, kw_only=True):
    """What a batch of alerts came to."""

    settled: list[Alert]
    """Written down and assigned: repeats of them say nothing new."""
    new: int
    repeats: int
    ended: list[Alert]
    """Said to be firing, but known to have ended: the sender should begin a new firing if it is so again."""
    incidents: tuple[str, ...]
    """The incidents that were opened, joined or closed."""


def receive(rows: Rows, batch: Sequence[Alert], *, ground: Ground, now: datetime) -> Received:
    """Take in a batch; when this returns and the transaction is committed, nothing of it can be lost."""
    news = ingest.sort(rows, batch, watchdog=ground.watchdog)
    if news.signs_of_life:
        _note_life(rows, news.signs_of_life, now=now)
    kept.touch(rows, news.repeats, now=now)
    closed = _close(rows, news.resolved, ground=ground, now=now)
    assigned = correlate.assign(
        rows, news.firing, directory=ground.directory, grouping=ground.grouping, silences=ground.windows(now), now=now
    )
    _respond_to(rows, assigned, ground=ground, now=now)
    return Received(
        settled=[*news.repeats, *news.late, *(alert for alert, _ in news.resolved), *assigned.settled],
        new=len(news.firing) + len(news.resolved),
        repeats=len(news.repeats),
        ended=news.late,
        incidents=tuple(dict.fromkeys([*(i.id for i in (*assigned.opened, *assigned.joined)), *closed])),
    )


def firing_on(rows: Rows, incident: Incident, *, directory: Directory) -> list[Alert]:
    """Return the alerts that fire on the incident's own target; others may have joined it as effects of its cause."""
    firing = (alert for alert in kept.of_incident(rows, incident.id, limit=1_000) if alert.firing)
    return [alert for alert in firing if _is_about(alert, incident, directory)]


def release(rows: Rows, incident: Incident, *, ground: Ground, now: datetime) -> None:
    """Judge anew what an incident that is closed now had explained: its children, and alerts on other targets."""
    for child in incidents.children(rows, incident.id):
        runs.enqueue(rows, RUNS, "respond", key=child.id, lock=child.target, now=now, version=ground.version)
    strays = [
        alert
        for alert in kept.of_incident(rows, incident.id, limit=1_000)
        # Our own watching begins such a firing anew by itself, when it looks next.
        if alert.firing and alert.source not in OWN_SOURCES and not _is_about(alert, incident, ground.directory)
    ]
    assigned = correlate.assign(
        rows, strays, directory=ground.directory, grouping=ground.grouping, silences=ground.windows(now), now=now
    )
    _respond_to(rows, assigned, ground=ground, now=now)


def _is_about(alert: Alert, incident: Incident, directory: Directory) -> bool:
    target, _, _ = directory.find(alert.labels)
    return target is None or target.name == incident.target


def _respond_to(rows: Rows, assigned: correlate.Assigned, *, ground: Ground, now: datetime) -> None:
    for incident in assigned.opened:
        runs.enqueue(rows, RUNS, "respond", key=incident.id, lock=incident.target, now=now, version=ground.version)
    for incident in {one.id: one for one in assigned.joined}.values():  # in a flood the same one, group after group
        if incident.status is not Status.ESCALATED:
            runs.wake(rows, RUNS, incident.id, now=now)
        elif _is_graver(rows, incident, ground=ground):  # a person has it, and was told of less
            runs.enqueue(rows, RUNS, "respond", key=incident.id, lock=incident.target, now=now, version=ground.version)


def _is_graver(rows: Rows, incident: Incident, *, ground: Ground) -> bool:
    """Whether what fires now says that the service is down, where what a person was told was less."""
    told = FAULTS.get(incident.kind, FAULTS["unknown"])
    firing = {kind_of(alert.labels) for alert in firing_on(rows, incident, directory=ground.directory)}
    worst = max((FAULTS[kind] for kind in firing), key=lambda fault: fault.rank, default=told)
    return worst.category is Category.SERVICE_DOWN is not told.category


def _note_life(rows: Rows, signs: Sequence[Alert], *, now: datetime) -> None:
    """The alerting is alive, unless it says itself that this alert ended."""
    if any(sign.firing for sign in signs):
        beat = heartbeats.Heartbeat(role=heartbeats.WATCHDOG, pid=0, version="", started_at=now, at=now)
        heartbeats.beat(rows, beat)


def _close(rows: Rows, resolved: Sequence[tuple[Alert, str]], *, ground: Ground, now: datetime) -> list[str]:
    """Write the ends of firings; an incident of which nothing fires any more is resolved. This never acts."""
    by_incident: dict[str, list[Alert]] = {}
    for alert, incident in resolved:
        by_incident.setdefault(incident, []).append(alert)
    for id_, ended in by_incident.items():
        target = ended[0].labels.get("devops_agent_target", "")
        kept.keep(rows, ended, target=target, incident=id_, now=now)
        if id_:
            _close_incident(rows, id_, ended[0], ground=ground, now=now)
    return [id_ for id_ in by_incident if id_]


def _close_incident(rows: Rows, id_: str, last: Alert, *, ground: Ground, now: datetime) -> None:
    incident = incidents.get(rows, id_)
    if incident is None or incident.closed:
        return
    still = firing_on(rows, incident, directory=ground.directory)
    acting = incident.status in (Status.REMEDIATING, Status.VERIFYING)
    if not still and not acting and not incident.ordered_json:
        approvals.withdraw(rows, id_, now=now)
        says = f"{last.name} cleared; nothing fires any more"
        learn.close(rows, incident, now=now)
        lifecycle.move(rows, incident, Status.RESOLVED, reason=says, now=now, actor=last.source)
        release(rows, incident, ground=ground, now=now)
    # A response that is acting or verifying ends by its own proof; it is woken to look again.
    if acting or not still:
        runs.wake(rows, RUNS, id_, now=now)
