"""The timeline: what is told comes back as it was told, and nobody can change it unnoticed."""

import json
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from devops_agent.kit.testing import START
from devops_agent.store import Store, events
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.effort import examples

TEXTS = ("incident", "target", "kind", "actor", "says", "data_json", "hash")
HOSTILE = [
    "NUL \x00 inside",
    "written as an escape: \\u0000 and \\x00",
    "half a pair \ud800 and \udfff",
    "'; DROP TABLE events; --",
    "%s %(seq)s :seq {0}",
    '"quoted" \\" \\',
    "emoji 🔥, right to left \u202e, line\nbreak, tab\t, bell\x07",
    "x" * 2_000_000,
    "",
]


def tell(rows: Rows, count: int = 6) -> None:
    for number in range(1, count + 1):
        events.add(
            rows,
            "step",
            f"did {number}",
            at=START + timedelta(seconds=number),
            incident=f"INC-{number % 2 + 1}",
            target="api",
            actor="cli:alice",
            number=number,
        )


async def test_an_event_comes_back_as_it_was_told(store: Store) -> None:
    said = {"figures": [1, 2.5, None, True], "nested": {"a": "b"}, "when": START}
    seq = await store.write(
        lambda rows: events.add(
            rows, "decision", "allowed", at=START, incident="INC-1", target="api", actor="cli:alice", **said
        )
    )
    (event,) = await store.read(lambda rows: events.after(rows, 0))
    assert (event.seq, event.at, event.incident, event.target) == (seq, START, "INC-1", "api")
    assert (event.kind, event.actor, event.says) == ("decision", "cli:alice", "allowed")
    assert event.data == {"figures": [1, 2.5, None, True], "nested": {"a": "b"}, "when": "2026-01-05T12:00:00Z"}


async def test_histories_are_read_in_order_page_by_page(store: Store) -> None:
    await store.write(lambda rows: tell(rows, 10))
    read = store.read
    assert [event.seq for event in await read(lambda rows: events.of_incident(rows, "INC-1"))] == [2, 4, 6, 8, 10]
    assert [e.seq for e in await read(lambda rows: events.of_incident(rows, "INC-1", after=4, limit=2))] == [6, 8]
    assert [event.seq for event in await read(lambda rows: events.after(rows, 7))] == [8, 9, 10]
    assert [event.seq for event in await read(lambda rows: events.latest(rows, limit=3))] == [10, 9, 8]
    assert [event.seq for event in await read(lambda rows: events.latest(rows, before=3))] == [2, 1]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_text_is_kept_harmlessly_and_still_verifies(store: Store, text: str) -> None:
    await store.write(
        lambda rows: events.add(
            rows,
            text,
            text,
            at=START,
            incident=text[:500],
            target=text,
            actor=text,
            **{"text": text, text[:50]: [text]},
        )
    )
    assert await store.read(events.broken_link) is None
    (event,) = await store.read(lambda rows: events.after(rows, 0))
    if "NUL" not in text and "half" not in text:
        assert (event.says, event.data["text"], event.kind) == (text, text, text)
    assert event.says == event.actor
    assert await store.read(lambda rows: events.of_incident(rows, text[:500])) == [event]


RESERVED = {"rows", "kind", "says", "at", "incident", "target", "actor"}
NAMES = st.text(max_size=5).filter(lambda name: name not in RESERVED)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60))
@given(said=st.text(), data=st.dictionaries(NAMES, st.text()))
def test_whatever_is_told_verifies_and_can_be_read(connection: Connection, said: str, data: dict[str, str]) -> None:
    connection.begin()
    try:
        events.add(connection, "told", said, at=START, **data)
        events.add(connection, "told", "next", at=START)
        assert events.broken_link(connection) is None
        assert len(events.after(connection, 0)) == 2
    finally:
        connection.rollback()


def test_an_empty_timeline_is_unbroken(connection: Connection) -> None:
    assert events.broken_link(connection) is None
    assert events.head(connection) == (0, events.GENESIS)


def test_a_long_chain_verifies_to_its_end(connection: Connection) -> None:
    connection.begin()
    tell(connection, 2_500)
    assert events.broken_link(connection) is None
    connection.run("UPDATE events SET says = 'changed' WHERE seq = 2400")
    assert events.broken_link(connection) == (2400, "event 2400 is not what was written")
    connection.rollback()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(120))
@given(data=st.data())
def test_a_changed_value_in_any_column_of_any_event_is_found(connection: Connection, data: st.DataObject) -> None:
    column = data.draw(st.sampled_from([*TEXTS, "seq", "at"]), label="column")
    seq = data.draw(st.integers(1, 6), label="event")
    connection.begin()
    try:
        tell(connection)
        row = connection.one(f"SELECT {column} FROM events WHERE seq = :seq", seq=seq)  # noqa: S608 — from the list above
        assert row is not None
        other: Any = altered(row[column], data)
        connection.run(f"UPDATE events SET {column} = :other WHERE seq = :seq", other=other, seq=seq)  # noqa: S608 — the same
        found = events.broken_link(connection)
        assert found is not None
        # A changed hash shows in its own event; a number that was moved away shows where it is missing.
        assert found[0] == (min(seq, other) if column == "seq" else seq)
    finally:
        connection.rollback()


def altered(value: object, data: st.DataObject) -> object:
    if isinstance(value, int):
        return data.draw(st.integers(-(2**62), 2**62).filter(lambda other: other != value and not 1 <= other <= 6))
    text = str(value)
    ways = st.one_of(
        st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00")),
        st.just(text + " "),
        st.just(text.swapcase()),
        st.just(text[:-1]),
    )
    return data.draw(ways.filter(lambda other: other != text))


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_a_removed_event_is_found(connection: Connection, seq: int) -> None:
    connection.begin()
    tell(connection)
    connection.run("DELETE FROM events WHERE seq = :seq", seq=seq)
    assert events.broken_link(connection) == (seq, f"event {seq} is missing")
    connection.rollback()


@pytest.mark.parametrize("seq", [-5, 0, 7])
def test_an_event_that_was_slipped_in_is_found(connection: Connection, seq: int) -> None:
    connection.begin()
    tell(connection)
    connection.run(
        "INSERT INTO events (seq, at, incident, target, kind, actor, says, data_json, hash)"
        " SELECT :seq, at, incident, target, kind, actor, says, data_json, hash FROM events WHERE seq = 6",
        seq=seq,
    )
    found = events.broken_link(connection)
    assert found is not None
    assert found[0] == seq
    connection.rollback()


def test_events_that_changed_places_are_found(connection: Connection) -> None:
    connection.begin()
    tell(connection)
    for before, after in ((3, 100), (4, 3), (100, 4)):
        connection.run("UPDATE events SET seq = :after WHERE seq = :before", before=before, after=after)
    assert events.broken_link(connection) == (3, "event 3 is not what was written")
    connection.rollback()


def test_a_tail_that_was_cut_off_shows_against_a_head_that_was_noted_elsewhere(connection: Connection) -> None:
    connection.begin()
    tell(connection)
    seq, hash_ = events.head(connection)
    connection.run("DELETE FROM events WHERE seq > 4")
    assert events.broken_link(connection) is None
    assert events.head(connection) != (seq, hash_)
    tell(connection, 2)
    assert events.head(connection) != (seq, hash_), "other events in their place have another hash"
    connection.rollback()


def test_data_is_written_in_a_fixed_order(connection: Connection) -> None:
    connection.begin()
    events.add(connection, "told", "x", at=START, b=1, a={"d": 1, "c": 2})
    row = connection.one("SELECT data_json FROM events")
    assert row is not None
    assert json.loads(row["data_json"]) == {"a": {"c": 2, "d": 1}, "b": 1}
    assert row["data_json"].index('"a"') < row["data_json"].index('"b"')
    connection.rollback()


async def test_a_long_history_is_read_from_its_end(store: Store) -> None:
    await store.write(lambda rows: tell(rows, 10))
    newest = await store.read(lambda rows: events.tail(rows, "INC-1", limit=2))
    assert [event.says for event in newest] == ["did 8", "did 10"]
    before = await store.read(lambda rows: events.tail(rows, "INC-1", before=newest[0].seq, limit=2))
    assert [event.says for event in before] == ["did 4", "did 6"]
    assert await store.read(lambda rows: events.tail(rows, "INC-1", kind="opened")) == []
    assert await store.read(lambda rows: events.kinds(rows, "INC-1")) == {"step": 5}


async def test_events_are_found_by_what_is_known_of_them(store: Store) -> None:
    await store.write(lambda rows: tell(rows, 4))

    async def found(**sought: object) -> list[str]:
        parts = events.Sought().with_(**sought)
        return [event.says for event in await store.read(lambda rows: events.search(rows, parts))]

    assert await found() == ["did 4", "did 3", "did 2", "did 1"]
    assert await found(kind="step", actor="cli:alice", target="api", incident="INC-2") == ["did 3", "did 1"]
    assert await found(text="DID 2") == ["did 2"]
    assert await found(text="did_2") == await found(text="%") == await found(actor="nobody") == []
    assert await found(since=START + timedelta(seconds=2), until=START + timedelta(seconds=4)) == ["did 3", "did 2"]
    page = await store.read(lambda rows: events.search(rows, events.Sought(), before=3, limit=1))
    assert [event.says for event in page] == ["did 2"]
