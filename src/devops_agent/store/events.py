"""The timeline: append-only and hash-chained, so that incident histories and the audit log are views of one record."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import msgspec

from devops_agent.model.attempt import Attempt
from devops_agent.model.diagnosis import Diagnosis
from devops_agent.model.event import Event, last_diagnosis
from devops_agent.model.fact import Fact, to_json
from devops_agent.store.rows import Row, Rows, containing, from_us, storable, to_us

GENESIS = "0" * 64
_COLUMNS = "seq, at, incident, target, kind, actor, says, data_json, hash"
_DIAGNOSES = 20
"""So many of an incident's are looked at for the one that counts."""
_ORIGIN = ContextVar("origin", default="")


@contextmanager
def asked_from(address: str) -> Iterator[None]:
    """Let every event that is added inside the block tell from which address it was asked for, as `from_address`.

    It stands around work on rows, which runs without a break on the store's thread.
    """
    before = _ORIGIN.set(address)
    try:
        yield
    finally:
        _ORIGIN.reset(before)


def add(  # noqa: PLR0913 — an event has these parts
    rows: Rows,
    kind: str,
    says: str,
    *,
    at: datetime,
    incident: str = "",
    target: str = "",
    actor: str = "agent",
    **data: Any,  # noqa: ANN401 — whatever JSON can hold
) -> int:
    """Append an event and return its number; `data` holds what a program wants to read (ids, figures)."""
    if origin := _ORIGIN.get():
        data["from_address"] = origin
    last = rows.one("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")
    seq, previous = (int(last["seq"]) + 1, str(last["hash"])) if last else (1, GENESIS)
    values = storable(
        {
            "seq": seq,
            "at": to_us(at),
            "incident": incident,
            "target": target,
            "kind": kind,
            "actor": actor,
            "says": says,
            "data_json": to_json(data),
        }
    )
    rows.run(
        f"INSERT INTO events ({_COLUMNS})"
        " VALUES (:seq, :at, :incident, :target, :kind, :actor, :says, :data_json, :hash)",
        **values,
        hash=_link(previous, values),
    )
    return seq


def of_incident(rows: Rows, incident: str, *, after: int = 0, limit: int = 1_000) -> list[Event]:
    """Return an incident's history in order."""
    return [
        _event(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM events WHERE incident = :incident AND seq > :after ORDER BY seq LIMIT :limit",
            incident=incident,
            after=after,
            limit=limit,
        )
    ]


def tail(rows: Rows, incident: str, *, before: int = 2**62, kind: str = "", limit: int = 200) -> list[Event]:
    """Return the newest events of an incident in order, those older than `before` and, if given, of `kind` only."""
    found = rows.all(
        f"SELECT {_COLUMNS} FROM events WHERE incident = :incident AND seq < :before AND (:kind = '' OR kind = :kind)"
        " ORDER BY seq DESC LIMIT :limit",
        incident=incident,
        before=before,
        kind=kind,
        limit=limit,
    )
    return [_event(row) for row in reversed(found)]


def diagnosed(rows: Rows, incident: str, tried: Sequence[Attempt]) -> Diagnosis | None:
    """Return what was found to be wrong in an incident of which `tried` are the attempts; None: nothing yet."""
    found = tail(rows, incident, kind="diagnosis", limit=_DIAGNOSES)
    return last_diagnosis(found, acted=any(one.started_at for one in tried))


def kinds(rows: Rows, incident: str) -> dict[str, int]:
    """Return kind → how many events of it an incident's history has, in the order in which they first came."""
    return {
        row["kind"]: int(row["n"])
        for row in rows.all(
            "SELECT kind, count(*) AS n FROM events WHERE incident = :incident GROUP BY kind ORDER BY min(seq)",
            incident=incident,
        )
    }


def last_said(rows: Rows, incident: str, kind: str) -> str:
    """Return what the newest event of this kind in an incident's history says; empty when there is none."""
    row = rows.one(
        "SELECT says FROM events WHERE incident = :incident AND kind = :kind ORDER BY seq DESC LIMIT 1",
        incident=incident,
        kind=kind,
    )
    return str(row["says"]) if row else ""


def after(rows: Rows, seq: int, *, limit: int = 200) -> list[Event]:
    """Return everything that came after event `seq`, in order."""
    return [
        _event(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM events WHERE seq > :seq ORDER BY seq LIMIT :limit", seq=seq, limit=limit
        )
    ]


def latest(rows: Rows, *, before: int = 2**62, limit: int = 100) -> list[Event]:
    """Return the newest events first, those older than `before` only."""
    return [
        _event(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM events WHERE seq < :before ORDER BY seq DESC LIMIT :limit",
            before=before,
            limit=limit,
        )
    ]


def lately(rows: Rows, *, but: Collection[str], limit: int, within: int = 2_000) -> list[Event]:
    """Return the newest events first, without those of some kinds; of the last `within` only."""
    others = {f"kind{number}": kind for number, kind in enumerate(but)}
    found = rows.all(
        f"SELECT {_COLUMNS} FROM events WHERE seq > :seq AND kind NOT IN (:{', :'.join(others)})"
        " ORDER BY seq DESC LIMIT :limit",
        seq=head(rows)[0] - within,
        limit=limit,
        **others,
    )
    return [_event(row) for row in found]


def all_kinds(rows: Rows) -> list[str]:
    """Return the kinds of the last 10,000 events, by name."""
    found = rows.all("SELECT DISTINCT kind FROM events WHERE seq > :seq ORDER BY kind", seq=head(rows)[0] - 10_000)
    return [row["kind"] for row in found]


class Sought(Fact, kw_only=True):
    """Which events are looked for; empty: any."""

    kind: str = ""
    actor: str = ""
    target: str = ""
    incident: str = ""
    text: str = ""
    """Part of what they say, in letters of any case."""
    since: datetime | None = None
    until: datetime | None = None


def search(rows: Rows, sought: Sought, *, before: int = 2**62, limit: int = 100) -> list[Event]:
    """Return the newest events first that are as `sought`, those older than `before` only."""
    # Only what is asked for is written, so that the index that fits can be used.
    asked = ["seq < :before"]
    asked += [f"{name} = :{name}" for name in ("kind", "actor", "target", "incident") if getattr(sought, name)]
    if sought.since is not None:
        asked.append("at >= :since")
    if sought.until is not None:
        asked.append("at < :until")
    if sought.text:
        asked.append("lower(says) LIKE :text ESCAPE '!'")
    return [
        _event(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(asked)} ORDER BY seq DESC LIMIT :limit",
            before=before,
            kind=sought.kind,
            actor=sought.actor,
            target=sought.target,
            incident=sought.incident,
            since=to_us(sought.since) if sought.since else 0,
            until=to_us(sought.until) if sought.until else 0,
            text=containing(sought.text),
            limit=limit,
        )
    ]


def of_kinds(
    rows: Rows, kinds: Collection[str], *, begin: datetime, end: datetime, limit: int = 200_000
) -> list[Event]:
    """Return the events of some kinds from `begin` until before `end`, in order; the newest when there are more."""
    names = {f"kind{number}": kind for number, kind in enumerate(kinds)}
    found = rows.all(
        f"SELECT {_COLUMNS} FROM events WHERE at >= :begin AND at < :end"
        f" AND kind IN ({', '.join(f':{name}' for name in names)}) ORDER BY seq DESC LIMIT :limit",
        begin=to_us(begin),
        end=to_us(end),
        limit=limit,
        **names,
    )
    return [_event(row) for row in reversed(found)]


def head(rows: Rows) -> tuple[int, str]:
    """Return number and hash of the newest event: noted elsewhere, it proves later that nothing was cut off."""
    row = rows.one("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")
    return (int(row["seq"]), str(row["hash"])) if row else (0, GENESIS)


class Walked(Fact, kw_only=True):
    """How far the chain was found right."""

    seq: int = 0
    hash: str = GENESIS
    broken: tuple[int, str] | None = None
    """Number and what is wrong, of the first event that was altered, removed or slipped in."""
    done: bool = False


def broken_link(rows: Rows) -> tuple[int, str] | None:
    """Walk the chain; return (number, what is wrong) of the first event that was altered, removed or slipped in."""
    walked = Walked()
    while not walked.done:
        walked = walk_on(rows, walked)
    return walked.broken


def walk_on(rows: Rows, walked: Walked, *, limit: int = 1_000) -> Walked:
    """Walk at most `limit` events further: a long chain can be proven between other work."""
    # From the lowest number there can be: an event that was slipped in before the first is found too.
    start = walked.seq + 1 if walked.seq else -(2**63)
    seq, hash_ = walked.seq, walked.hash
    page = rows.all(
        f"SELECT {_COLUMNS} FROM events WHERE seq >= :seq ORDER BY seq LIMIT :limit", seq=start, limit=limit
    )
    for row in page:
        if wrong := _wrong(row, expected=seq + 1, previous=hash_):
            return Walked(seq=seq, hash=hash_, broken=wrong, done=True)
        seq, hash_ = seq + 1, str(row["hash"])
    return Walked(seq=seq, hash=hash_, done=len(page) < limit)


def _wrong(row: Row, *, expected: int, previous: str) -> tuple[int, str] | None:
    seen = int(row["seq"])
    if seen != expected:
        return (expected, f"event {expected} is missing") if seen > expected else (seen, f"event {seen} is too much")
    values = {name: row[name] for name in ("seq", "at", "incident", "target", "kind", "actor", "says", "data_json")}
    if _link(previous, values) != row["hash"]:
        return expected, f"event {expected} is not what was written"
    return None


def _link(previous: str, values: dict[str, object]) -> str:
    return hashlib.sha256(previous.encode() + msgspec.json.encode(values, order="sorted")).hexdigest()


def _event(row: Row) -> Event:
    return Event(
        seq=row["seq"],
        at=from_us(row["at"]),
        incident=row["incident"],
        target=row["target"],
        kind=row["kind"],
        actor=row["actor"],
        says=row["says"],
        data=msgspec.json.decode(row["data_json"]),
    )
