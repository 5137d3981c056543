"""The postman: one durable run that has notices routed, hands them to channels in order, and parks until the next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from devops_agent.durable.dispatch import Job
from devops_agent.durable.retry import backoff
from devops_agent.model.notice import Delivery, Message, Receipt, Stage
from devops_agent.ports import NotifyError
from devops_agent.store import deliveries, events, outbox, runs
from devops_agent.store.rows import Rows, StoreError
from devops_agent.workers import elsewhere
from devops_agent.workers.elsewhere import UNDELIVERABLE
from devops_agent.workers.lines import Line
from devops_agent.workers.messages import known, message_of
from devops_agent.workers.round import MISTAKES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devops_agent.config.settings import Settings
    from devops_agent.durable.journal import Run
    from devops_agent.ports import Clock, Notifier
    from devops_agent.store import Store
    from devops_agent.store.runs import Claim

log = logging.getLogger("devops_agent.notify")

_AT_ONCE = 16
"""Messages handed over at the same time, over all channels."""
_PATIENCE = timedelta(seconds=30)
"""How long a channel may take for its answer."""
_FIRST_TRIES = 3
"""So often a message is tried in any case, however long it waited before its first time."""
_RETRY_FIRST = timedelta(milliseconds=250)
_RETRY_MOST = timedelta(minutes=5)
_NEAR = timedelta(seconds=2)
"""Up to so far ahead the run waits itself, instead of being parked and claimed anew."""
_LOOK_AGAIN = 5.0  # seconds; a wake-up that got lost costs no more
_REST = 0.05  # seconds between two looks when something is due that cannot be had yet
_ENDING = 5.0
"""Seconds that channels get for their answers when the run ends."""
_LAST_WORDS = (0.0, 0.5, 2.0)
"""Seconds before each try to write down what channels answered while the run is ending."""
_LATER = timedelta(minutes=1)


class Channels(Protocol):
    """The channels of the settings."""

    def of(self, name: str) -> Notifier:
        """Return what delivers to a channel, built when it is first needed.

        Raises:
            NotifyError: it cannot be built, permanent.

        """


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the postman works with."""

    store: Store
    clock: Clock
    settings: Settings
    channels: Channels
    look_up: Callable[[datetime], Awaitable[None]]
    """Reads what `route` needs from files: before its transaction, for which everybody else who writes has to wait."""
    route: Callable[[Rows, Settings, datetime], None]
    """Decides of new notices who is told where and when, and puts notices that are due by themselves."""
    next_due: Callable[[Rows, Settings], datetime | None]
    """When `route` has something to do without a new notice; None: never."""
    patience: timedelta = _PATIENCE
    boundary: Callable[[str], None] = lambda _: None
    """Called at every point where a kill could fall between two writes; tests kill there."""


def jobs(desk: Desk) -> Mapping[str, Job]:
    """Return what is done with runs of the queue `notify`."""

    def give_up(rows: Rows, claim: Claim, says: str) -> None:
        now = desk.clock.now()
        events.add(rows, "notify_failed", f"people cannot be told: {says}", at=now)
        outbox.wake(rows, now=now, not_before=now + _LATER)
        log.error("people cannot be told", extra={"run": claim.id, "error": says})

    return {outbox.JOB: Job(do=Postman(desk).deliver, give_up=give_up)}


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A delivery that was begun, with what the channel is handed."""

    delivery: Delivery
    message: Message


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of handing it over."""

    delivery: Delivery
    at: datetime
    receipt: Receipt | None = None
    says: str = ""
    """Why it was not taken."""
    again_at: datetime | None = None
    """When it is tried again; None: it was taken, or never will be."""
    unclear: bool = False
    """Whether it may have been taken all the same."""
    revived: bool = False
    """Whether the channel was down before."""


@dataclass(kw_only=True)
class _Turn:
    """What one look at the rows has brought."""

    parcels: list[Parcel] = field(default_factory=list)
    next_at: datetime | None = None


class Postman:
    """Delivers for as long as it holds the run; nobody else does meanwhile."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lines: dict[str, Line] = {}
        self._bell = desk.store.bell.on(outbox.QUEUE, "events")
        self._tasks: dict[asyncio.Task[Answer], Line] = {}
        """What is under way until its answer was taken in: a place that is free earlier would be one message too many
        that is lost together with the process."""
        self._answers: list[Answer] = []
        """Not written down yet."""
        self._route_at: datetime | None = None

    async def deliver(self, run: Run) -> None:
        """Deliver what is due; return when nothing is to come any more, else park until it is."""
        clock, store = self._desk.clock, self._desk.store
        await store.write(lambda rows: self._find_lost(rows, run.claim))
        self._route_at = clock.now()
        try:
            while True:
                turn = await self._turn(run)
                self._hand_over(turn.parcels)
                if not self._tasks:
                    if turn.next_at is None:
                        return
                    if turn.next_at > clock.now() + _NEAR:
                        await run.park(until=turn.next_at, waits_on="the next message that is due")
                await self._wait(turn.next_at)
        finally:
            await self._let_end()

    def _find_lost(self, rows: Rows, claim: Claim) -> None:
        """Have sent again what was being sent when the process that did so was killed.

        What was under way each time may be what kills it: that is tried less and less, and given up like any other.
        """
        runs.guard(rows, claim)  # what is under way may be another process's by now
        now, settings = self._desk.clock.now(), self._desk.settings
        found = deliveries.under_way(rows)
        for one in found:
            often = one.tries >= _FIRST_TRIES
            given_up = often and now - one.created_at >= settings.notify.give_up_after
            again_at = None if given_up else now + (backoff(one.tries, most=_RETRY_MOST) if often else timedelta())
            says = "the process that sent it ended before the channel had answered"
            self._settle(rows, Answer(delivery=one, at=now, says=says, again_at=again_at, unclear=True), settings)
        if found:
            log.warning("messages were being sent when a process ended: nobody knows whether they were taken",
                        extra={"messages": len(found)})  # fmt: skip

    async def _turn(self, run: Run) -> _Turn:
        """Write what channels answered, have new notices routed, and begin what may be handed over now."""
        now = self._desk.clock.now()
        if self._bell.is_set() or (self._route_at is not None and now >= self._route_at):
            self._bell.clear()
            await self._route(run, now)
        answers, settings = tuple(self._answers), self._desk.settings

        def work(rows: Rows) -> _Turn:
            runs.guard(rows, run.claim)
            for one in answers:
                self._settle(rows, one, settings)
            return self._begin(rows, settings, now)

        self._desk.boundary("turn")
        turn = await self._desk.store.write(work, tell=("events",) if any(map(_is_news, answers)) else ())
        del self._answers[: len(answers)]
        self._desk.boundary("turned")
        return turn

    async def _route(self, run: Run, now: datetime) -> None:
        settings = self._desk.settings

        def work(rows: Rows) -> datetime | None:
            runs.guard(rows, run.claim)
            self._desk.route(rows, settings, now)
            names = [one.name for one in settings.notify.channels]
            for one in deliveries.strangers(rows, names):
                says = f"no channel {one.channel!r} (any more); known: {', '.join(names) or 'none'}"
                deliveries.set_aside(rows, one, Stage.FAILED, says=says, now=now)
            return self._desk.next_due(rows, settings)

        self._desk.boundary("route")
        try:
            await self._desk.look_up(now)
            self._route_at = await self._desk.store.write(work)
        except StoreError:
            raise
        except Exception:  # the edge of routing: what was routed before is delivered all the same
            log.exception("new notices cannot be routed; another try follows")
            self._route_at = now + timedelta(seconds=_LOOK_AGAIN)
        self._desk.boundary("routed")

    def _begin(self, rows: Rows, settings: Settings, now: datetime) -> _Turn:
        """Mark as begun what there is room for, and find out when there is more to do."""
        turn = _Turn(next_at=self._route_at)
        room = _AT_ONCE - len(self._tasks)
        page = settings.web.page()
        for channel in settings.notify.channels:
            line = self._lines.setdefault(channel.name, Line())
            # One place is always kept: channels that hang would leave none to those after them.
            most = min(max(room, 0 if line.under_way else 1), line.room(now))
            found = deliveries.due(rows, channel.name, now=now, limit=most, fewest_tries=line.down)
            begun = deliveries.begin(rows, found)
            room -= len(begun)
            turn.parcels += self._packed(rows, begun, page=page, now=now)
            moments = turn.next_at, line.opens(now), deliveries.next_due(rows, channel.name, now=now)
            turn.next_at = min((moment for moment in moments if moment is not None), default=None)
        return turn

    def _packed(self, rows: Rows, begun: Sequence[Delivery], *, page: str, now: datetime) -> Iterator[Parcel]:
        """Yield what channels are handed; what cannot be put into words fails, and holds up nothing else."""
        for one in begun:
            try:
                yield self._parcel(rows, one, page=page, now=now)
            except MISTAKES as error:
                log.exception("a message cannot be made", extra={"notice": one.notice, "channel": one.channel})
                says = f"it cannot be put into words ({type(error).__name__})"
                deliveries.end(rows, one, now=now, receipt=None, says=says)
                events.add(rows, UNDELIVERABLE, f"{one.channel} was not told {one.notice}: {says}", at=now)

    def _parcel(self, rows: Rows, one: Delivery, *, page: str, now: datetime) -> Parcel:
        notice = outbox.get(rows, one.notice)
        assert notice is not None  # noqa: S101 — a delivery does not outlive its notice
        earlier = deliveries.thread_receipt(rows, one.thread, channel=one.channel, person=one.person)
        beside = known(rows, notice, now=now)
        return Parcel(delivery=one, message=message_of(notice, one, beside, page=page, earlier=earlier))

    def _hand_over(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            line = self._lines[parcel.delivery.channel]
            line.under_way += 1
            task = asyncio.create_task(self._send(parcel, line), name=f"notify {parcel.message.key}")
            self._tasks[task] = line

    async def _send(self, parcel: Parcel, line: Line) -> Answer:
        """Hand one message to its channel; whatever goes wrong there is an answer, too."""
        one, clock = parcel.delivery, self._desk.clock
        self._desk.boundary(f"send {parcel.message.key}")
        try:
            async with asyncio.timeout(self._desk.patience.total_seconds()):
                receipt = await self._desk.channels.of(one.channel).send(parcel.message)
        except NotifyError as error:
            answer = self._refused(one, error, line)
        except TimeoutError:
            says = f"{one.channel} did not answer within {self._desk.patience.total_seconds():g} s"
            answer = self._failed(one, says, line, unclear=True)
        except Exception as error:  # the edge of a plugin: a mistake in one channel keeps nobody from the others
            log.exception("a channel failed", extra={"channel": one.channel, "notice": parcel.message.key})
            answer = self._failed(one, f"{type(error).__name__}: {error}", line, unclear=True)
        else:
            answer = Answer(delivery=one, at=clock.now(), receipt=receipt, revived=line.answered())
        self._desk.boundary(f"sent {parcel.message.key}")
        _log(answer, parcel.message)
        return answer

    def _refused(self, one: Delivery, error: NotifyError, line: Line) -> Answer:
        if error.permanent:
            return Answer(delivery=one, at=self._desk.clock.now(), says=str(error), revived=line.answered())
        return self._failed(one, str(error), line, after=error.after, unclear=error.unclear)

    def _failed(
        self, one: Delivery, says: str, line: Line, *, after: timedelta | None = None, unclear: bool = False
    ) -> Answer:
        """Try again later, unless that was done for too long."""
        now, give_up = self._desk.clock.now(), self._desk.settings.notify.give_up_after
        line.failed(now, after=after)
        if one.tries >= _FIRST_TRIES and now - one.created_at >= give_up:
            return Answer(delivery=one, at=now, says=f"{says}; it was tried {one.tries} times")
        wait = max(backoff(one.tries, first=_RETRY_FIRST, most=_RETRY_MOST), min(after or timedelta(), give_up))
        return Answer(delivery=one, at=now, says=says, again_at=now + wait, unclear=unclear)

    def _settle(self, rows: Rows, answer: Answer, settings: Settings) -> None:
        """Write what a channel answered."""
        one = answer.delivery
        if answer.revived:
            deliveries.hasten(rows, one.channel, now=answer.at)
        if answer.again_at is not None:
            deliveries.put_off(rows, one, until=answer.again_at, says=answer.says, unclear=answer.unclear)
            return
        ended = deliveries.end(rows, one, now=answer.at, receipt=answer.receipt, says=answer.says)
        if ended and answer.receipt is None:
            elsewhere.tell(rows, one, says=answer.says, settings=settings, now=answer.at)

    async def _wait(self, next_at: datetime | None) -> None:
        """Wait for an answer, for a ring, or for what is due next; take in the answers."""
        clock = self._desk.clock
        seconds = _LOOK_AGAIN if next_at is None else (next_at - clock.now()).total_seconds()
        ring = asyncio.create_task(self._bell.wait())
        time = asyncio.create_task(clock.sleep(min(max(seconds, _REST), _LOOK_AGAIN)))
        try:
            await asyncio.wait((*self._tasks, ring, time), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ring.cancel()
            time.cancel()
        self._take_in()

    def _take_in(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.pop(task).under_way -= 1
            self._answers.append(task.result())

    async def _let_end(self) -> None:
        """Wait for what is under way and write it down, so that nothing that people have seen is sent again."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_ENDING)
        for task in [task for task in self._tasks if not task.done()]:
            task.cancel()
            self._tasks.pop(task).under_way -= 1
        self._take_in()

        def work(rows: Rows) -> None:
            for one in self._answers:
                self._settle(rows, one, self._desk.settings)

        for pause in _LAST_WORDS:
            if not self._answers:
                return
            await self._desk.clock.sleep(pause)
            try:
                await self._desk.store.write(work)
            except StoreError as error:
                log.warning("cannot write down what channels answered", extra={"error": str(error)})
            else:
                self._answers.clear()
        self._answers.clear()  # what was not written counts as lost, and is sent again


def _is_news(answer: Answer) -> bool:
    return answer.receipt is None and answer.again_at is None


def _log(answer: Answer, message: Message) -> None:
    one = answer.delivery
    about = {
        "channel": one.channel,
        "person": one.person,
        "notice": message.key,
        "incident": message.thread,
        "about": message.kind,
        "tries": one.tries,
    }
    if answer.receipt is not None:
        log.info("notice sent", extra=about)
    elif answer.again_at is not None:
        log.warning("notice not taken, another try follows", extra={**about, "says": answer.says})
    else:
        log.error("notice undeliverable", extra={**about, "says": answer.says})
