"""Deliveries as rows: a notice on its way to one channel, its tries, and what the channel gave back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.fact import from_json, to_json
from devops_agent.model.notice import Delivery, Receipt, Stage
from devops_agent.store.rows import Row, Rows, from_us, maybe_time, maybe_us, to_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

_COLUMNS = (
    "id, notice, channel, person, thread, stage, not_before, tries, says, repeats, receipt_json, created_at, ended_at"
)
_ALIVE = "stage IN ('waiting', 'sending')"
"""Word for word the condition of the partial indexes: SQLite uses them for no other, equal one."""

_FIRST_IN_LINE = (
    "NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.stage IN ('waiting', 'sending') AND e.channel = d.channel"
    " AND e.person = d.person AND e.thread = d.thread AND e.notice < d.notice"
    " AND (e.stage = 'sending' OR e.tries > 0 OR e.not_before <= :now) AND (e.thread <> '' OR e.tries < 2))"
)
"""An earlier one of the same thread goes first, unless it is held back on purpose until later: quiet hours keep nobody
from what is urgent. What is about no incident is no story: one of those that is refused again and again holds up
nothing."""


def plan(rows: Rows, deliveries: Iterable[Delivery]) -> int:
    """Write what is to be delivered, or why not; what is planned already stays as it is. Return how many were new."""
    fresh = 0
    for one in deliveries:
        added = rows.run(
            "INSERT INTO deliveries (notice, channel, person, thread, stage, not_before, says, created_at, ended_at)"
            " VALUES (:notice, :channel, :person, :thread, :stage, :not_before, :says, :created_at, :ended_at)"
            " ON CONFLICT (notice, channel, person) DO NOTHING",
            notice=one.notice,
            channel=one.channel,
            person=one.person,
            thread=one.thread,
            stage=one.stage.value,
            not_before=to_us(one.not_before),
            says=one.says,
            created_at=to_us(one.created_at),
            ended_at=maybe_us(one.ended_at),
        )
        if added and one.stage in (Stage.DROPPED, Stage.GATHERED):
            _count(rows, one.channel, one.stage.value)
        fresh += added
    return fresh


def due(rows: Rows, channel: str, *, now: datetime, limit: int, fewest_tries: bool = False) -> list[Delivery]:
    """Return what `channel` may be handed now, in the order of notices: the first of each thread that is under way.

    With `fewest_tries`, what was tried least often comes first.
    """
    first = "d.tries, " if fewest_tries else ""
    return [
        _delivery(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM deliveries d WHERE {_ALIVE} AND stage = 'waiting' AND channel = :channel"
            f" AND not_before <= :now AND {_FIRST_IN_LINE} ORDER BY {first}d.notice, d.id LIMIT :limit",
            channel=channel,
            now=to_us(now),
            limit=limit,
        )
    ]


def begin(rows: Rows, deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Mark as handed over those that still wait; return them as they are then."""
    return [
        one.with_(stage=Stage.SENDING, tries=one.tries + 1)
        for one in deliveries
        if rows.run(
            f"UPDATE deliveries SET stage = 'sending', tries = tries + 1 WHERE id = :id AND {_ALIVE}"
            " AND stage = 'waiting' AND tries = :tries",
            id=one.id,
            tries=one.tries,
        )
    ]


def end(rows: Rows, one: Delivery, *, now: datetime, receipt: Receipt | None = None, says: str = "") -> bool:
    """Write that the channel took it, with its `receipt`, or without one that it never will.

    False when this try is not the latest any more.
    """
    stage = Stage.FAILED if receipt is None else Stage.SENT
    ended = rows.run(
        f"UPDATE deliveries SET stage = :stage, says = :says, receipt_json = :receipt, ended_at = :now"
        f" WHERE id = :id AND {_ALIVE} AND stage = 'sending' AND tries = :tries",
        stage=stage.value,
        says=says,
        receipt="" if receipt is None else to_json(receipt),
        now=to_us(now),
        id=one.id,
        tries=one.tries,
    )
    if ended:
        _count(rows, one.channel, stage.value)
    return bool(ended)


def put_off(rows: Rows, one: Delivery, *, until: datetime, says: str, unclear: bool) -> bool:
    """Have it sent again at `until`; `unclear` when nobody knows whether this try has reached people."""
    changed = rows.run(
        "UPDATE deliveries SET stage = 'waiting', not_before = :until, says = :says, repeats = repeats + :unclear"
        f" WHERE id = :id AND {_ALIVE} AND stage = 'sending' AND tries = :tries",
        until=to_us(until),
        says=says,
        unclear=int(unclear),
        id=one.id,
        tries=one.tries,
    )
    if changed:
        _count(rows, one.channel, "repeated" if unclear else "retried")
    return bool(changed)


def hasten(rows: Rows, channel: str, *, now: datetime) -> None:
    """Make due at once what waits for another try on a channel that works again."""
    rows.run(
        f"UPDATE deliveries SET not_before = :now WHERE {_ALIVE} AND stage = 'waiting' AND channel = :channel"
        " AND tries > 0 AND not_before > :now",
        channel=channel,
        now=to_us(now),
    )


def under_way(rows: Rows) -> list[Delivery]:
    """Return what was handed to channels whose answers are not written down."""
    found = rows.all(f"SELECT {_COLUMNS} FROM deliveries WHERE {_ALIVE} AND stage = 'sending' ORDER BY notice, id")
    return [_delivery(row) for row in found]


def set_aside(rows: Rows, one: Delivery, stage: Stage, *, says: str, now: datetime) -> bool:
    """End one that still waits without sending it: dropped, gathered into another message, or never to be sent."""
    ended = rows.run(
        f"UPDATE deliveries SET stage = :stage, says = :says, ended_at = :now WHERE id = :id AND {_ALIVE}"
        " AND stage = 'waiting'",
        stage=stage.value,
        says=says,
        now=to_us(now),
        id=one.id,
    )
    if ended:
        _count(rows, one.channel, stage.value)
    return bool(ended)


def recall(rows: Rows, incident: str, *, kinds: Sequence[str], says: str, now: datetime) -> int:
    """Drop what still waits of an incident's notices of these kinds; return how many."""
    found = [
        _delivery(row)
        for kind in kinds
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM deliveries WHERE {_ALIVE} AND stage = 'waiting' AND notice IN"
            " (SELECT id FROM outbox WHERE incident = :incident AND kind = :kind)",
            incident=incident,
            kind=kind,
        )
    ]
    return sum(set_aside(rows, one, Stage.DROPPED, says=says, now=now) for one in found)


def strangers(rows: Rows, channels: Sequence[str]) -> list[Delivery]:
    """Return what waits for channels that are none of `channels` (any more)."""
    found = rows.all(f"SELECT DISTINCT channel FROM deliveries WHERE {_ALIVE}")
    gone = sorted({row["channel"] for row in found} - set(channels))
    return [one for channel in gone for one in waiting(rows, channel)]


def waiting(rows: Rows, channel: str) -> list[Delivery]:
    """Return everything that waits for a channel, whenever it is due."""
    return [
        _delivery(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM deliveries WHERE {_ALIVE} AND stage = 'waiting' AND channel = :channel"
            " ORDER BY notice, id",
            channel=channel,
        )
    ]


def next_due(rows: Rows, channel: str, *, now: datetime) -> datetime | None:
    """Return when the next delivery becomes due that is not yet; None when there is none."""
    row = rows.one(
        f"SELECT min(not_before) AS at FROM deliveries WHERE {_ALIVE} AND channel = :channel AND not_before > :now",
        channel=channel,
        now=to_us(now),
    )
    return maybe_time(row["at"]) if row else None


def thread_receipt(rows: Rows, thread: str, *, channel: str, person: str) -> Receipt | None:
    """Return what the channel gave back for the first message of a thread; None when there was none."""
    row = rows.one(
        "SELECT receipt_json FROM deliveries WHERE thread = :thread AND channel = :channel AND person = :person"
        " AND stage = 'sent' ORDER BY notice LIMIT 1",
        thread=thread,
        channel=channel,
        person=person,
    )
    return from_json(row["receipt_json"], Receipt) if thread and row else None


def of_notices(rows: Rows, notices: Iterable[int]) -> dict[int, list[Delivery]]:
    """Return the deliveries of each of these notices."""
    return {
        notice: [
            _delivery(row)
            for row in rows.all(f"SELECT {_COLUMNS} FROM deliveries WHERE notice = :notice ORDER BY id", notice=notice)
        ]
        for notice in notices
    }


def counts(rows: Rows) -> dict[tuple[str, str], int]:
    """Return (channel, result) → how often since ever; results: sent, failed, dropped, gathered, retried, repeated.

    `retried`: put off because the channel did not take it; `repeated`: sent again with nobody knowing whether it had
    been taken before.
    """
    return {
        (row["channel"], row["result"]): int(row["n"])
        for row in rows.all("SELECT channel, result, n FROM delivery_counts")
    }


def _count(rows: Rows, channel: str, result: str) -> None:
    rows.run(
        "INSERT INTO delivery_counts (channel, result, n) VALUES (:channel, :result, 1)"
        " ON CONFLICT (channel, result) DO UPDATE SET n = delivery_counts.n + 1",
        channel=channel,
        result=result,
    )


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        notice=row["notice"],
        channel=row["channel"],
        person=row["person"],
        thread=row["thread"],
        stage=Stage(row["stage"]),
        not_before=from_us(row["not_before"]),
        tries=row["tries"],
        says=row["says"],
        repeats=row["repeats"],
        receipt=from_json(row["receipt_json"], Receipt) if row["receipt_json"] else None,
        created_at=from_us(row["created_at"]),
        ended_at=maybe_time(row["ended_at"]),
    )
