"""A whole site on fakes: a world of services, a store file, a clock, an agent that may be killed and begun anew."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.config.runbooks import load_runbooks, shipped_folder
from devops_agent.config.settings import Settings
from devops_agent.durable.dispatch import Dispatcher, Job
from devops_agent.engine.commands import RUNS
from devops_agent.engine.ground import Ground, ground_of
from devops_agent.engine.look import Eyes
from devops_agent.engine.receive import receive
from devops_agent.engine.respond import abandon, respond
from devops_agent.engine.site import Site
from devops_agent.kit.testing import FakeActuator, FakeProbe, FakeService, FakeWorld, Killed, StrictGuardian
from devops_agent.model.action import Action, Proof, Step
from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.model.runbook import Match, Runbook
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Check, Target, Trust
from devops_agent.store import approvals, attempts, events, incidents, runs
from devops_agent.store.rows import from_us
from tests.config import samples
from tests.engine.inline import InlineStore, SteppedClock, new_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from typing import TypeVar

    from devops_agent.model.attempt import Attempt
    from devops_agent.model.decision import Approval
    from devops_agent.model.event import Event
    from devops_agent.model.incident import Incident
    from devops_agent.ports import Probe
    from devops_agent.store.rows import Rows

    T = TypeVar("T")

VERSION = "test"
ACTIONS: dict[str, Action] = {action.name: action for action in FakeActuator(FakeWorld(clock=SteppedClock())).actions()}
HEALTHY = Proof(state="running", healthy=True, within=timedelta(seconds=40))


def target(name: str = "api", **changes: object) -> Target:
    """Return a target that the fake plugin acts on and looks at, opted in."""
    whole: dict[str, object] = {
        "name": name,
        "via": "fake",
        "managed": True,
        "checks": (Check(name="health", kind="fake"),),
        **changes,
    }
    return Target(**whole)  # type: ignore[arg-type]


def runbook(
    name: str, action: str, *, kinds: tuple[str, ...] = ("down",), priority: int = 0, **step: object
) -> Runbook:
    """Return a runbook of one step, which is proven by the target's health unless `step` says otherwise."""
    whole: dict[str, object] = {"name": action.partition(".")[2], "action": action, "proof": HEALTHY, **step}
    return Runbook(
        name=name,
        says=f"Do {action}.",
        match=Match(kinds=kinds),
        steps=(Step(**whole),),  # type: ignore[arg-type]
        advice=("Look at {target}.",),
        priority=priority,
    )


RESTART = runbook("restart", "fake.restart", kinds=("down", "unhealthy", "memory_pressure"))


def shipped() -> list[Runbook]:
    """Return the runbooks that the product ships, for a site where only the fake plugin acts."""
    return list(load_runbooks([shipped_folder()], actions=samples.ACTIONS))


def alert(
    name: str = "ServiceDown",
    target: str = "api",
    *,
    source: str = "poller",
    at: SteppedClock | None = None,
    **labels: str,
) -> Alert:
    """Return a firing alert that began when the clock says."""
    every = {"alertname": name, "service": target, "severity": "critical", **labels}
    return Alert(
        fingerprint=fingerprint({**every, "source": source}),
        status=AlertStatus.FIRING,
        labels=every,
        annotations={"summary": f"{name} on {target}"},
        starts_at=(at or SteppedClock()).now(),
        source=source,
    )


@dataclass(kw_only=True)
class Scene:
    """What outlives the agent (world, clock, store file), and the agent's present life."""

    path: Path
    settings: Settings
    runbooks: list[Runbook]
    guardian: StrictGuardian = field(default_factory=StrictGuardian)
    fallback: Probe | None = None
    plugin: type[FakeActuator] = FakeActuator
    boundary: Callable[[str], None] = lambda _: None
    clock: SteppedClock = field(default_factory=SteppedClock)

    def __post_init__(self) -> None:
        self.world = FakeWorld(clock=self.clock)
        for one in self.settings.targets:
            self.world.add(one.ref or one.name, FakeService(since=self.clock.now() - timedelta(hours=1)))
        self.probe = FakeProbe(self.world)
        self.unseen: set[str] = set()
        self._start()

    def _start(self) -> None:
        self.store = InlineStore(self.path)
        self.actuator = self.plugin(self.world, guardian=self.guardian)
        self.dispatcher: Dispatcher | None = None
        self._loop: asyncio.Task[None] | None = None

    @property
    def ground(self) -> Ground:
        return ground_of(self.settings, discovered=(), version=VERSION)

    def site(self) -> Site:
        """Return the site as the agent's present life has it."""
        actuators = {"fake": self.actuator}
        return Site(
            store=self.store,
            clock=self.clock,
            eyes=Eyes(actuators=actuators, probes={"fake": self.probe}, fallback=self.fallback, clock=self.clock),
            actuators=actuators,
            actions=ACTIONS,
            guardian=self.guardian,
            settings=lambda: self.settings,
            ground=lambda: self.ground,
            runbooks=lambda: self.runbooks,
            sightings=self.sightings,
            version=VERSION,
        )

    def sightings(self) -> dict[str, Sighting]:
        """Return every target as a poll at this very moment would see it."""
        return {one.name: self._sighting(one) for one in self.settings.targets if one.name not in self.unseen}

    def _sighting(self, one: Target) -> Sighting:
        service = self.world.services.get(one.ref or one.name)
        well = service is not None and service.running and service.healthy is not False
        now = self.clock.now()
        return Sighting(target=one, health=Health.WELL if well else Health.DOWN, since=now, seen_at=now)

    def change(self, **guard: object) -> None:
        """Let the settings of the guard be others from now on."""
        self.settings = self.settings.with_(guard=self.settings.guard.with_(**guard))

    async def deliver(self, *firing: Alert) -> None:
        """Let alerts come in."""
        await self.command(lambda rows: receive(rows, firing, ground=self.ground, now=self.clock.now()))

    async def resolve(self, *over: Alert) -> None:
        """Let these alerts come in again as resolved."""
        now = self.clock.now()
        await self.deliver(*(one.with_(status=AlertStatus.RESOLVED, ends_at=now) for one in over))

    async def command(self, write: Callable[[Rows], T]) -> T:
        """Write as the web would, and ring the bell."""
        return await self.store.write(write, tell=(RUNS, "events"))

    async def run_later(self, seconds: float) -> None:
        """Work for a while, so many seconds from now, without doing what is due before."""
        self.clock.jump(seconds)
        await self.run(12)

    async def run(self, seconds: float = 0, *, patience: float = 65) -> None:
        """Work for so many seconds; without a number until nothing is due within `patience` seconds."""
        if self._loop is None or self._loop.done():
            job = Job(do=lambda run: respond(run, self.site()), give_up=self._give_up)
            self.dispatcher = Dispatcher(
                self.store, RUNS, {"respond": job}, clock=self.clock, owner="agent", boundary=self._reach
            )
            self._loop = asyncio.create_task(self.dispatcher.run())
        end = self.clock.monotonic() + seconds if seconds else float("inf")
        while self.clock.monotonic() < end and not self.store.dead:
            await self.clock.quiet(self.store)
            if not seconds and await self._idle(patience):
                break
            await self.clock.step(self.store, until=end)

    def _give_up(self, rows: Rows, claim: runs.Claim, says: str) -> None:
        abandon(rows, claim.key, says, settings=self.settings, now=self.clock.now())

    def _reach(self, name: str) -> None:
        self.boundary(name)

    def kill_at(self, *moments: int) -> list[str]:
        """Kill the agent when a life reaches its boundary of that number, one moment for each life in turn.

        Return a list to which the name of every boundary that is reached is added.
        """
        names: list[str] = []
        ends = list(moments)
        reached = 0

        def reach(name: str) -> None:
            nonlocal reached
            names.append(name)
            reached += 1
            if ends and reached > ends[0]:
                del ends[0]
                reached = 0
                self.store.dead = True
                raise Killed

        self.boundary = reach
        return names

    async def _idle(self, patience: float) -> bool:
        if self.store.dead or self.dispatcher is None:
            return True
        due = await self.store.read(lambda rows: runs.next_due(rows, RUNS))
        soon = self.clock.now() + timedelta(seconds=patience)
        return not self.dispatcher.busy and (due is None or from_us(due) > soon)

    async def die(self) -> None:
        """Let the agent's process end at once, wherever it is, and another begin on the same file."""
        self.store.dead = True
        await self.stop()
        self._start()
        await self.store.write(lambda rows: runs.release(rows, RUNS, now=self.clock.now(), alive=lambda _: False))

    async def stop(self) -> None:
        """End every task of the present life."""
        if self.dispatcher is not None and self._loop is not None:
            await self.dispatcher.drain(seconds=0)
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await self.clock.quiet(self.store)
        await self.store.close()

    async def incident(self, id_: str = "INC-1") -> Incident:
        found = await self.store.read(lambda rows: incidents.get(rows, id_))
        assert found is not None
        return found

    async def incidents(self) -> list[Incident]:
        return await self.store.read(lambda rows: list(reversed(incidents.page(rows))))

    async def events(self, id_: str = "INC-1") -> list[Event]:
        return await self.store.read(lambda rows: events.of_incident(rows, id_))

    async def kinds(self, id_: str = "INC-1") -> list[str]:
        """Return the kinds of an incident's events in order, without those that only repeat the one before."""
        found = [event.kind for event in await self.events(id_)]
        return [kind for kind, before in zip(found, ["", *found], strict=False) if kind != before]

    async def attempts(self, id_: str = "INC-1") -> list[Attempt]:
        return await self.store.read(lambda rows: attempts.of_incident(rows, id_))

    async def asked(self, id_: str = "INC-1") -> list[Approval]:
        return await self.store.read(lambda rows: approvals.of_incident(rows, id_))

    @property
    def done(self) -> list[tuple[str, str]]:
        """What was done to the world: (action, target)."""
        return [(one.action, one.target) for one in self.world.done]


@asynccontextmanager
async def scene(
    folder: Path,
    *targets: Target,
    runbooks: Sequence[Runbook] = (RESTART,),
    guardian: StrictGuardian | None = None,
    plugin: type[FakeActuator] = FakeActuator,
    **guard: object,
) -> AsyncIterator[Scene]:
    """Give a scene with these targets (by default one, `api`) and settings of the guard."""
    path = folder / "agent.db"
    await new_database(path, template=folder.parent / "template.db")
    asyncio.get_running_loop().set_exception_handler(_ignore_kills)
    settings = Settings(targets=targets or (target(),))
    made = Scene(
        path=path,
        settings=settings.with_(guard=settings.guard.with_(**guard)),
        runbooks=list(runbooks),
        guardian=guardian or StrictGuardian(),
        plugin=plugin,
    )
    try:
        yield made
    finally:
        await made.stop()


def _ignore_kills(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)


TRUST_ALL = {"risky": Trust.AUTO, "dangerous": Trust.AUTO}
"""Settings of the guard with which nothing is asked."""
