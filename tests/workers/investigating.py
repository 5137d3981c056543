"""An incident to be looked at closer, on a real store, with sources that hold what a test puts in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from devops_agent.config.settings import Investigation, Settings
from devops_agent.durable.journal import Run
from devops_agent.engine.ground import ground_of
from devops_agent.engine.investigate import JOB, QUEUE
from devops_agent.engine.receive import receive
from devops_agent.kit.testing import START, FakeChanges, FakeClock, FakeLogs, FakeMetrics
from devops_agent.model.alert import Alert, Severity
from devops_agent.model.event import Event
from devops_agent.model.evidence import Evidence
from devops_agent.model.insight import Insight
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target
from devops_agent.store import Store, events, evidence, insights, open_store, runs, targets
from devops_agent.store.rows import Rows
from devops_agent.workers.gather import Sources
from devops_agent.workers.investigate import Adviser, Investigator, Scene
from tests.engine.site import alert

API = Target(name="api", via="fake", managed=True, depends_on=("db",))
DB = Target(name="db", via="fake", managed=True)
INCIDENT = "INC-1"
_LEASE = timedelta(seconds=30)


class Forgetful:
    """Remembers nothing."""

    async def like(self, scene: Scene) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (), ()

    async def severity(self, firing: Sequence[Alert]) -> Severity | None:
        return None


@dataclass(kw_only=True)
class Desk:
    """What an investigation has before it, and what came of it."""

    store: Store
    clock: FakeClock
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    logs: FakeLogs = field(default_factory=FakeLogs)
    changes: FakeChanges = field(default_factory=FakeChanges)
    adviser: Adviser | None = None

    async def trouble(self, *firing: Alert, **health: Health) -> None:
        """Open an incident on `api`; targets are as told, well if nothing is said."""
        ground = ground_of(Settings(targets=(API, DB)), discovered=(), version="test")
        now = self.clock.now()
        batch = firing or (alert("HighErrorRate", source="alertmanager"),)
        seen = [
            Sighting(target=one, health=health.get(one.name, Health.WELL), since=now, seen_at=now) for one in (API, DB)
        ]
        await self.store.write(lambda rows: receive(rows, batch, ground=ground, now=now))
        await self.store.write(lambda rows: targets.keep(rows, seen))
        await self.ask()

    async def ask(self, *, attempts: int = 0) -> None:
        """Ask for a closer look, as a response does after so many plans."""
        now = self.clock.now()

        def ask(rows: Rows) -> None:
            insights.ask(rows, INCIDENT, attempts=attempts, now=now, fresh=timedelta(minutes=10))
            runs.enqueue(rows, QUEUE, JOB, key=INCIDENT, now=now, version="test")

        await self.store.write(ask)

    async def investigate(self, boundary: Callable[[str], None] = lambda _: None) -> Insight:
        """Make the closer look as a worker does; return what it found."""
        await self.look(boundary)
        found = await self.insight()
        assert found is not None
        return found

    async def insight(self) -> Insight | None:
        return await self.store.read(lambda rows: insights.get(rows, INCIDENT))

    async def look(self, boundary: Callable[[str], None] = lambda _: None) -> None:
        """Make the closer look as a worker does."""
        now = self.clock.now()
        claim = await self.store.write(lambda rows: runs.claim(rows, QUEUE, owner="worker", now=now, lease=_LEASE))
        assert claim is not None
        ground = ground_of(Settings(targets=(API, DB)), discovered=(), version="test")
        investigator = Investigator(
            store=self.store,
            clock=self.clock,
            sources=Sources(metrics=self.metrics, logs=(("fake", self.logs),), changes=(("fake", self.changes),)),
            directory=lambda: ground.directory,
            settings=Investigation,
            remembered=Forgetful(),
            adviser=self.adviser,
        )
        await investigator.investigate(Run(self.store, claim, clock=self.clock, boundary=boundary))

    async def evidence(self) -> list[Evidence]:
        return await self.store.read(lambda rows: evidence.of_incident(rows, INCIDENT))

    async def events(self) -> list[Event]:
        return await self.store.read(lambda rows: events.of_incident(rows, INCIDENT))


@asynccontextmanager
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with await open_store(f"sqlite:///{tmp_path / 'agent.db'}") as store:
        yield Desk(store=store, clock=FakeClock())


def before(minutes: float) -> timedelta:
    """Return how long before the trouble."""
    return timedelta(minutes=-minutes)


TRACE = (
    "ERROR unhandled exception in request",
    "Traceback (most recent call last):",
    '  File "/usr/lib/python3.11/site-packages/fastapi/routing.py", line 212, in run',
    "    return await dependant.call(**values)",
    '  File "/srv/shop/orders.py", line 88, in place',
    '    price = prices[order["item"]]',
    "KeyError: 'price'",
)
QUIET = [f"INFO served order {number} in {number % 7 + 3} ms" for number in range(600)]


def steady(level: float, *, points: int) -> list[float]:
    """Return a series that varies a little and never leaves its course."""
    return [level * (1 + ((number * 7) % 11 - 5) / 100) for number in range(points)]


BEGIN = START - timedelta(minutes=75)
POINTS = 300
"""From the beginning of the baseline until now, one every 15 s."""
