"""The postman: nothing is lost, nothing comes twice or out of order, whatever channels and processes do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from devops_agent.config.settings import Settings
from devops_agent.durable.journal import Run
from devops_agent.kit.testing import START, FakeNotifier
from devops_agent.model.notice import Delivery, Message, Receipt, Stage
from devops_agent.ports import NotifyError
from devops_agent.store import deliveries, events, outbox, runs
from devops_agent.store.rows import Rows, StaleError, StoreBusyError, to_us
from devops_agent.workers.lines import AT_ONCE
from tests.engine.inline import InlineStore, SteppedClock, new_database
from tests.workers.posting import ALICE, Office, down, gone, plan_all

MINUTE = 60


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("template") / "agent.db"


@pytest.fixture
async def office(tmp_path: Path, template: Path) -> AsyncIterator[Office]:
    await new_database(tmp_path / "agent.db", template=template)
    made = Office(store=InlineStore(tmp_path / "agent.db"), clock=SteppedClock())
    yield made
    await made.store.close()


async def run_status(office: Office) -> list[str]:
    rows = await office.store.read(lambda rows: rows.all("SELECT status FROM runs ORDER BY id"))
    return [row["status"] for row in rows]


async def test_a_notice_is_told_the_moment_it_is_put_and_the_run_ends_when_nothing_is_to_come(office: Office) -> None:
    async with office.open():
        await office.pass_(7)
        await office.put("INC-1")
        await office.pass_()
        assert office.keys() == ["0"]
        assert await office.stages() == {Stage.SENT}
        assert await run_status(office) == ["done"]


async def test_what_comes_while_others_are_sent_is_not_kept_waiting(office: Office) -> None:
    answered = asyncio.Event()

    class Slow(FakeNotifier):
        async def send(self, message: Message) -> Receipt:
            if message.thread == "INC-1":
                await answered.wait()
            return await super().send(message)

    office.channels["chat"] = Slow()
    async with office.open():
        await office.put("INC-1")
        await office.pass_()
        await office.put("INC-2")
        await office.pass_()
        assert office.keys() == ["1"]
        answered.set()
        await office.pass_()
        assert office.keys() == ["1", "0"]


async def test_a_channel_is_handed_a_few_at_a_time(office: Office) -> None:
    async with office.open():
        await office.put(*(f"INC-{number}" for number in range(30)))
        await office.pass_()
    assert len(office.keys()) == 30
    assert 1 < office.channels["chat"].most_at_once <= AT_ONCE


async def test_notices_of_one_incident_come_in_order_though_an_early_one_is_refused_for_a_while(office: Office) -> None:
    early = iter([down()] * 3)
    office.channels["chat"].trouble = lambda message: next(early, None) if message.key.startswith("0/") else None
    async with office.open():
        await office.put("INC-1", "INC-2", "INC-1", "INC-1")
        await office.pass_()
        assert office.keys() == ["1"]
        await office.pass_(MINUTE)
        assert office.keys() == ["1", "0", "2", "3"]
        assert [one.tries for one in await office.deliveries()] == [4, 1, 1, 1]


async def test_each_channel_goes_on_while_another_is_down(office: Office) -> None:
    office.channels["sms"] = FakeNotifier(trouble=down)
    async with office.open():
        await office.put("INC-1", "INC-1")
        await office.pass_()
        assert office.keys() == ["0", "1"]
        assert office.keys("sms") == []


async def test_a_channel_that_is_down_is_tried_with_one_message_at_a_time_and_gets_all_once_it_is_back(
    office: Office,
) -> None:
    chat = office.channels["chat"]
    chat.trouble = down
    async with office.open():
        await office.put(*(f"INC-{number % 5}" for number in range(40)))
        await office.pass_(30 * MINUTE)
        assert len(chat.handed) < 80  # forty messages, each tried twice a minute, would be more than 2,000
        chat.trouble = lambda _: None
        await office.pass_(2 * MINUTE)
        assert sorted(office.keys(), key=int) == [str(number) for number in range(40)]
        for number in range(5):
            told = [int(one.key.split("/")[0]) for one in chat.of_thread(f"INC-{number}")]
            assert told == sorted(told)


async def test_a_channel_that_asks_to_be_left_alone_is_left_alone(office: Office) -> None:
    chat = office.channels["chat"]
    chat.trouble = lambda _: NotifyError("429", permanent=False, after=timedelta(minutes=3))
    async with office.open():
        await office.put("INC-1", "INC-2")
        await office.pass_()
        tried = len(chat.handed)
        chat.trouble = lambda _: None
        await office.pass_(3 * MINUTE - 1)
        assert len(chat.handed) == tried
        await office.pass_(2)
        assert len(chat.told) == 2


async def test_a_message_that_is_never_taken_keeps_no_later_ones_from_being_told(office: Office) -> None:
    chat = office.channels["chat"]
    chat.trouble = lambda message: ValueError("cannot be shown") if message.thread == "INC-1" else None
    async with office.open():
        await office.put("INC-1")
        await office.pass_(10 * MINUTE)
        await office.put("INC-2", "INC-3")
        await office.pass_(2 * MINUTE)
        assert office.keys() == ["1", "2"]


async def test_what_a_channel_does_not_take_for_too_long_fails_and_is_tried_no_more(office: Office) -> None:
    chat = office.channels["chat"]
    chat.trouble = down
    office.give_up_after = timedelta(hours=1)
    async with office.open():
        await office.put("INC-1")
        await office.pass_(59 * MINUTE)
        assert await office.stages() == {Stage.WAITING}
        await office.pass_(10 * MINUTE)
        [one] = await office.deliveries()
        assert one.stage is Stage.FAILED
        assert one.says == f"503; it was tried {one.tries} times"
        assert await run_status(office) == ["done"]


async def test_a_message_that_waited_for_long_before_its_first_try_is_tried_all_the_same(office: Office) -> None:
    early = iter([down()] * 2)
    office.channels["chat"].trouble = lambda _: next(early, None)
    office.give_up_after = timedelta(minutes=1)
    await office.put("INC-1")
    office.clock.jump(3_600)
    async with office.open():
        await office.pass_(MINUTE)
        assert office.keys() == ["0"]


async def test_a_permanent_refusal_is_told_through_the_other_channels_and_in_the_timeline(office: Office) -> None:
    office.channels |= {"sms": FakeNotifier(trouble=gone), "mail": FakeNotifier()}
    async with office.open():
        await office.put("INC-1")
        await office.pass_()
    says = "sms did not take 'INC-1 is down': no such number; change notify.channels"
    for name in ("chat", "mail"):
        first, second = office.channels[name].told
        assert (first.kind, second.kind, second.thread) == ("escalated", "undeliverable", "INC-1")
        assert second.says == f"it did not help ({says})"
    assert len(office.channels["sms"].handed) == 1
    told = await office.store.read(lambda rows: events.of_incident(rows, "INC-1"))
    assert [(event.kind, event.says, event.data["channel"]) for event in told] == [("undeliverable", says, "sms")]


async def test_what_cannot_be_told_anywhere_ends_and_makes_no_loop(office: Office) -> None:
    office.channels = {"sms": FakeNotifier(trouble=gone), "mail": FakeNotifier(trouble=gone)}
    async with office.open():
        await office.put("INC-1")
        await office.pass_(MINUTE)
    assert [one.kind for one in office.channels["mail"].handed].count("undeliverable") == 1
    assert await office.stages() == {Stage.FAILED}
    assert len(await office.store.read(outbox.latest)) == 3
    assert await run_status(office) == ["done"]


async def test_a_person_s_message_that_is_refused_goes_to_that_person_s_other_channels(office: Office) -> None:
    office.channels |= {"sms": FakeNotifier(trouble=gone), "mail": FakeNotifier()}
    office.people = (ALICE,)

    def to_alice(rows: Rows, _settings: object, now: object) -> None:
        del now
        for one in outbox.unrouted(rows):
            at = one.created_at
            deliveries.plan(
                rows, [Delivery(notice=one.id, channel="sms", person="alice", not_before=at, created_at=at)]
            )
            outbox.mark_routed(rows, [one.id], now=at)

    office.route = to_alice
    async with office.open():
        await office.put("INC-1")
        await office.pass_()
    assert [one.person for one in office.channels["mail"].told] == ["alice"]
    assert office.channels["chat"].told == []


async def test_what_waits_for_a_channel_that_was_taken_out_of_the_settings_fails(office: Office) -> None:
    office.channels["chat"].trouble = down
    async with office.open():
        await office.put("INC-1")
        await office.pass_()
    office.channels = {"mail": FakeNotifier()}
    async with office.open():
        await office.pass_(MINUTE)
    [one] = await office.deliveries()
    assert (one.stage, one.says) == (Stage.FAILED, "no channel 'chat' (any more); known: mail")


async def test_an_answer_that_does_not_come_leads_to_a_repeat_that_is_counted(office: Office) -> None:
    given_up = asyncio.Event()

    class Hanging(FakeNotifier):
        async def send(self, message: Message) -> Receipt:
            if not given_up.is_set():
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    given_up.set()
            return await super().send(message)

    office.channels["chat"] = Hanging()
    office.patience = timedelta(milliseconds=50)
    async with office.open():
        await office.put("INC-1")
        await asyncio.wait_for(given_up.wait(), 5)
        await office.pass_(MINUTE)
    [one] = await office.deliveries()
    assert (one.stage, one.tries, one.repeats) == (Stage.SENT, 2, 1)
    assert (await office.store.read(deliveries.counts))["chat", "repeated"] == 1


async def test_a_channel_s_own_word_that_an_answer_got_lost_is_counted_as_a_repeat(office: Office) -> None:
    lost = iter([NotifyError("it does not answer in time", permanent=False, unclear=True)])
    office.channels["chat"].trouble = lambda _: next(lost, None)
    async with office.open():
        await office.put("INC-1")
        await office.pass_(MINUTE)
    [one] = await office.deliveries()
    assert (one.stage, one.tries, one.repeats) == (Stage.SENT, 2, 1)


async def test_a_later_message_of_a_thread_carries_the_receipt_of_its_first(office: Office) -> None:
    async with office.open():
        await office.put("INC-1", "INC-1", "INC-2", "INC-1")
        await office.pass_()
    first, *later = office.channels["chat"].of_thread("INC-1")
    assert first.earlier is None
    assert [one.earlier.data["key"] for one in later if one.earlier] == [first.key] * 2


async def test_what_is_due_later_is_told_then_and_the_process_may_end_meanwhile(office: Office) -> None:
    def in_an_hour(rows: Rows, _settings: object, now: datetime) -> None:
        for one in outbox.unrouted(rows):
            later = now + timedelta(hours=1)
            deliveries.plan(rows, [Delivery(notice=one.id, channel="chat", not_before=later, created_at=now)])
            outbox.mark_routed(rows, [one.id], now=now)

    office.route = in_an_hour
    async with office.open():
        await office.put("INC-1")
        await office.pass_(10)
        assert office.keys() == []
        assert await run_status(office) == ["parked"]
        due = await office.store.read(lambda rows: runs.next_due(rows, outbox.QUEUE))
        assert due == to_us(START + timedelta(hours=1))
        await office.pass_(3_600)
        assert office.keys() == ["0"]


@pytest.mark.parametrize("fault", [ValueError("a mistake"), KeyError("x")])
async def test_when_routing_fails_what_was_routed_is_told_and_routing_is_tried_again(
    office: Office, fault: Exception
) -> None:
    plan = office.route
    faults = iter([None, fault])

    def fail_once(*given: object) -> None:
        if (error := next(faults, None)) is not None:
            raise error
        plan(*given)

    office.route = fail_once
    early = iter([down()])
    office.channels["chat"].trouble = lambda _: next(early, None)
    async with office.open():
        await office.put("INC-1")
        await office.pass_()
        await office.put("INC-2")
        await office.pass_()
        assert office.keys() == []
        await office.pass_(10)
        assert office.keys() == ["0", "1"]


async def test_answers_that_cannot_be_written_at_first_are_written_when_the_store_is_back(office: Office) -> None:
    trouble = StoreBusyError("locked")

    def lock(_: Message) -> None:
        office.store.trouble = trouble

    office.channels["chat"].trouble = lock
    async with office.open():
        await office.put("INC-1")
        await office.pass_()
        office.store.trouble = None
        await office.pass_(3)
        assert len(office.channels["chat"].handed) == 1
        assert await office.stages() == {Stage.SENT}


async def test_a_run_that_fails_again_and_again_is_told_and_begun_anew_after_a_while(office: Office) -> None:
    await office.put("INC-1")
    await office.store.write(lambda rows: rows.run("ALTER TABLE deliveries RENAME TO gone"))
    async with office.open():
        await office.pass_(5 * MINUTE)
        told = [event for event in await office.store.read(events.latest) if event.kind == "notify_failed"]
        assert told
        assert told[0].says.startswith("people cannot be told: ")
        await office.store.write(lambda rows: rows.run("ALTER TABLE gone RENAME TO deliveries"))
        await office.pass_(2 * MINUTE)
        assert office.keys() == ["0"]


async def letters(office: Office) -> None:
    """Put notices in two goes, and let them be told, with a new life after each kill."""
    await office.put("INC-1", "INC-2", "INC-1")
    for _ in range(6):
        async with office.open():
            await office.pass_(30)
            if not office.store.dead and len(await office.store.read(outbox.latest)) == 3:
                await office.put("INC-2", kind="healed")
                await office.pass_(30)
        if not office.store.dead:
            return
        await office.revive()


async def check(office: Office, *, lives: int) -> None:
    """Everything was told, in order, and what was told twice is what was under way at a kill, and counted."""
    found, [chat] = await office.deliveries(), office.channels.values()
    assert [one.stage for one in found] == [Stage.SENT] * 4
    handed = [one.key for one in chat.handed]
    repeated = len(handed) - len(set(handed))
    assert len(set(handed)) == 4
    assert repeated <= sum(one.repeats for one in found) <= (lives - 1) * AT_ONCE
    assert len(chat.told) == (4 if chat.knows_repeats else 4 + repeated)
    for thread in ("INC-1", "INC-2"):
        seen = [one.key for one in chat.of_thread(thread)]
        assert seen == sorted(seen)


@pytest.mark.parametrize("knows_repeats", [False, True])
@pytest.mark.parametrize("again_after", [0, 5])
async def test_wherever_the_process_is_killed_nothing_is_lost_and_only_what_was_under_way_is_repeated_and_counted(
    tmp_path: Path, template: Path, again_after: int, *, knows_repeats: bool
) -> None:
    async def live(name: str, *kills: int) -> Office:
        await new_database(tmp_path / name, template=template)
        office = Office(store=InlineStore(tmp_path / name), clock=SteppedClock())
        office.channels["chat"] = FakeNotifier(knows_repeats=knows_repeats)
        office.kill_at = set(kills)
        await letters(office)
        await check(office, lives=1 + len(kills))
        await office.store.close()
        return office

    boundaries = (await live("undisturbed")).boundaries
    assert {name.split()[0] for name in boundaries} == {"route", "routed", "turn", "turned", "send", "sent"}
    for moment in range(len(boundaries)):
        kills = (moment, moment + again_after) if again_after else (moment,)
        await live(f"{moment}", *kills)


async def test_a_message_that_cannot_be_made_fails_and_keeps_no_other_from_being_told(office: Office) -> None:
    def spoil(rows: Rows, settings: Settings, now: object) -> None:
        plan_all(rows, settings, now)
        rows.run("UPDATE outbox SET message_json = '[1]' WHERE incident = 'INC-1'")

    office.route = spoil
    async with office.open():
        await office.put("INC-1", "INC-2")
        await office.pass_()
        assert office.keys() == ["1"]
        assert [one.stage for one in await office.deliveries()] == [Stage.FAILED, Stage.SENT]
        assert await run_status(office) == ["done"]


async def test_channels_that_hang_leave_room_for_those_that_do_not(office: Office) -> None:
    class Hangs(FakeNotifier):
        async def send(self, message: Message) -> Receipt:
            await asyncio.Event().wait()
            return await super().send(message)

    office.channels = {"sms": Hangs(), "mail": Hangs(), "chat": FakeNotifier()}
    async with office.open():
        await office.put(*(f"INC-{number}" for number in range(2 * AT_ONCE)))
        await office.pass_(1)
        assert len(office.keys()) == 2 * AT_ONCE


async def test_what_is_about_no_incident_is_not_held_up_by_another_of_that_kind_that_is_refused(office: Office) -> None:
    office.channels["chat"].trouble = lambda message: down() if message.key.startswith("0/") else None
    async with office.open():
        await office.put("", kind="report")
        await office.put("", kind="slo")
        await office.pass_(MINUTE)
        assert office.keys() == ["1"]


async def test_what_kills_the_process_each_time_is_tried_less_and_less_and_given_up(office: Office) -> None:
    office.give_up_after = timedelta(minutes=10)
    lives = 0

    class Deadly(FakeNotifier):
        async def send(self, message: Message) -> Receipt:
            if message.thread == "INC-1":
                office.store.dead = True
                raise asyncio.CancelledError
            return await super().send(message)

    office.channels["chat"] = Deadly()
    await office.put("INC-1")
    while office.clock.now() < START + timedelta(hours=1):
        async with office.open():
            await office.pass_(5 * MINUTE)
        lives += office.store.dead
        await office.revive()
    assert lives < 20
    assert await office.stages() == {Stage.FAILED}


async def test_a_process_that_has_lost_the_run_takes_nothing_from_whoever_has_it_now(office: Office) -> None:
    await office.put("INC-1")
    now = office.clock.now()

    def begin_elsewhere(rows: Rows) -> None:
        plan_all(rows, office.settings, now)
        old = runs.claim(rows, outbox.QUEUE, owner="old", now=now, lease=timedelta(seconds=1))
        later = now + timedelta(seconds=2)
        new = runs.claim(rows, outbox.QUEUE, owner="new", now=later, lease=timedelta(minutes=1))
        assert old is not None
        assert new is not None
        deliveries.begin(rows, deliveries.due(rows, "chat", now=later, limit=1))
        claims.append(old)

    claims: list[runs.Claim] = []
    await office.store.write(begin_elsewhere)
    with pytest.raises(StaleError):
        await office.postman().deliver(Run(office.store, claims[0], clock=office.clock))
    assert await office.stages() == {Stage.SENDING}


async def test_what_routing_needs_from_files_is_read_before_its_transaction(office: Office) -> None:
    looked_up: list[int] = []

    def note(rows: Rows, settings: Settings, now: object) -> None:
        looked_up.append(office.looked_up)
        plan_all(rows, settings, now)

    office.route = note
    async with office.open():
        await office.put("INC-1")
        await office.pass_()
    assert looked_up == list(range(1, len(looked_up) + 1))
    assert looked_up
