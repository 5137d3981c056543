"""Who knows of which incident, and the messages that put several together, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.alert import Severity
from devops_agent.model.fact import Fact
from devops_agent.model.gathering import Gathering
from devops_agent.model.notice import Notice
from devops_agent.model.routing import HOUR, RECENT, Recipient
from devops_agent.store import outbox
from devops_agent.store.rows import Row, Rows, from_us, maybe_time, maybe_us, next_number, to_us

if TYPE_CHECKING:
    from datetime import datetime

_COLUMNS = (
    "id, kind, channel, person, cause, severity, opened_at, due_at, told_at, rung_at, needs_told, messages, closed_at"
)
_OPEN = "closed_at IS NULL"
"""Word for word the condition of the partial indexes."""


class Knows(Fact, kw_only=True):
    """That somebody was told of an incident."""

    incident: str
    recipient: Recipient
    thread: str
    """The incident's own, or a gathering's."""
    troubled: bool
    """Of trouble, and not of its end."""
    first_at: datetime
    rung_at: datetime | None


def knowing(rows: Rows, incident: str) -> dict[Recipient, Knows]:
    """Return who was told of an incident."""
    found = rows.all(
        "SELECT incident, channel, person, thread, troubled, first_at, rung_at FROM told WHERE incident = :incident"
        " ORDER BY first_at, channel, person",
        incident=incident,
    )
    return {one.recipient: one for one in map(_knows, found)}


def note_told(  # noqa: PLR0913 — what is noted has these parts
    rows: Rows, incident: str, to: Recipient, *, thread: str, troubled: bool, rings: bool, now: datetime
) -> None:
    """Note that somebody is told of an incident, in the message that `thread` names."""
    rows.run(
        "INSERT INTO told (incident, channel, person, thread, troubled, first_at, rung_at)"
        " VALUES (:incident, :channel, :person, :thread, :troubled, :now, :rung_at)"
        " ON CONFLICT (incident, channel, person) DO UPDATE SET thread = excluded.thread,"
        " troubled = excluded.troubled, rung_at = coalesce(excluded.rung_at, told.rung_at)",
        incident=incident,
        channel=to.channel,
        person=to.person,
        thread=thread,
        troubled=int(troubled),
        now=to_us(now),
        rung_at=to_us(now) if rings else None,
    )


def settle(rows: Rows, incident: str, to: Recipient) -> None:
    """Note that somebody who knows of trouble is not told of its end: nothing is to be told any more."""
    rows.run(
        "UPDATE told SET troubled = 0 WHERE incident = :incident AND channel = :channel AND person = :person",
        incident=incident,
        channel=to.channel,
        person=to.person,
    )


def settle_all(rows: Rows, gathering: Gathering) -> None:
    """Note that the end of everything in a message of several is told: no end of a single incident is news there."""
    rows.run(
        "UPDATE told SET troubled = 0 WHERE thread = :id AND channel = :channel AND person = :person",
        id=gathering.id,
        channel=gathering.channel,
        person=gathering.person,
    )


def told_lately(rows: Rows, to: Recipient, *, now: datetime) -> int:
    """Return of how many stories the recipient was first told within `RECENT`."""
    row = rows.one(
        "SELECT count(DISTINCT thread) AS n FROM told"
        " WHERE channel = :channel AND person = :person AND first_at > :since AND rung_at IS NOT NULL",
        channel=to.channel,
        person=to.person,
        since=to_us(now - RECENT),
    )
    return int(row["n"]) if row else 0


def is_known(rows: Rows, incident: str) -> bool:
    """Whether anybody was told of trouble and not of its end."""
    return (
        rows.one("SELECT 1 AS n FROM told WHERE incident = :incident AND troubled = 1", incident=incident) is not None
    )


def over_untold(rows: Rows, *, limit: int = 1_000) -> list[str]:
    """Return incidents that are over, of which somebody was told the trouble and not its end."""
    found = rows.all(
        "SELECT DISTINCT t.incident FROM told t JOIN incidents i ON i.id = t.incident"
        " WHERE t.troubled = 1 AND i.status = 'resolved' ORDER BY t.incident LIMIT :limit",
        limit=limit,
    )
    return [row["incident"] for row in found]


def ring(rows: Rows, notice: int, to: Recipient, *, now: datetime) -> None:
    """Count a message."""
    rows.run(
        "INSERT INTO rings (notice, channel, person, at) VALUES (:notice, :channel, :person, :now)"
        " ON CONFLICT (notice, channel, person) DO NOTHING",
        notice=notice,
        channel=to.channel,
        person=to.person,
        now=to_us(now),
    )


def rings(rows: Rows, to: Recipient, *, now: datetime) -> list[datetime]:
    """Return when the messages of the last hour were told, oldest first."""
    found = rows.all(
        "SELECT at FROM rings WHERE channel = :channel AND person = :person AND at > :since ORDER BY at",
        channel=to.channel,
        person=to.person,
        since=to_us(now - HOUR),
    )
    return [from_us(row["at"]) for row in found]


def open_(  # noqa: PLR0913 — a gathering has these parts
    rows: Rows, kind: str, to: Recipient, *, cause: str, severity: Severity, now: datetime, due_at: datetime
) -> Gathering:
    """Begin a message of several."""
    made = Gathering(
        id=f"GRP-{next_number(rows, 'gatherings')}",
        kind=kind,
        channel=to.channel,
        person=to.person,
        cause=cause,
        severity=severity,
        opened_at=now,
        due_at=due_at,
    )
    names = _COLUMNS.replace(" ", "").split(",")
    rows.run(f"INSERT INTO gatherings ({_COLUMNS}) VALUES (:{', :'.join(names)})", **_values(made))
    return made


def write(rows: Rows, gathering: Gathering) -> None:
    """Write where it stands now."""
    rows.run(
        "UPDATE gatherings SET severity = :severity, due_at = :due_at, told_at = :told_at, rung_at = :rung_at,"
        " needs_told = :needs_told, messages = :messages, closed_at = :closed_at WHERE id = :id",
        **{
            name: value
            for name, value in _values(gathering).items()
            if name not in ("kind", "channel", "person", "cause", "opened_at")
        },
    )


def get(rows: Rows, id_: str) -> Gathering | None:
    """Return a message of several."""
    row = rows.one(f"SELECT {_COLUMNS} FROM gatherings WHERE id = :id", id=id_)
    return _gathering(row) if row else None


def open_ones(rows: Rows, to: Recipient, kind: str) -> list[Gathering]:
    """Return those of a kind that are open for a recipient, the newest first."""
    return [
        _gathering(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM gatherings WHERE channel = :channel AND person = :person AND kind = :kind"
            f" AND {_OPEN} ORDER BY opened_at DESC, id DESC",
            channel=to.channel,
            person=to.person,
            kind=kind,
        )
    ]


def due(rows: Rows, *, now: datetime) -> list[Gathering]:
    """Return those that are to be told now."""
    return [
        _gathering(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM gatherings WHERE {_OPEN} AND due_at <= :now ORDER BY due_at, id", now=to_us(now)
        )
    ]


def next_due(rows: Rows) -> datetime | None:
    """Return when the next one is to be told; None: none is."""
    row = rows.one(f"SELECT min(due_at) AS at FROM gatherings WHERE {_OPEN}")
    return maybe_time(row["at"]) if row else None


def gathered(rows: Rows, gathering: Gathering) -> list[Notice]:
    """Return the notices in it, oldest first."""
    found = rows.all(
        "SELECT notice FROM deliveries WHERE thread = :id AND stage = 'gathered' ORDER BY notice", id=gathering.id
    )
    return [notice for row in found if (notice := outbox.get(rows, row["notice"])) is not None]


def all_over(rows: Rows, gathering: Gathering) -> bool:
    """Whether each of its incidents is over."""
    row = rows.one(
        "SELECT count(*) AS every, coalesce(sum(CASE WHEN i.status = 'resolved' THEN 1 ELSE 0 END), 0) AS over"
        " FROM told t JOIN incidents i ON i.id = t.incident"
        " WHERE t.thread = :id AND t.channel = :channel AND t.person = :person",
        id=gathering.id,
        channel=gathering.channel,
        person=gathering.person,
    )
    return row is not None and 0 < int(row["every"]) == int(row["over"])


def forget(rows: Rows, *, told_before: datetime, now: datetime) -> int:
    """Delete what is older, and the count of messages that no limit looks at any more; return how many."""
    old = to_us(told_before)
    rows.run("DELETE FROM rings WHERE at < :at", at=to_us(now - HOUR))
    rows.run("DELETE FROM gatherings WHERE opened_at < :at", at=old)
    return rows.run("DELETE FROM told WHERE first_at < :at", at=old)


def _values(one: Gathering) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": one.kind,
        "channel": one.channel,
        "person": one.person,
        "cause": one.cause,
        "severity": one.severity.value,
        "opened_at": to_us(one.opened_at),
        "due_at": maybe_us(one.due_at),
        "told_at": maybe_us(one.told_at),
        "rung_at": maybe_us(one.rung_at),
        "needs_told": int(one.needs_told),
        "messages": one.messages,
        "closed_at": maybe_us(one.closed_at),
    }


def _gathering(row: Row) -> Gathering:
    return Gathering(
        id=row["id"],
        kind=row["kind"],
        channel=row["channel"],
        person=row["person"],
        cause=row["cause"],
        severity=Severity(row["severity"]),
        opened_at=from_us(row["opened_at"]),
        due_at=maybe_time(row["due_at"]),
        told_at=maybe_time(row["told_at"]),
        rung_at=maybe_time(row["rung_at"]),
        needs_told=bool(row["needs_told"]),
        messages=row["messages"],
        closed_at=maybe_time(row["closed_at"]),
    )


def _knows(row: Row) -> Knows:
    return Knows(
        incident=row["incident"],
        recipient=Recipient(channel=row["channel"], person=row["person"]),
        thread=row["thread"],
        troubled=bool(row["troubled"]),
        first_at=from_us(row["first_at"]),
        rung_at=maybe_time(row["rung_at"]),
    )
