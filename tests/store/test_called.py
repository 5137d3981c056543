"""Who is called, as rows: escalations, mutes, who knows of what, messages of several."""

from datetime import datetime, timedelta

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.escalation import Climb, Escalation
from devops_agent.model.incident import Status
from devops_agent.model.mute import Mute, muted
from devops_agent.model.notice import Delivery, Notice, Stage
from devops_agent.model.routing import Recipient
from devops_agent.store import Store, deliveries, escalations, gatherings, incidents, mutes, outbox
from devops_agent.store.rows import Rows, StoreError

ALICE = Recipient(channel="alice-sms", person="alice")
ROOM = Recipient(channel="room")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def call(incident: str = "INC-1") -> Escalation:
    return Escalation(
        incident=incident, notice=1, severity=Severity.CRITICAL, policy="ladder", tell=("room", "alice"),
        climb_at=at(5), remind_at=at(30), began_at=at(0),
    )  # fmt: skip


def notice(rows: Rows, incident: str = "INC-1", kind: str = "escalated") -> int:
    key = f"{incident}/{kind}"
    put = Notice(key=key, incident=incident, kind=kind, severity=Severity.CRITICAL, message={}, created_at=START)
    outbox.put(rows, put)
    kept = outbox.of_key(rows, key)
    assert kept
    return kept.id


def open_one(rows: Rows, target: str = "api") -> str:
    return incidents.open_(
        rows, target=target, cause_group=target, kind="down", severity=Severity.CRITICAL, title="down", now=START
    ).id


async def test_an_escalation_is_read_as_it_was_written(store: Store) -> None:
    made = await store.write(lambda rows: escalations.add(rows, call()))
    assert made == call().with_(id=1)
    higher = made.with_(rung=1, climb_at=None, state=Climb.EXHAUSTED, says="x", reminders=2, round=1)
    assert await store.write(lambda rows: escalations.write(rows, higher))
    assert await store.read(lambda rows: escalations.living(rows, "INC-1")) == higher
    assert await store.read(escalations.next_due) == at(30)


async def test_an_incident_has_one_living_escalation(store: Store) -> None:
    made = await store.write(lambda rows: escalations.add(rows, call()))
    with pytest.raises(StoreError):
        await store.write(lambda rows: escalations.add(rows, call()))
    over = made.with_(state=Climb.OVER, ended_at=at(1))
    assert await store.write(lambda rows: escalations.write(rows, over))
    assert not await store.write(lambda rows: escalations.write(rows, made))
    await store.write(lambda rows: escalations.add(rows, call()))
    assert [one.id for one in await store.read(escalations.newest)] == [2, 1]
    assert [one.id for one in await store.read(escalations.every_living)] == [2]
    assert await store.write(lambda rows: escalations.forget(rows, ended_before=at(2))) == 1


async def test_what_presses_is_due_or_needs_nobody_any_more(store: Store) -> None:
    def fill(rows: Rows) -> list[str]:
        found = [open_one(rows, f"t{number}") for number in range(3)]
        for id_ in found:
            escalations.add(rows, call(id_).with_(climb_at=None))
            opened = incidents.get(rows, id_)
            assert opened
            incidents.move(rows, opened, Status.ESCALATED, reason="", next_steps=(), now=START)
        last = incidents.get(rows, found[2])
        assert last
        incidents.move(rows, last, Status.RESOLVED, reason="", next_steps=(), now=START)
        return found

    first, second, third = await store.write(fill)
    early = await store.read(lambda rows: escalations.pressing(rows, now=at(1)))
    assert [one.incident for one in early] == [third]
    late = await store.read(lambda rows: escalations.pressing(rows, now=at(30)))
    assert [one.incident for one in late] == [first, second, third]


async def test_mutes_hold_until_they_end_and_are_settled_once(store: Store) -> None:
    mute = Mute(id="", target="api", person="alice", by="bob", begins_at=at(0), ends_at=at(60))
    made = await store.write(lambda rows: mutes.add(rows, mute))
    assert made.id == "MUT-1"
    holding = await store.read(lambda rows: mutes.holding(rows, now=at(59)))
    assert holding == [made]
    assert muted(holding, person="alice", now=at(59)) == made
    assert muted(holding, person="", now=at(59)) is None
    assert await store.read(mutes.next_due) == at(60)
    assert await store.read(lambda rows: mutes.ended(rows, now=at(60))) == [made]
    assert await store.write(lambda rows: mutes.end(rows, "MUT-1", now=at(10)))
    assert not await store.write(lambda rows: mutes.end(rows, "MUT-1", now=at(11)))
    await store.write(lambda rows: mutes.settle(rows, "MUT-1", now=at(12)))
    assert await store.read(lambda rows: mutes.ended(rows, now=at(99))) == []
    assert await store.write(lambda rows: mutes.forget(rows, ended_before=at(99))) == 1


async def test_what_a_mute_kept_from_people_is_known(store: Store) -> None:
    mute = Mute(id="MUT-1", incident="INC-1", by="bob", begins_at=at(0), ends_at=at(60))

    def keep(rows: Rows) -> bool:
        dropped = Delivery(
            notice=notice(rows), channel="room", stage=Stage.DROPPED, not_before=at(1), says="muted until noon by bob",
            created_at=at(1), ended_at=at(1),
        )  # fmt: skip
        deliveries.plan(rows, [dropped])
        return mutes.kept_from(rows, mute, "INC-1")

    assert await store.write(keep)
    assert not await store.read(lambda rows: mutes.kept_from(rows, mute, "INC-2"))
    assert not await store.read(lambda rows: mutes.kept_from(rows, mute.with_(begins_at=at(2)), "INC-1"))


async def test_who_knows_of_an_incident_is_noted_with_the_last_message(store: Store) -> None:
    def tell(rows: Rows, minutes: float, thread: str, *, troubled: bool, rings: bool) -> None:
        gatherings.note_told(rows, "INC-1", ALICE, thread=thread, troubled=troubled, rings=rings, now=at(minutes))

    await store.write(lambda rows: tell(rows, 0, "INC-1", troubled=True, rings=True))
    await store.write(lambda rows: tell(rows, 1, "GRP-1", troubled=True, rings=False))
    knows = (await store.read(lambda rows: gatherings.knowing(rows, "INC-1")))[ALICE]
    assert (knows.thread, knows.troubled, knows.first_at, knows.rung_at) == ("GRP-1", True, at(0), at(0))
    assert await store.read(lambda rows: gatherings.is_known(rows, "INC-1"))
    assert await store.read(lambda rows: gatherings.told_lately(rows, ALICE, now=at(4))) == 1
    assert await store.read(lambda rows: gatherings.told_lately(rows, ALICE, now=at(6))) == 0
    await store.write(lambda rows: tell(rows, 2, "GRP-1", troubled=False, rings=True))
    assert not await store.read(lambda rows: gatherings.is_known(rows, "INC-1"))


async def test_the_messages_of_the_last_hour_are_counted_once_each(store: Store) -> None:
    def ring(rows: Rows) -> None:
        for number, minutes in enumerate((0, 30, 30.5, 59)):
            gatherings.ring(rows, number, ALICE, now=at(minutes))
            gatherings.ring(rows, number, ALICE, now=at(minutes))
        gatherings.ring(rows, 9, ROOM, now=at(0))

    await store.write(ring)
    assert await store.read(lambda rows: gatherings.rings(rows, ALICE, now=at(60))) == [at(30), at(30.5), at(59)]
    assert await store.read(lambda rows: gatherings.rings(rows, ROOM, now=at(60))) == []


async def test_a_message_of_several_is_due_told_and_closed(store: Store) -> None:
    def begin(rows: Rows) -> str:
        made = gatherings.open_(rows, "digest", ALICE, cause="", severity=Severity.INFO, now=at(0), due_at=at(10))
        gathered = Delivery(
            notice=notice(rows), channel="alice-sms", person="alice", thread=made.id, stage=Stage.GATHERED,
            not_before=at(0), says="later", created_at=at(0), ended_at=at(0),
        )  # fmt: skip
        deliveries.plan(rows, [gathered])
        return made.id

    id_ = await store.write(begin)
    assert await store.read(lambda rows: gatherings.due(rows, now=at(9))) == []
    [due] = await store.read(lambda rows: gatherings.due(rows, now=at(10)))
    assert (due.id, await store.read(gatherings.next_due)) == (id_, at(10))
    assert [one.kind for one in await store.read(lambda rows: gatherings.gathered(rows, due))] == ["escalated"]
    told = due.with_(told_at=at(10), due_at=None, messages=1, closed_at=at(10), needs_told=True)
    await store.write(lambda rows: gatherings.write(rows, told))
    assert await store.read(lambda rows: gatherings.get(rows, id_)) == told
    assert await store.read(lambda rows: gatherings.open_ones(rows, ALICE, "digest")) == []


async def test_a_message_of_several_is_over_when_each_of_its_incidents_is(store: Store) -> None:
    def fill(rows: Rows) -> list[bool]:
        made = gatherings.open_(rows, "storm", ALICE, cause="", severity=Severity.INFO, now=at(0), due_at=at(0))
        found = [gatherings.all_over(rows, made)]
        for number in range(2):
            id_ = open_one(rows, f"t{number}")
            gatherings.note_told(rows, id_, ALICE, thread=made.id, troubled=True, rings=False, now=at(0))
        for opened in incidents.open_ones(rows):
            found.append(gatherings.all_over(rows, made))
            incidents.move(rows, opened, Status.RESOLVED, reason="", next_steps=(), now=at(1))
        return [*found, gatherings.all_over(rows, made)]

    assert await store.write(fill) == [False, False, False, True]
    assert await store.read(gatherings.over_untold) == ["INC-1", "INC-2"]


async def test_calls_that_wait_can_be_taken_back(store: Store) -> None:
    def fill(rows: Rows) -> int:
        for kind in ("escalated", "healed"):
            planned = Delivery(
                notice=notice(rows, kind=kind), channel="room", not_before=at(0), thread="INC-1", created_at=at(0)
            )
            deliveries.plan(rows, [planned])
        return deliveries.recall(rows, "INC-1", kinds=("escalated", "reminder"), says="alice has it", now=at(1))

    assert await store.write(fill) == 1
    waiting = await store.read(lambda rows: deliveries.waiting(rows, "room"))
    assert len(waiting) == 1
