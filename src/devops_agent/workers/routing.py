"""Routing: new notices become deliveries, by the rules of `model.routing`; everything it knows is in rows.

Killed at any moment, it does the same again: what it writes is one transaction, under keys that cannot come twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from devops_agent.config.calendars import Calendars
from devops_agent.engine.escalation import subject_of
from devops_agent.model import routing
from devops_agent.model.mute import muted
from devops_agent.model.notice import Delivery, Notice, Stage
from devops_agent.model.routing import ENDS, NEEDS, Recipient, Standing, Told
from devops_agent.store import deliveries, escalations, events, gatherings, incidents, mutes, outbox
from devops_agent.workers import climbing, together
from devops_agent.workers.round import MISTAKES, Round, begin_round

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.model.incident import Incident
    from devops_agent.store.rows import Rows

log = logging.getLogger("devops_agent.notify")

_BATCH = 200
"""Notices that are decided on together, twice in a transaction: everybody else who writes waits for it."""


def route(
    rows: Rows,
    settings: Settings,
    now: datetime,
    *,
    updates: Mapping[str, bool] | None = None,
    calendars: Calendars | None = None,
) -> None:
    """Decide on everything that is due: rungs, reminders, ends of mutes, new notices, messages of several.

    Args:
        rows: the transaction.
        settings: of this moment; names in rows that they do not have any more lead nowhere.
        now: of this moment.
        updates: channel → whether it changes its messages in place; one that is not named does not.
        calendars: keeps the calendar files that were read; None: reads them anew.

    """
    if not settings.notify.channels:
        outbox.mark_routed(rows, [notice.id for notice in outbox.unrouted(rows)], now=now)
        return
    files = calendars or Calendars()
    turn = begin_round(rows, settings, now, updates=updates or {}, on_call=files.on_call(settings.notify, now))
    together.tell_overdue(turn)
    climbing.tell_troubles(turn, files.troubles(settings.notify))
    climbing.climb(turn)
    climbing.end_mutes(turn)
    _decide_ready(turn)
    climbing.tell_ends(turn)  # of what no notice of its own has told just before
    _decide_ready(turn)
    together.tell_due(turn)


def next_due(rows: Rows, settings: Settings) -> datetime | None:
    """Return when `route` has something to decide next; None: nothing is to come."""
    waiting = outbox.unrouted(rows, limit=1)
    if not settings.notify.channels:  # without any, what was put while there were some is told to nobody
        return waiting[0].created_at if waiting else None
    moments = (
        waiting[0].created_at + settings.notify.group_window if waiting else None,
        escalations.next_due(rows),
        gatherings.next_due(rows),
        mutes.next_due(rows),
    )
    return min((moment for moment in moments if moment is not None), default=None)


def _ready(turn: Round, waiting: Sequence[Notice]) -> list[Notice]:
    """Return what is decided now: all, once the oldest has waited for others; before that what needs no company."""
    if not waiting or waiting[0].created_at + turn.notify.group_window <= turn.now:
        return list(waiting)
    first: set[str] = set()
    ready = []
    for notice in waiting:
        told = bool(notice.incident) and bool(gatherings.knowing(turn.rows, notice.incident))
        if (notice.message.get("tell") or told) and notice.incident not in first:
            ready.append(notice)
        elif notice.incident:
            first.add(notice.incident)
    return ready


def _decide_ready(turn: Round) -> None:
    ready = _ready(turn, outbox.unrouted(turn.rows, limit=_BATCH))
    if not _is_decided(turn, ready):
        for notice in ready:
            if not _is_decided(turn, [notice]):
                says = f"nobody is told of {notice.key}: it cannot be decided who; the log of the worker says more"
                events.add(turn.rows, "undeliverable", says, at=turn.now, incident=notice.incident, notice=notice.id)
    outbox.mark_routed(turn.rows, [notice.id for notice in ready], now=turn.now)


def _is_decided(turn: Round, notices: Sequence[Notice]) -> bool:
    """Decide on all of these; where one cannot be decided on, on none, and say so: it must not hold up the others."""
    turn.rows.run("SAVEPOINT decided")
    try:
        _decide(turn, notices)
    except MISTAKES:
        log.exception("notices cannot be decided on", extra={"notices": [notice.key for notice in notices]})
        turn.rows.run("ROLLBACK TO SAVEPOINT decided")
        turn.forget()
        return False
    return True


def _decide(turn: Round, notices: Sequence[Notice]) -> None:
    """Decide notice by notice, in order; what is news to the same recipient at the same moment is looked at first."""
    letters = [_Letter(turn, notice) for notice in notices]
    alike = _alike(turn, letters)
    for letter in letters:
        planned = []
        for to in letter.to:
            standing = letter.standing(to, alike=alike.get((letter.notice.id, to), ""))
            told = letter.place(standing)
            planned.append(_write(turn, letter, to, standing, told))
        deliveries.plan(turn.rows, planned)


class _Letter:
    """A notice with whom it is for."""

    def __init__(self, turn: Round, notice: Notice) -> None:
        self.turn = turn
        self.notice = notice
        self.incident = incidents.get(turn.rows, notice.incident) if notice.incident else None
        self._taken = climbing.taken_by(turn, notice, self.incident) if self.incident and notice.kind in NEEDS else ""
        self._late: frozenset[Recipient] = frozenset()
        self.to = self._addressees()

    def _addressees(self) -> tuple[Recipient, ...]:
        turn, notice, incident = self.turn, self.notice, self.incident
        named = notice.message.get("tell")
        if named:
            return turn.recipients(named)
        subject = subject_of(turn.rows, incident, kind=notice.kind, severity=notice.severity)
        if incident is None:  # such as that a target burns its error budget
            subject = subject.with_(target=str(notice.message.get("target", "")))
        said = routing.addressed(turn.notify, subject, now=turn.now)
        names = said.tell
        if incident is not None and notice.kind in ("escalated", "approval"):
            names = climbing.begin(turn, notice, incident, said)
        self._late = frozenset(turn.recipients(said.digest))
        found = dict.fromkeys(turn.recipients(names))
        if incident is not None and notice.kind not in NEEDS:
            found |= dict.fromkeys(gatherings.knowing(turn.rows, incident.id))
        return tuple(found)

    def standing(self, to: Recipient, *, alike: str = "", crowded: bool = True) -> Standing:
        """Return how a recipient stands to it now."""
        turn, incident = self.turn, self.incident
        person = turn.person(to)
        common = Standing(
            off=turn.off(to),
            updates=turn.updates.get(to.channel, False),
            quiet=routing.is_quiet(person, turn.now),
            digest=to in self._late,
            alike=alike,
            rings=len(turn.rings(to)) if crowded else 0,
            per_hour=turn.per_hour(to),
        )
        if incident is None:
            return common
        mute = muted(turn.mutes_of(incident), person=to.person, now=turn.now)
        knows = gatherings.knowing(turn.rows, incident.id).get(to)
        among = gatherings.get(turn.rows, knows.thread) if knows and knows.thread != incident.id else None
        return common.with_(
            muted=f"until {mute.ends_at:%Y-%m-%d %H:%M} UTC by {mute.by}" if mute else "",
            over=incident.closed,
            taken=self._taken,
            known=knows is not None,
            troubled=knows is not None and knows.troubled,
            alone=knows is None or knows.thread == incident.id,
            gathered=among.kind if among is not None and among.closed_at is None else "",
            explained_by=self._explained_by(incident, to),
            last_ring=knows.rung_at if knows else None,
        )

    def _explained_by(self, incident: Incident, to: Recipient) -> str:
        parent = incidents.get(self.turn.rows, incident.parent) if incident.parent else None
        if parent is None or parent.closed:
            return ""
        return parent.id if to in gatherings.knowing(self.turn.rows, parent.id) else ""

    def place(self, standing: Standing) -> Told:
        """Decide for a recipient."""
        notice, turn = self.notice, self.turn
        every = turn.notify.remind_every
        return routing.place(notice.kind, notice.severity, standing, now=turn.now, remind_every=every)

    @property
    def thread(self) -> str:
        """The story that it belongs to."""
        return self.notice.incident


def _alike(turn: Round, letters: Sequence[_Letter]) -> dict[tuple[int, Recipient], str]:
    """Return what first news of this moment are told together, by notice and recipient."""
    news: dict[Recipient, dict[int, str]] = {}
    storms: set[Recipient] = set()
    seen: set[tuple[str, Recipient]] = set()
    for letter in letters:
        for to in letter.to:
            if letter.notice.kind == "storm":
                storms.add(to)
            incident = letter.incident
            if incident is None or (incident.id, to) in seen or letter.notice.kind == "approval":
                continue
            standing = letter.standing(to, crowded=False)
            if not standing.known and letter.place(standing).sent:
                seen.add((incident.id, to))
                root = turn.root(incident)
                news.setdefault(to, {})[letter.notice.id] = root.target or root.id
    found: dict[tuple[int, Recipient], str] = {}
    for to, causes in news.items():
        recent = gatherings.told_lately(turn.rows, to, now=turn.now)
        storm = to in storms or together.open_storm(turn, to) is not None
        kinds = routing.together(causes, recent=recent, storm=storm)
        for notice, cause in causes.items():
            kind = kinds.get(notice) or ("cause" if together.open_cause(turn, to, cause) else "")
            found[notice, to] = kind
    return found


def _write(turn: Round, letter: _Letter, to: Recipient, standing: Standing, told: Told) -> Delivery:
    """Note what was decided for a recipient; return it as a delivery."""
    notice, incident = letter.notice, letter.incident
    planned = Delivery(
        notice=notice.id,
        channel=to.channel,
        person=to.person,
        thread=letter.thread,
        not_before=turn.now,
        says=told.says,
        created_at=turn.now,
    )
    if not told.sent and not told.gathers:
        if incident is not None and notice.kind in ENDS:
            gatherings.settle(turn.rows, incident.id, to)
        return planned.with_(stage=Stage.DROPPED, ended_at=turn.now)
    thread = letter.thread
    gathering = None
    if told.gathers:
        root = turn.root(incident) if incident else None
        cause = (root.target or root.id) if root else ""
        knows = gatherings.knowing(turn.rows, incident.id).get(to) if incident else None
        joins = knows.thread if knows and told.gathers == "join" else ""
        gathering = together.enter(turn, to, told.gathers, joins=joins, cause=cause, severity=notice.severity)
        planned = planned.with_(stage=Stage.GATHERED, thread=gathering.id, ended_at=turn.now)
        thread = gathering.id
    if incident is not None:
        ended = notice.kind in ENDS or (notice.kind == "acted" and incident.closed)
        troubled = not ended and (standing.troubled or notice.kind != "acknowledged")
        gatherings.note_told(
            turn.rows, incident.id, to, thread=thread, troubled=troubled, rings=told.rings, now=turn.now
        )
    if told.rings:
        turn.ring(notice.id, to)
    if gathering is not None:
        over = turn.all_over(gathering, lately=incident) if incident else gatherings.all_over(turn.rows, gathering)
        together.change(turn, gathering, needs=notice.kind in (*NEEDS, "storm"), severity=notice.severity, over=over)
    return planned
