"""Deliveries: planned once, handed over in order, ended once, and never lost."""

from datetime import datetime, timedelta
from functools import partial
from importlib import resources

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Delivery, Notice, Receipt, Stage
from devops_agent.store import Store, deliveries, open_store, outbox, sqlite
from devops_agent.store.rows import Rows
from tests.store.connecting import connect

RECEIPT = Receipt(id="ts-1", data={"room": "C1"})


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def planned(
    store: Store, *notices: str, channel: str = "chat", due: float = 0, stage: Stage = Stage.WAITING
) -> list[Delivery]:
    """Write notices, each named by the thread that it is of, and plan one delivery of each."""

    def write(rows: Rows) -> list[Delivery]:
        known = len(outbox.latest(rows, limit=1_000))
        for number, thread in enumerate(notices):
            message = {"title": thread}
            outbox.put(
                rows,
                Notice(
                    key=f"{known + number}",
                    incident=thread,
                    kind="healed",
                    severity=Severity.INFO,
                    message=message,
                    created_at=START,
                ),
            )
        fresh = outbox.unrouted(rows)
        made = [
            Delivery(
                notice=one.id, channel=channel, thread=one.incident, stage=stage, not_before=at(due), created_at=START
            )
            for one in fresh
        ]
        deliveries.plan(rows, made)
        outbox.mark_routed(rows, [one.id for one in fresh], now=START)
        return [each for one in fresh for each in deliveries.of_notices(rows, [one.id])[one.id]]

    return await store.write(write)


async def due(store: Store, channel: str = "chat", *, now: float = 0, fewest_tries: bool = False) -> list[int]:
    found = await store.read(
        lambda rows: deliveries.due(rows, channel, now=at(now), limit=10, fewest_tries=fewest_tries)
    )
    return [one.id for one in found]


async def begun(store: Store, one: Delivery) -> Delivery:
    [sending] = await store.write(lambda rows: deliveries.begin(rows, [one]))
    return sending


async def seen(store: Store, one: Delivery) -> Delivery:
    found = await store.read(lambda rows: deliveries.of_notices(rows, [one.notice]))
    return next(each for each in found[one.notice] if each.id == one.id)


async def test_a_delivery_is_planned_once_for_each_notice_channel_and_person(store: Store) -> None:
    [one] = await planned(store, "INC-1")
    assert await store.write(lambda rows: deliveries.plan(rows, [one, one.with_(person="alice")])) == 1
    found = await store.read(lambda rows: deliveries.of_notices(rows, [one.notice]))
    assert [each.person for each in found[one.notice]] == ["", "alice"]


async def test_what_is_due_is_the_first_of_each_thread_in_the_order_of_notices(store: Store) -> None:
    first, _, other, _ = await planned(store, "INC-1", "INC-1", "INC-2", "INC-1")
    assert await due(store) == [first.id, other.id]
    assert await due(store, "another") == []
    assert await due(store, now=-1) == []


async def test_a_later_one_of_a_thread_waits_while_the_earlier_is_sent_or_tried_again(store: Store) -> None:
    first, second = await planned(store, "INC-1", "INC-1")
    sending = await begun(store, first)
    assert await due(store) == []
    await store.write(lambda rows: deliveries.put_off(rows, sending, until=at(60), says="503", unclear=False))
    assert await due(store) == []
    assert await due(store, now=60) == [first.id]
    again = await begun(store, sending)
    await store.write(lambda rows: deliveries.end(rows, again, now=at(61), receipt=RECEIPT))
    assert await due(store, now=61) == [second.id]


async def test_what_is_held_back_on_purpose_keeps_nobody_from_what_is_urgent(store: Store) -> None:
    await planned(store, "INC-1", due=3_600)
    [urgent] = await planned(store, "INC-1")
    assert await due(store) == [urgent.id]


async def test_a_channel_that_is_tried_out_gets_what_was_tried_least_often(store: Store) -> None:
    first, second = await planned(store, "INC-1", "INC-2")
    sending = await begun(store, first)
    await store.write(lambda rows: deliveries.put_off(rows, sending, until=START, says="503", unclear=False))
    assert await due(store) == [first.id, second.id]
    assert await due(store, fewest_tries=True) == [second.id, first.id]


async def test_what_was_sent_keeps_its_receipt_and_is_not_due_again(store: Store) -> None:
    [one] = await planned(store, "INC-1")
    sending = await begun(store, one)
    assert (sending.stage, sending.tries) == (Stage.SENDING, 1)
    assert await store.write(lambda rows: deliveries.end(rows, sending, now=at(1), receipt=RECEIPT))
    told = await seen(store, one)
    assert (told.stage, told.receipt, told.ended_at) == (Stage.SENT, RECEIPT, at(1))
    assert await due(store, now=10) == []
    assert await store.read(outbox.pending) == 0


async def test_one_that_was_begun_already_is_not_begun_again(store: Store) -> None:
    [one] = await planned(store, "INC-1")
    await begun(store, one)
    assert await store.write(lambda rows: deliveries.begin(rows, [one])) == []


async def test_a_try_that_is_not_the_latest_any_more_ends_nothing(store: Store) -> None:
    [one] = await planned(store, "INC-1")
    slow = await begun(store, one)
    assert await store.write(lambda rows: deliveries.put_off(rows, slow, until=at(1), says="lost", unclear=True))
    latest = await begun(store, await seen(store, one))
    assert not await store.write(lambda rows: deliveries.end(rows, slow, now=at(2), receipt=RECEIPT))
    assert not await store.write(lambda rows: deliveries.put_off(rows, slow, until=at(2), says="late", unclear=True))
    assert await store.write(lambda rows: deliveries.end(rows, latest, now=at(2), says="never"))
    assert (await seen(store, one)).stage is Stage.FAILED


async def test_what_is_under_way_is_found_and_counted_when_it_is_sent_again(store: Store) -> None:
    first, second = await planned(store, "INC-1", "INC-2")
    sent = await begun(store, first)
    assert await store.read(deliveries.under_way) == [sent]
    assert await store.write(lambda rows: deliveries.put_off(rows, sent, until=at(5), says="lost", unclear=True))
    found = await seen(store, first)
    assert (found.stage, found.repeats, found.tries, found.not_before) == (Stage.WAITING, 1, 1, at(5))
    assert await due(store, now=5) == [first.id, second.id]
    assert (await store.read(deliveries.counts))["chat", "repeated"] == 1


@pytest.mark.parametrize(("unclear", "repeats", "counted"), [(True, 1, "repeated"), (False, 0, "retried")])
async def test_another_try_is_counted_by_whether_the_first_may_have_worked(
    store: Store, *, unclear: bool, repeats: int, counted: str
) -> None:
    [one] = await planned(store, "INC-1")
    sending = await begun(store, one)
    await store.write(lambda rows: deliveries.put_off(rows, sending, until=at(9), says="slow", unclear=unclear))
    found = await seen(store, one)
    assert (found.repeats, found.says, found.not_before) == (repeats, "slow", at(9))
    assert await store.read(deliveries.counts) == {("chat", counted): 1}


async def test_a_channel_that_works_again_gets_at_once_what_waited_for_another_try(store: Store) -> None:
    first, second = await planned(store, "INC-1", "INC-2")
    [held] = await planned(store, "INC-3", due=3_600)
    sending = await begun(store, first)
    await store.write(lambda rows: deliveries.put_off(rows, sending, until=at(300), says="503", unclear=False))
    await store.write(lambda rows: deliveries.hasten(rows, "chat", now=at(10)))
    assert await due(store, now=10) == [first.id, second.id]
    assert (await seen(store, held)).not_before == at(3_600)


async def test_the_next_moment_is_that_of_the_first_that_is_not_due_yet(store: Store) -> None:
    await planned(store, "INC-1")
    await planned(store, "INC-2", due=60)
    await planned(store, "INC-3", due=90)
    next_due = partial(deliveries.next_due, channel="chat", now=START)
    assert await store.read(next_due) == at(60)
    assert await store.read(lambda rows: deliveries.next_due(rows, "chat", now=at(90))) is None


async def test_the_thread_s_first_message_is_the_one_that_is_changed(store: Store) -> None:
    first, second, other = await planned(store, "INC-1", "INC-1", "")
    for one, receipt in ((first, RECEIPT), (second, Receipt(id="ts-2")), (other, Receipt(id="ts-3"))):
        sending = await begun(store, one)
        await store.write(partial(deliveries.end, one=sending, now=at(1), receipt=receipt))
    earlier = partial(deliveries.thread_receipt, channel="chat", person="")
    assert await store.read(lambda rows: earlier(rows, "INC-1")) == RECEIPT
    assert await store.read(lambda rows: earlier(rows, "INC-2")) is None
    assert await store.read(lambda rows: earlier(rows, "")) is None
    assert await store.read(lambda rows: deliveries.thread_receipt(rows, "INC-1", channel="sms", person="")) is None


async def test_what_waits_for_a_channel_that_is_gone_is_found(store: Store) -> None:
    [one] = await planned(store, "INC-1", channel="old")
    await planned(store, "INC-2", channel="chat")
    assert [each.id for each in await store.read(lambda rows: deliveries.strangers(rows, ["chat"]))] == [one.id]


async def test_what_is_kept_from_people_is_counted_and_ends(store: Store) -> None:
    [one] = await planned(store, "INC-1")
    await planned(store, "INC-2", stage=Stage.DROPPED)
    set_aside = partial(deliveries.set_aside, one=one, stage=Stage.GATHERED, says="in the digest", now=at(1))
    assert await store.write(set_aside)
    assert not await store.write(set_aside)
    assert (await seen(store, one)).stage is Stage.GATHERED
    assert await store.read(deliveries.counts) == {("chat", "dropped"): 1, ("chat", "gathered"): 1}
    assert await store.read(outbox.pending) == 0


async def test_counts_outlive_the_deliveries_that_they_count(store: Store) -> None:
    [one] = await planned(store, "INC-1")
    sending = await begun(store, one)
    await store.write(lambda rows: deliveries.end(rows, sending, now=at(1), receipt=Receipt()))
    assert await store.write(lambda rows: outbox.forget(rows, created_before=at(1))) == 1
    assert await store.read(lambda rows: deliveries.of_notices(rows, [one.notice])) == {one.notice: []}
    assert await store.read(deliveries.counts) == {("chat", "sent"): 1}


async def test_notices_of_earlier_versions_are_kept_and_told_to_nobody_any_more(sqlite_url: str) -> None:
    earlier = connect(sqlite_url)
    earlier.begin()
    earlier.run("CREATE TABLE migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL)")
    folder = resources.files("devops_agent.store") / "migrations"
    for file in sorted((file for file in folder.iterdir() if file.name < "0007"), key=lambda file: file.name):
        for statement in sqlite.split(file.read_text()):
            earlier.run(statement)
        earlier.run("INSERT INTO migrations VALUES (:number, :name)", number=int(file.name[:4]), name=file.name)
    earlier.run(
        "INSERT INTO outbox (key, incident, kind, severity, message_json, created_at, not_before, channels)"
        " VALUES ('old', 'INC-1', 'healed', 'info', '{}', 1, 1, 'pam')"
    )
    earlier.commit()
    earlier.close()
    async with await open_store(sqlite_url) as store:
        [kept] = await store.read(outbox.latest)
        assert (kept.key, kept.routed_at) == ("old", kept.created_at)
        assert await store.read(outbox.unrouted) == []
        assert await store.read(outbox.pending) == 0
