"""A postman at work in the background, with channels that show what people would see."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from devops_agent.config.settings import Settings
from devops_agent.durable.dispatch import Dispatcher
from devops_agent.kit.testing import FakeNotifier, Killed
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Notify, Person
from devops_agent.model.notice import Delivery, Notice, Stage
from devops_agent.ports import Notifier, NotifyError
from devops_agent.store import deliveries, outbox, runs
from devops_agent.store.rows import Rows
from devops_agent.workers import notify
from tests.engine.inline import InlineStore, SteppedClock

ALICE = Person(name="alice", channels=("sms", "mail"))


def down(*_: object) -> NotifyError:
    return NotifyError("503", permanent=False)


def gone(*_: object) -> NotifyError:
    return NotifyError("no such number; change notify.channels", permanent=True)


def plan_all(rows: Rows, settings: Settings, now: object) -> None:
    """Route every notice to every channel."""
    del now
    for one in outbox.unrouted(rows):
        deliveries.plan(
            rows,
            [
                Delivery(
                    notice=one.id,
                    channel=channel.name,
                    thread=one.incident,
                    not_before=one.created_at,
                    created_at=one.created_at,
                )
                for channel in settings.notify.channels
            ],
        )
        outbox.mark_routed(rows, [one.id], now=one.created_at)


@dataclass
class Office:
    """Everything that a postman works with; `life` begins it, and `kill_at` ends it without a word."""

    store: InlineStore
    clock: SteppedClock
    channels: dict[str, FakeNotifier] = field(default_factory=lambda: {"chat": FakeNotifier()})
    people: tuple[Person, ...] = ()
    give_up_after: timedelta = timedelta(hours=24)
    patience: timedelta = timedelta(seconds=30)
    route: Callable[..., None] = plan_all
    looked_up: int = 0
    """How often files were read that routing needs."""
    boundaries: list[str] = field(default_factory=list)
    kill_at: set[int] = field(default_factory=set)

    @property
    def settings(self) -> Settings:
        channels = tuple(Channel(name=name, via="webhook") for name in self.channels)
        return Settings().with_(notify=Notify(channels=channels, people=self.people, give_up_after=self.give_up_after))

    def of(self, name: str) -> Notifier:
        return self.channels[name]

    def desk(self) -> notify.Desk:
        """Return what a postman works with."""
        return notify.Desk(
            store=self.store,
            clock=self.clock,
            settings=self.settings,
            channels=self,
            look_up=self._look_up,
            route=self.route,
            next_due=lambda _rows, _settings: None,
            patience=self.patience,
            boundary=self._boundary,
        )

    def postman(self) -> notify.Postman:
        """Return one that nobody has begun yet."""
        return notify.Postman(self.desk())

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let a postman work in the background."""
        desk = self.desk()
        dispatcher = Dispatcher(
            self.store, outbox.QUEUE, notify.jobs(desk), clock=self.clock, owner="notify", hears=("events",)
        )
        loop = asyncio.create_task(dispatcher.run())
        try:
            yield
        finally:
            await dispatcher.drain(seconds=0)
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)

    async def put(self, *incidents: str, kind: str = "escalated", later: float = 0) -> None:
        """Put a notice about each of these incidents in the outbox, keyed by their number."""
        await self.store.write(lambda rows: self.put_now(rows, *incidents, kind=kind, later=later), tell=("events",))

    def put_now(self, rows: Rows, *incidents: str, kind: str = "escalated", later: float = 0) -> None:
        now = self.clock.now() + timedelta(seconds=later)
        known = len(outbox.latest(rows, limit=100_000))
        for number, incident in enumerate(incidents):
            outbox.put(
                rows,
                Notice(
                    key=f"{known + number}",
                    incident=incident,
                    kind=kind,
                    severity=Severity.CRITICAL,
                    message={"title": f"{incident} is down", "says": "it did not help"},
                    created_at=now,
                ),
            )

    async def pass_(self, seconds: float = 0) -> None:
        """Let all go on, and time pass."""
        end = self.clock.monotonic() + seconds
        await self.clock.quiet(self.store)
        while self.clock.monotonic() < end and not self.store.dead:
            await self.clock.step(self.store, until=end)

    def keys(self, channel: str = "chat") -> list[str]:
        """The keys of the notices that people see on a channel, in order."""
        return [one.key.split("/")[0] for one in self.channels[channel].told]

    async def deliveries(self) -> list[Delivery]:
        """Every delivery there is, in the order of notices."""

        def read(rows: Rows) -> list[Delivery]:
            found = deliveries.of_notices(rows, [one.id for one in reversed(outbox.latest(rows, limit=100_000))])
            return [one for each in found.values() for one in each]

        return await self.store.read(read)

    async def stages(self) -> set[Stage]:
        return {one.stage for one in await self.deliveries()}

    async def revive(self) -> None:
        """Begin another life after a kill, when whoever starts processes has found the old one dead."""
        self.store.dead = False
        await self.store.write(
            lambda rows: runs.release(rows, outbox.QUEUE, now=self.clock.now(), alive=lambda _: False),
            tell=(outbox.QUEUE,),
        )

    async def _look_up(self, _: datetime) -> None:
        self.looked_up += 1

    def _boundary(self, name: str) -> None:
        if self.store.dead:
            raise Killed
        self.boundaries.append(name)
        if len(self.boundaries) - 1 in self.kill_at:
            self.store.dead = True
            raise Killed
