"""Together: messages that put several notices into one, begun, kept up to date, told and closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.alert import Severity
from devops_agent.model.directory import Directory
from devops_agent.model.gathering import Gathering, Line, calls, compose, is_worse, takes_more, when_told, worst
from devops_agent.model.notice import Delivery, Notice
from devops_agent.model.routing import Recipient
from devops_agent.store import deliveries, escalations, gatherings, incidents, outbox, targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devops_agent.workers.round import Round

_KINDS = {"storm": "storm", "cause": "group", "digest": "digest", "overflow": "digest"}
"""Kind of a gathering → kind of its notices."""


def open_storm(turn: Round, to: Recipient) -> Gathering | None:
    """Return the message about many incidents that takes further ones."""
    return next((one for one in gatherings.open_ones(turn.rows, to, "storm") if takes_more(one, now=turn.now)), None)


def open_cause(turn: Round, to: Recipient, cause: str) -> Gathering | None:
    """Return the message about this cause that takes further incidents."""
    found = gatherings.open_ones(turn.rows, to, "cause")
    return next((one for one in found if one.cause == cause and takes_more(one, now=turn.now)), None)


def enter(turn: Round, to: Recipient, kind: str, *, joins: str, cause: str, severity: Severity) -> Gathering:
    """Return the message of several that a notice becomes a line of, begun if there is none."""
    known = (gatherings.get(turn.rows, joins) if joins else None) or _open(turn, to, kind, cause)
    if known is None:
        due_at = {"digest": turn.digest_at, "overflow": turn.room_at}.get(kind, lambda _: turn.now)(to)
        kept = cause if kind == "cause" else ""
        return gatherings.open_(turn.rows, kind, to, cause=kept, severity=severity, now=turn.now, due_at=due_at)
    untold = known.told_at is None and severity.rank > known.severity.rank
    return known.with_(severity=severity) if untold else known


def change(turn: Round, gathering: Gathering, *, needs: bool, severity: Severity, over: bool) -> None:
    """Note that a line has changed: the message is told (anew) when that is worth it, and when all of it is `over`."""
    due_at = when_told(
        gathering,
        updates=turn.updates.get(gathering.channel, False),
        needs=needs,
        severity=severity,
        over=over,
        now=turn.now,
        remind_every=turn.notify.remind_every,
    )
    gatherings.write(turn.rows, gathering.with_(due_at=due_at))


def tell_overdue(turn: Round) -> None:
    """Tell what has waited for room within the limit of an hour, before what is new takes that room."""
    _tell_all(turn, [one for one in gatherings.due(turn.rows, now=turn.now) if one.kind == "overflow"])


def tell_due(turn: Round) -> None:
    """Tell what is due, each as a notice of its own."""
    _tell_all(turn, gatherings.due(turn.rows, now=turn.now))


def _tell_all(turn: Round, found: Sequence[Gathering]) -> None:
    if not found:
        return
    # What people wrote into the settings goes before what was found.
    known = [*(one.target for one in targets.all_(turn.rows)), *turn.settings.targets]
    directory = Directory(known)
    for gathering in found:
        _tell(turn, gathering, directory)


def _open(turn: Round, to: Recipient, kind: str, cause: str) -> Gathering | None:
    if kind == "storm":
        return open_storm(turn, to)
    if kind == "cause":
        return open_cause(turn, to, cause)
    return next(iter(gatherings.open_ones(turn.rows, to, kind)), None)


def _tell(turn: Round, gathering: Gathering, directory: Directory) -> None:
    to = Recipient(channel=gathering.channel, person=gathering.person)
    lines = _lines(turn, gatherings.gathered(turn.rows, gathering))
    over = gatherings.all_over(turn.rows, gathering)
    waits = any(line.waits for line in lines)
    again = gathering.told_at is not None
    changes = again and turn.updates.get(to.channel, False)
    if not lines or turn.off(to) or (again and not changes and not over and not waits):
        # A digest that is not told when it is due never is: what comes later must find another.
        gone = turn.now if not lines or gathering.kind in ("digest", "overflow") else None
        gatherings.write(turn.rows, gathering.with_(due_at=None, closed_at=gone))
        return
    severity = worst(lines)
    room_at = turn.room_at(to)
    has_room = room_at <= turn.now or (severity is Severity.CRITICAL and _presses(turn, gathering, lines))
    if not changes and not has_room:
        gatherings.write(turn.rows, gathering.with_(due_at=room_at))
        return
    every = turn.notify.remind_every
    rings = not changes or (has_room and calls(gathering, lines, now=turn.now, remind_every=every))
    number = gathering.messages + 1
    notice = Notice(
        key=f"{gathering.id}/{number}",
        incident="",
        kind=_KINDS[gathering.kind],
        severity=Severity.INFO if over else severity,
        message={
            **compose(gathering, lines, ancestors=directory.ancestors, link="/incidents"),
            **({"calls": True} if waits and rings else {}),
        },
        created_at=turn.now,
    )
    send(turn, notice, to, thread=gathering.id, rings=rings)
    if over:
        gatherings.settle_all(turn.rows, gathering)
    ends = over or gathering.kind in ("digest", "overflow")
    gatherings.write(
        turn.rows,
        gathering.with_(
            due_at=None,
            told_at=turn.now,
            rung_at=turn.now if rings else gathering.rung_at,
            severity=worst([line for line in lines if line.waits]) if rings else gathering.severity,
            messages=number,
            needs_told=gathering.needs_told or waits or gathering.kind == "storm",
            closed_at=turn.now if ends else None,
        ),
    )


def send(turn: Round, notice: Notice, to: Recipient, *, thread: str, rings: bool) -> None:
    """Put a notice of our own making into the outbox, with its delivery: nothing is left to decide about it."""
    outbox.put(turn.rows, notice, wakes=False)
    kept = outbox.of_key(turn.rows, notice.key)
    assert kept is not None  # noqa: S101 — just written
    planned = Delivery(
        notice=kept.id,
        channel=to.channel,
        person=to.person,
        thread=thread,
        not_before=turn.now,
        says="puts several together",
        created_at=turn.now,
    )
    deliveries.plan(turn.rows, [planned])
    outbox.mark_routed(turn.rows, [kept.id], now=turn.now)
    if rings:
        turn.ring(kept.id, to)


def _presses(turn: Round, gathering: Gathering, lines: Sequence[Line]) -> bool:
    """Whether it may be told although the limit of the hour is reached, when it is critical."""
    rested = gathering.rung_at is None or turn.now - gathering.rung_at >= turn.notify.remind_every
    return gathering.kind in ("cause", "storm") and (rested or is_worse(gathering, lines))


def _lines(turn: Round, notices: Sequence[Notice]) -> list[Line]:
    """Return one line for each incident, by its last notice, and one for each notice that is about none."""
    last: dict[str, Notice] = {}
    for notice in notices:
        last[notice.incident or f"#{notice.id}"] = notice
    return [_line(turn, notice) for notice in last.values()]


def _line(turn: Round, notice: Notice) -> Line:
    incident = incidents.get(turn.rows, notice.incident) if notice.incident else None
    title, says = str(notice.message.get("title", "")), str(notice.message.get("says", ""))
    if incident is None:
        return Line(title=title, says=says, severity=notice.severity)
    return Line(
        incident=incident.id,
        target=incident.target,
        title=f"{incident.id} {incident.target}: {incident.title}",
        says=incident.reason or says,
        severity=notice.severity,
        over=incident.closed,
        waits=escalations.living(turn.rows, incident.id) is not None,
    )
