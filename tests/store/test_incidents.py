import asyncio
from datetime import datetime, timedelta

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.incident import Incident, Status
from devops_agent.store import Store, incidents
from devops_agent.store.rows import Rows, StaleError


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def open_(rows: Rows, target: str = "api", *, group: str = "service", minutes: float = 0, parent: str = "") -> Incident:
    return incidents.open_(
        rows,
        target=target,
        cause_group=group,
        kind="down",
        severity=Severity.CRITICAL,
        title=f"{target} is down",
        now=at(minutes),
        parent=parent,
    )


def move(rows: Rows, incident: Incident, to: Status, *, minutes: float = 1) -> Incident:
    return incidents.move(rows, incident, to, reason="because", next_steps=["look"], now=at(minutes))


async def test_an_incident_comes_back_as_it_was_opened(store: Store) -> None:
    opened = await store.write(open_)
    assert opened == Incident(
        id="INC-1",
        status=Status.OPEN,
        severity=Severity.CRITICAL,
        target="api",
        kind="down",
        title="api is down",
        opened_at=START,
        changed_at=START,
    )
    assert await store.read(lambda rows: incidents.get(rows, "INC-1")) == opened
    assert await store.read(lambda rows: incidents.get(rows, "INC-2")) is None


async def test_a_move_is_written_only_from_the_status_that_was_seen(store: Store) -> None:
    seen = await store.write(open_)
    moved = await store.write(lambda rows: move(rows, seen, Status.INVESTIGATING))
    assert (moved.status, moved.reason, moved.next_steps) == (Status.INVESTIGATING, "because", ("look",))
    assert (moved.changed_at, moved.resolved_at) == (at(1), None)
    with pytest.raises(StaleError, match="INC-1 is not open any more"):
        await store.write(lambda rows: move(rows, seen, Status.RESOLVED))
    with pytest.raises(StaleError, match="INC-1 is not open any more"):
        await store.read(lambda rows: incidents.still(rows, seen))
    assert await store.read(lambda rows: incidents.still(rows, moved)) == moved


async def test_of_many_movers_exactly_one_wins_and_the_others_learn_of_it(store: Store) -> None:
    seen = await store.write(open_)
    results = await asyncio.gather(
        *(store.write(lambda rows: move(rows, seen, Status.ESCALATED)) for _ in range(20)), return_exceptions=True
    )
    assert [isinstance(result, Incident) for result in results].count(True) == 1
    assert [isinstance(result, StaleError) for result in results].count(True) == 19


async def test_resolving_notes_when_and_reopening_forgets_it(store: Store) -> None:
    opened = await store.write(open_)
    closed = await store.write(lambda rows: move(rows, opened, Status.RESOLVED, minutes=5))
    assert (closed.closed, closed.resolved_at) == (True, at(5))
    again = await store.write(lambda rows: move(rows, closed, Status.OPEN, minutes=6))
    assert (again.closed, again.resolved_at, again.opened_at) == (False, None, START)


async def test_the_open_incident_of_a_cause_is_found_first_then_one_closed_lately(store: Store) -> None:
    def latest(rows: Rows) -> Incident | None:
        return incidents.latest_of_cause(rows, target="api", cause_group="service", since=at(10))

    assert await store.read(latest) is None
    first = await store.write(open_)
    await store.write(lambda rows: open_(rows, "db"))
    await store.write(lambda rows: open_(rows, group="disk"))
    assert await store.read(latest) == first
    await store.write(lambda rows: move(rows, first, Status.RESOLVED, minutes=9))
    assert await store.read(latest) is None, "closed too long ago"
    second = await store.write(lambda rows: open_(rows, minutes=10))
    second = await store.write(lambda rows: move(rows, second, Status.RESOLVED, minutes=10))
    assert await store.read(latest) == second
    third = await store.write(open_)
    assert await store.read(latest) == third


async def test_the_open_incidents_of_targets_come_oldest_first(store: Store) -> None:
    for target in ("c", "a", "b"):
        await store.write(lambda rows, target=target: open_(rows, target))  # type: ignore[misc]
    await store.write(lambda rows: open_(rows, "a", group="disk"))
    closed = await store.write(lambda rows: open_(rows, "d"))
    await store.write(lambda rows: move(rows, closed, Status.RESOLVED))
    found = await store.read(lambda rows: incidents.open_of_targets(rows, list("abcd"), cause_group="service"))
    assert [one.target for one in found] == ["c", "a", "b"]
    assert await store.read(lambda rows: incidents.open_of_targets(rows, [], cause_group="service")) == []


async def test_children_are_the_open_incidents_that_a_parent_explains(store: Store) -> None:
    parent = await store.write(open_)
    child = await store.write(lambda rows: open_(rows, "web", parent=parent.id))
    await store.write(lambda rows: open_(rows, "db"))
    assert await store.read(lambda rows: incidents.children(rows, parent.id)) == [child]
    await store.write(lambda rows: move(rows, child, Status.RESOLVED))
    assert await store.read(lambda rows: incidents.children(rows, parent.id)) == []


async def test_pages_go_from_the_newest_to_the_oldest(store: Store) -> None:
    for number in range(12):
        await store.write(lambda rows, target="ab"[number % 2]: open_(rows, target))  # type: ignore[misc]
    first = await store.read(lambda rows: incidents.get(rows, "INC-1"))
    assert first is not None
    await store.write(lambda rows: move(rows, first, Status.RESOLVED))

    async def numbers(**asked: object) -> list[int]:
        found = await store.read(lambda rows: incidents.page(rows, **asked))  # type: ignore[arg-type]
        return [int(one.id[4:]) for one in found]

    assert await numbers(limit=3) == [12, 11, 10]
    assert await numbers(before=10, limit=3) == [9, 8, 7]
    assert await numbers(target="a") == [11, 9, 7, 5, 3, 1]
    assert await numbers(target="a", status="unresolved") == [11, 9, 7, 5, 3]
    assert await numbers(status="resolved") == [1]
    assert await numbers(status="open", before=3) == [2]
    assert len(await store.read(incidents.open_ones)) == 11
    assert await store.read(incidents.count_by_status) == {"open": 11, "resolved": 1}


async def test_describing_changes_only_what_is_named(store: Store) -> None:
    opened = await store.write(open_)
    await store.write(lambda rows: incidents.describe(rows, "INC-1", kind="crash_loop", attempts=2))
    await store.write(lambda rows: incidents.describe(rows, "INC-1", severity=Severity.INFO, guided="restart"))
    await store.write(lambda rows: incidents.describe(rows, "INC-1", title="", parent="INC-9"))
    assert await store.read(lambda rows: incidents.get(rows, "INC-1")) == opened.with_(
        kind="crash_loop", attempts=2, severity=Severity.INFO, guided="restart", title="", parent="INC-9"
    )


async def test_incidents_are_found_by_what_people_remember_of_them(store: Store) -> None:
    def fill(rows: Rows) -> None:
        open_(rows, "api")
        move(rows, open_(rows, "checkout", minutes=10), Status.INVESTIGATING)
        incidents.describe(rows, "INC-2", severity=Severity.WARNING, kind="high_latency", title="100% of _calls_ slow!")

    await store.write(fill)

    async def found(**sought: object) -> list[str]:
        parts = incidents.Sought().with_(**sought)
        return [one.id for one in await store.read(lambda rows: incidents.search(rows, parts))]

    assert await found() == ["INC-2", "INC-1"]
    assert await found(status="unresolved", target="api") == ["INC-1"]
    assert await found(severity="warning", kind="high_latency") == ["INC-2"]
    assert await found(text="CALLS") == await found(text="100%") == await found(text="_calls_ SLOW!") == ["INC-2"]
    assert await found(text="inc-1") == await found(text="API") == ["INC-1"]
    assert await found(text="1_0%") == await found(text="' OR 1=1 --") == []
    assert await found(since=at(5)) == ["INC-2"]
    assert await found(until=at(5)) == ["INC-1"]


async def test_incidents_sought_are_counted_by_status_whatever_status_is_sought(store: Store) -> None:
    def fill(rows: Rows) -> None:
        open_(rows, "api")
        move(rows, open_(rows, "db"), Status.INVESTIGATING)

    await store.write(fill)
    sought = incidents.Sought(status="open")
    assert await store.read(lambda rows: incidents.count_sought(rows, sought)) == {"open": 1, "investigating": 1}
    assert await store.read(lambda rows: incidents.count_sought(rows, incidents.Sought(target="db"))) == {
        "investigating": 1
    }
    assert await store.read(incidents.kinds) == ["down"]


async def test_incidents_sought_come_page_by_page(store: Store) -> None:
    await store.write(lambda rows: [open_(rows, f"t{number}") for number in range(5)])
    found = await store.read(lambda rows: incidents.search(rows, incidents.Sought(), before=4, limit=2))
    assert [one.id for one in found] == ["INC-3", "INC-2"]
