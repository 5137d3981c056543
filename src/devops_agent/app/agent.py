"""The agent role: watches, responds, listens on nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent import __version__
from devops_agent.app import lock, logs
from devops_agent.app.anew import START_ANEW
from devops_agent.app.clock import SystemClock
from devops_agent.app.orphan import alive, birth, stop_with
from devops_agent.app.parts import Parts, actions_of, all_actions, build_parts, used_plugins
from devops_agent.app.protect import NeverTouch
from devops_agent.app.queues import TELLING, UNDERSTANDING, WORKS, Work
from devops_agent.config import environment
from devops_agent.config.problems import ConfigError
from devops_agent.config.secrets import SecretError, read_secret
from devops_agent.config.source import Kept, Source
from devops_agent.durable.dispatch import Dispatcher, Job
from devops_agent.engine.commands import RUNS
from devops_agent.engine.ground import Ground, ground_of
from devops_agent.engine.look import Eyes
from devops_agent.engine.receive import receive
from devops_agent.engine.respond import abandon, respond
from devops_agent.engine.site import Site
from devops_agent.engine.switches import asks_from
from devops_agent.kit.tools import SettingsError
from devops_agent.loops.chronicle import Chronicle
from devops_agent.loops.discovery import Discovery
from devops_agent.loops.every import every
from devops_agent.loops.heartbeat import Heart, Vigil, figures
from devops_agent.loops.herald import Herald
from devops_agent.loops.historian import Historian
from devops_agent.loops.janitor import Janitor
from devops_agent.loops.poller import Poller
from devops_agent.loops.watchers import Relay
from devops_agent.loops.workers import Workers
from devops_agent.model.fact import from_json
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.watch import SOURCE
from devops_agent.store import Store, alerts, catalogue, controls, events, open_store, runs, targets

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.durable.journal import Again, Run
    from devops_agent.engine.receive import Received
    from devops_agent.model.alert import Alert
    from devops_agent.ports import Clock
    from devops_agent.store.rows import Rows
    from devops_agent.store.runs import Claim

log = logging.getLogger("devops_agent.agent")

COMPLETE = "complete"
"""The queue of alert groups that were delivered cut off and have to be completed."""
_DRAIN = 10.0  # seconds that running steps get to end at a stop

Start = Callable[[Work], Awaitable[asyncio.subprocess.Process]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What tests and the parent may ask for."""

    boundary: Callable[[str], None] = lambda _: None
    stop_with: int = 0
    """End when this process, the parent, is gone; 0: never mind."""
    start_worker: Start | None = None
    """Starts a process for work that is heavy; None: all of it is done elsewhere."""


class Agent:
    """Everything the agent role runs, built from one source of settings."""

    def __init__(self, source: Source, store: Store, *, clock: Clock, options: Options) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._options = options
        self._started_at = clock.now()
        self.guardian = NeverTouch(lambda: self.settings)
        self._tasks: list[asyncio.Task[object]] = []
        self._reload = asyncio.Event()
        self._stop = asyncio.Event()
        self._foundations = _foundations(self.settings)
        self.starts_anew = False
        self._parts = build_parts(self.settings, guardian=self.guardian, clock=clock)
        self._discovery = Discovery(self._parts.inventories, changed=self._ground_changed)
        self._look_around = asyncio.Event()
        self._ground = self._new_ground()
        self._workers = [
            Workers(
                store,
                work.queues,
                role=work.role,
                start=partial(start, work),
                alive=alive,
                hears=work.hears,
                needed=lambda rows, work=work: work is TELLING and bool(asks_from(rows, settings=self.settings)),  # type: ignore[misc]
            )
            for work in _started_here(self.settings)
            if (start := options.start_worker) is not None
        ]
        self._wire(self._parts)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._source.now.settings

    def _wire(self, parts: Parts) -> None:
        clock, store = self._clock, self._store
        eyes = Eyes(actuators=parts.actuators, probes=parts.probes, fallback=parts.fallback, clock=clock)
        self.poller = Poller(
            eyes=eyes,
            receive=self.receive,
            polling=lambda: self.settings.polling,
            directory=lambda: self._ground.directory,
            clock=clock,
        )
        self.poller.on = self.settings.flags.AUTONOMOUS_MONITORING_ENABLED
        self.poller.changed = self._health_changed
        self.historian = Historian(
            store=store,
            polling=lambda: self.settings.polling,
            windows=lambda now: self._ground.windows(now),  # noqa: PLW0108 — the ground is replaced
            known=lambda: self.poller.sightings,
        )
        self.site = Site(
            store=store,
            clock=clock,
            eyes=eyes,
            actuators=parts.actuators,
            actions=actions_of(parts.actuators),
            guardian=self.guardian,
            settings=lambda: self.settings,
            ground=lambda: self._ground,
            runbooks=lambda: self._source.now.runbooks,
            sightings=lambda: self.poller.sightings,
            version=__version__,
        )
        responses = Job(do=self._respond, give_up=self._give_up)
        completions = Job(do=self._complete, give_up=lambda _rows, _claim, _says: None)
        owner = f"agent:{os.getpid()}:{birth(os.getpid())}"
        self._dispatchers = [
            Dispatcher(store, RUNS, {"respond": responses}, clock=clock, owner=owner, boundary=self._options.boundary),
            Dispatcher(store, COMPLETE, {"alertmanager": completions}, clock=clock, owner=owner, concurrent=2),
        ]
        self._relays = [
            Relay(
                name,
                watcher,
                store=store,
                receive=self.receive,
                directory=lambda: self._ground.directory,
                soon=self.poller.soon,
                strangers=self._look_around.set,
                on=lambda: self.poller.on,
                clock=clock,
            )
            for name, watcher in parts.watchers.items()
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain; `starts_anew` tells whether it should be started again at once."""
        self._stop = stop
        now = self._clock.now()
        for queue in (RUNS, COMPLETE):
            await self._store.write(lambda rows, queue=queue: runs.release(rows, queue, now=now, alive=_own))  # type: ignore[misc]
        await self._discovery.tick(now)
        self._ground_changed()
        self.poller.recall(await self._store.read(lambda rows: alerts.firing_from(rows, SOURCE)))
        await self._publish()
        heart = Heart("agent", store=self._store, version=__version__, started_at=self._started_at)
        await heart.beat(now)
        self._begin(heart)
        for name, on in (await self._store.read(controls.flags)).items():
            if on != getattr(self.settings.flags, name):
                says = f"{name} is {'on' if on else 'off'}: it was switched, and that goes before the configuration"
                log.warning("%s; `devops-agent flags %s default` takes it back", says, name)
        log.info("agent started", extra={"version": __version__, "targets": len(self._ground.directory)})
        await stop.wait()
        await self._drain()

    def _begin(self, heart: Heart) -> None:
        clock, store = self._clock, self._store
        janitor = Janitor(
            store=store, settings=lambda: self.settings, receive=self.receive, seen_before=lambda: self._started_at
        )
        chronicle = Chronicle(store)
        herald = Herald(
            store=store, settings=lambda: self.settings, watched=lambda: self._ground.directory, version=__version__
        )
        vigil = Vigil(store=store, settings=lambda: self.settings)

        async def beat(now: datetime) -> None:
            await heart.beat(now, **figures(self.poller, busy=self._dispatchers[0].busy))

        loops: list[Coroutine[object, object, None]] = [
            *(dispatcher.run() for dispatcher in self._dispatchers),
            *(relay.run() for relay in self._relays),
            self.poller.run(),
            every(10, beat, clock=clock, name="heartbeat"),
            every(1, self._save_sightings, clock=clock, name="sightings"),
            every(300, self.poller.tell, clock=clock, name="health checks"),
            every(15, self.historian.tick, clock=clock, name="historian"),
            every(30, herald.tick, clock=clock, name="herald"),
            every(2, self._look_at_files, clock=clock, name="settings", bell=self._reload),
            every(5, self._follow_flags, clock=clock, name="flags", bell=store.bell.on("events")),
            every(5, chronicle.tick, clock=clock, name="chronicle", bell=store.bell.on("events")),
            every(30, self._discovery.tick, clock=clock, name="discovery", bell=self._look_around),
            every(5, janitor.tick, clock=clock, name="janitor"),
            every(3600, janitor.sweep, clock=clock, name="sweep"),
            every(5, vigil.tick, clock=clock, name="vigil"),
        ]
        loops += [every(5, one.tick, clock=clock, name="workers", bell=one.bell) for one in self._workers]
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        """Start anew when a loop ends by itself: an agent that is only half alive looks well and does nothing."""
        if self._stop.is_set() or task.cancelled():
            return
        log.critical("a loop of the agent has ended: it starts anew", exc_info=task.exception())
        self.starts_anew = True
        self._stop.set()

    async def _drain(self) -> None:
        """Begin nothing new, let steps under way end, leave the rest to the next start."""
        log.info("agent stops", extra={"responses": self._dispatchers[0].busy})
        for one in self._workers:
            one.stop()
        await self.poller.drain()
        await asyncio.gather(*(dispatcher.drain(seconds=_DRAIN) for dispatcher in self._dispatchers))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._save_sightings(self._clock.now())
        await self.historian.close(self._clock.now())
        await self._parts.close()
        log.info("agent stopped")

    async def receive(self, batch: Sequence[Alert]) -> Received:
        """Take in alerts that our own watching raises."""
        ground = self._ground

        def take_in(rows: Rows) -> Received:
            # The moment of the transaction, not of the call: a timeline is in the order in which it was written.
            return receive(rows, batch, ground=ground, now=self._clock.now())

        return await self._store.write(take_in, tell=(RUNS, "events"))

    async def _respond(self, run: Run) -> Again | None:
        return await respond(run, self.site)

    def _give_up(self, rows: Rows, claim: Claim, says: str) -> None:
        abandon(rows, claim.key, says, settings=self.settings, now=self._clock.now())

    async def _complete(self, run: Run) -> None:
        """Fetch the alerts that a sender left out of a group, and take them in."""
        args = from_json(run.claim.args_json, dict[str, dict[str, str]])
        labels = args.get("group_labels", {})
        alerts = await self._parts.completers["alertmanager"].complete(labels, group_key=run.key)
        await self.receive(alerts)
        log.info("completed a group that was cut off", extra={"group": run.key, "alerts": len(alerts)})

    def reload_soon(self) -> None:
        """Look at the files now."""
        self._reload.set()

    async def _look_at_files(self, now: datetime) -> None:
        del now
        if not self._source.changed():
            return
        match self._source.reload():
            case Kept(problems=problems):
                says = "; ".join(str(problem) for problem in problems)
                log.error("the new configuration is wrong, the old one is kept", extra={"problems": says})
                await self._tell("config_kept", f"the new configuration is wrong, the old one is kept: {says}")
            case _ if _foundations(self.settings) != self._foundations:
                log.info("what the agent is built from has changed: it starts anew")
                self.starts_anew = True
                self._stop.set()
            case _:
                self._ground_changed()
                await self._publish()
                log.info("the configuration was read again", extra={"targets": len(self._ground.directory)})
                await self._tell("config_read", "the configuration was read again")

    async def _tell(self, kind: str, says: str) -> None:
        now = self._clock.now()
        await self._store.write(lambda rows: events.add(rows, kind, says, at=now), tell=("events",))

    async def _follow_flags(self, now: datetime) -> None:
        """Begin or stop polling when the flag was switched."""
        del now
        switched = await self._store.read(controls.flags)
        name = "AUTONOMOUS_MONITORING_ENABLED"
        on = switched.get(name, self.settings.flags.AUTONOMOUS_MONITORING_ENABLED)
        if on != self.poller.on:
            self.poller.on = on
            log.info("monitoring switched", extra={"on": on})

    def _new_ground(self) -> Ground:
        return ground_of(self.settings, discovered=self._discovery.targets, version=__version__)

    def _ground_changed(self) -> None:
        self._ground = self._new_ground()
        self.poller.follow()
        self._follow_instances()

    def _health_changed(self, seen: Sighting) -> None:
        """What runs again is a new instance: a watcher that waits for the next one holds it at once."""
        if seen.health in (Health.STARTING, Health.WELL):
            self._follow_instances()

    def _follow_instances(self) -> None:
        for watcher in self._parts.watchers.values():
            if (follow := getattr(watcher, "follow", None)) is not None:
                follow(tuple(self._ground.directory))

    async def _save_sightings(self, now: datetime) -> None:
        """Write what was seen since the last time, in one go; it may be lost in a crash, a look brings it back."""
        del now
        names, self.poller.unsaved = self.poller.unsaved, set()
        fresh = [self.poller.sightings[name] for name in names if name in self.poller.sightings]
        known = {target.name for target in self._ground.directory}
        if not fresh:
            return
        for one in fresh:
            self.historian.note(one)

        def save(rows: Rows) -> None:
            targets.keep(rows, fresh)
            targets.forget_others(rows, known)

        await self._store.write(save, tell=("targets",))

    async def _publish(self) -> None:
        """Write runbooks and actions down, so that the web role can show them without loading what acts."""
        runbooks, actions = self._source.now.runbooks, tuple(self.site.actions.values())
        await self._store.write(
            lambda rows: catalogue.keep(rows, runbooks=runbooks, actions=actions), tell=("catalogue",)
        )


async def run_agent(config: Path | None, *, environ: Mapping[str, str], options: Options | None = None) -> int:
    """Run the agent role until SIGTERM or SIGINT; return the exit code."""
    clock = SystemClock()
    chosen = options or Options()
    source = Source(config, environ=environ, actions=lambda settings: all_actions(settings, clock=clock))
    settings = source.now.settings
    logs.set_up(level=settings.log.level, form=settings.log.format, role="agent")
    held = lock.take(Path(settings.state_dir) / "agent.lock")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with await open_store(settings.database, password=store_password(settings)) as store:
        if chosen.start_worker is None:
            chosen = replace(chosen, start_worker=_starter(config, lambda: source.now.settings, environ=environ))
        agent = Agent(source, store, clock=clock, options=chosen)
        loop.add_signal_handler(signal.SIGHUP, agent.reload_soon)
        orphaned = asyncio.create_task(stop_with(chosen.stop_with, stop)) if chosen.stop_with else None
        await agent.run(stop)
        if orphaned is not None:
            orphaned.cancel()
    os.close(held)
    return START_ANEW if agent.starts_anew else 0


def _own(owner: str) -> bool:
    """Whether a run is held by a living agent; no worker takes from the agent's queues."""
    return owner.startswith("agent:") and alive(owner)


def _starter(config: Path | None, settings: Callable[[], Settings], *, environ: Mapping[str, str]) -> Start:
    """Return what starts a worker process of this agent's; it ends with its parent, and when it has been idle."""

    async def start(work: Work) -> asyncio.subprocess.Process:
        idle = settings().investigation.idle.total_seconds()
        role = ("-m", "devops_agent.app.worker", str(config or ""), "--queues", ",".join(work.queues))
        words = (*role, "--with-parent", "--idle", f"{idle:g}")
        # Threads of a matrix library that wait for each other on a busy machine make small sums ten times slower.
        env = {"OPENBLAS_NUM_THREADS": "1", **environ}
        return await asyncio.create_subprocess_exec(sys.executable, *words, stdin=asyncio.subprocess.DEVNULL, env=env)

    return start


def _started_here(settings: Settings) -> list[Work]:
    """Return for what this agent starts processes."""
    wanted = {UNDERSTANDING: settings.investigation.start_worker, TELLING: settings.notify.start_worker}
    return [work for work in WORKS if wanted[work]]


def _foundations(settings: Settings) -> tuple[object, ...]:
    """Return what cannot be changed under a running agent: its plugins, its log, and where its state is."""
    where = settings.database, settings.store_password_file, settings.state_dir
    return used_plugins(settings), settings.plugins, settings.log, _started_here(settings), *where


def store_password(settings: Settings) -> str:
    """Return PostgreSQL's password from its file; empty when none is named."""
    return read_secret(settings.store_password_file) if settings.store_password_file else ""


def main() -> int:
    """Start the role as the parent does: `python -m devops_agent.app.agent [CONFIG]`."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the parent blocks signals, and its children inherit that
    path = Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None
    parent = os.getppid() if "--with-parent" in sys.argv else 0
    import uvloop  # a quarter less processor time for a thousand targets, for one megabyte

    try:
        status = uvloop.run(run_agent(path, environ=environment(), options=Options(stop_with=parent)))
    except (ConfigError, SecretError, SettingsError) as error:
        log.error("cannot start: %s", error)  # noqa: TRY400 — the way out is in it, not in where it was raised
        return 5
    if status == START_ANEW:
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 — the same program again, as the same process
    return status


if __name__ == "__main__":
    raise SystemExit(main())
