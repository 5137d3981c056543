"""The worker role: takes jobs off queues, loads what is heavy, and ends when there is nothing more to do."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent import __version__
from devops_agent.app import logs
from devops_agent.app.advisers import build_mirror, build_reasoner, embedder_of
from devops_agent.app.clock import SystemClock
from devops_agent.app.library import documents
from devops_agent.app.orphan import birth, stop_with
from devops_agent.app.senses import build_senses
from devops_agent.config import environment
from devops_agent.config.load import load
from devops_agent.config.problems import ConfigError
from devops_agent.config.secrets import SecretError, read_secret
from devops_agent.durable.dispatch import Dispatcher, Job
from devops_agent.engine import investigate
from devops_agent.engine.ground import ground_of
from devops_agent.engine.lifecycle import REMEMBER
from devops_agent.kit.tools import SettingsError
from devops_agent.loops.heartbeat import Heart
from devops_agent.store import Store, catalogue, open_store, runs, targets
from devops_agent.store.rows import from_us
from devops_agent.workers import remember
from devops_agent.workers.advise import ModelAdviser
from devops_agent.workers.investigate import Investigator
from devops_agent.workers.recall import Recall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devops_agent.config.settings import Settings
    from devops_agent.engine.ground import Ground
    from devops_agent.model.runbook import Runbook
    from devops_agent.ports import Clock
    from devops_agent.workers.embedding import Embedder

log = logging.getLogger("devops_agent.worker")

QUEUES = (investigate.QUEUE, REMEMBER)
_NICE = 5
"""Understanding yields to healing when both want the processor."""
_LOOK = 1.0  # seconds between two looks at whether there is more to do
_DRAIN = 5.0


async def run_worker(
    config: Path | None,
    *,
    environ: Mapping[str, str],
    queues: Sequence[str],
    idle: float | None = None,
    parent: int = 0,
) -> int:
    """Work off `queues` until SIGTERM or SIGINT, or until nothing was due for `idle` seconds; return the exit code."""
    settings = load(config, environ=environ)
    logs.set_up(level=settings.log.level, form=settings.log.format, role="worker")
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    password = read_secret(settings.store_password_file) if settings.store_password_file else ""
    async with await open_store(settings.database, password=password) as store:
        worker = Worker(settings, store, clock=clock, queues=queues)
        await worker.run(stop, idle=idle, parent=parent)
    return 0


class Worker:
    """Everything the worker role runs, built from one reading of the settings."""

    def __init__(self, settings: Settings, store: Store, *, clock: Clock, queues: Sequence[str]) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._ground: Ground = ground_of(settings, discovered=(), version=__version__)
        self._runbooks: tuple[Runbook, ...] = ()
        self._senses = build_senses(settings, clock=clock)
        self._embedder: Embedder | None = None
        self._recall = Recall(
            store=store, clock=clock, embedder=self._embed, documents=lambda: documents(self._settings)
        )
        owner = f"worker:{os.getpid()}:{birth(os.getpid())}"
        self._dispatchers = {
            queue: Dispatcher(store, queue, self._jobs(queue), clock=clock, owner=owner, concurrent=2)
            for queue in queues
        }

    async def run(self, stop: asyncio.Event, *, idle: float | None, parent: int) -> None:
        """Work until `stop` is set or there is nothing more to do."""
        await self._look_around()
        heart = Heart("worker", store=self._store, version=__version__, started_at=self._clock.now())
        await heart.beat(self._clock.now())
        log.info("worker started", extra={"queues": ",".join(self._dispatchers)})
        tasks = [asyncio.create_task(dispatcher.run()) for dispatcher in self._dispatchers.values()]
        tasks += [asyncio.create_task(stop_with(parent, stop))] if parent else []
        watch = asyncio.create_task(self._until_idle(stop, idle, heart))
        await stop.wait()
        await asyncio.gather(*(dispatcher.drain(seconds=_DRAIN) for dispatcher in self._dispatchers.values()))
        for task in (*tasks, watch):
            task.cancel()
        await asyncio.gather(*tasks, watch, return_exceptions=True)
        await self._senses.close()
        log.info("worker stopped")

    async def _until_idle(self, stop: asyncio.Event, idle: float | None, heart: Heart) -> None:
        """Set `stop` when nothing was due for `idle` seconds; look around and give signs of life until then."""
        quiet_since = self._clock.monotonic()
        beaten = quiet_since
        while not stop.is_set():
            await self._clock.sleep(_LOOK)
            now = self._clock.monotonic()
            if now - beaten >= 10:  # noqa: PLR2004 — as the other roles do
                beaten = now
                await heart.beat(self._clock.now())
                await self._look_around()
            if any(dispatcher.busy for dispatcher in self._dispatchers.values()) or await self._is_due():
                quiet_since = now
            elif idle is not None and now - quiet_since >= idle:
                stop.set()

    async def _is_due(self) -> bool:
        at = await self._store.read(
            lambda rows: [due for queue in self._dispatchers if (due := runs.next_due(rows, queue)) is not None]
        )
        return any(from_us(due) <= self._clock.now() for due in at)

    async def _look_around(self) -> None:
        """Learn which targets the agent has found beside those written down."""
        seen = await self._store.read(targets.all_)
        found = [one.target for one in seen if one.target.found_by != "config"]
        self._ground = ground_of(self._settings, discovered=found, version=__version__)
        self._runbooks = tuple(await self._store.read(catalogue.runbooks))

    def _jobs(self, queue: str) -> Mapping[str, Job]:
        if queue == investigate.QUEUE:
            return Investigator(
                store=self._store,
                clock=self._clock,
                sources=self._senses.sources(),
                directory=lambda: self._ground.directory,
                settings=lambda: self._settings.investigation,
                remembered=self._recall,
                adviser=self._adviser(),
            ).jobs()
        if queue == REMEMBER:
            desk = remember.Desk(
                store=self._store,
                clock=self._clock,
                embedder=self._embed,
                runbooks=lambda: self._runbooks,
                mirror=build_mirror(self._settings, clock=self._clock),
                version=__version__,
            )
            return remember.jobs(desk)
        message = f"no queue {queue!r}; known: {', '.join(QUEUES)}"
        raise SettingsError(message)

    def _adviser(self) -> ModelAdviser | None:
        """Return what asks the model; None when none is configured, or its settings are wrong: the look needs none."""
        try:
            reasoner = build_reasoner(self._settings, clock=self._clock)
        except SettingsError as error:
            log.error("no model is asked: %s", error)  # noqa: TRY400 — where in our code tells nobody what to mend
            return None
        if reasoner is None:
            return None
        key_file = self._settings.investigation.model.key_file
        return ModelAdviser(
            reasoner=reasoner,
            store=self._store,
            clock=self._clock,
            settings=lambda: self._settings.investigation,
            runbooks=lambda: self._runbooks,
            sources=self._senses.sources(),
            similar=self._recall.told,
            secrets=(read_secret(key_file),) if key_file else (),
        )

    def _embed(self) -> Embedder:
        """Return what embeds texts, built for the first of them."""
        if self._embedder is None:
            self._embedder = embedder_of(self._settings)
        return self._embedder


def main() -> int:
    """Start the role: `python -m devops_agent.app.worker [CONFIG] [--queues A,B] [--idle SECONDS] [--with-parent]`."""
    parser = argparse.ArgumentParser(prog="devops-agent worker")
    parser.add_argument("config", nargs="?", default="")
    parser.add_argument("--queues", default=",".join(QUEUES))
    parser.add_argument("--idle", type=float)
    parser.add_argument("--with-parent", action="store_true")
    given = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.nice(_NICE)
    try:
        return asyncio.run(
            run_worker(
                Path(given.config) if given.config else None,
                environ=environment(),
                queues=[name for name in given.queues.split(",") if name],
                idle=given.idle,
                parent=os.getppid() if given.with_parent else 0,
            )
        )
    except (ConfigError, SecretError, SettingsError) as error:
        log.error("cannot start: %s", error)  # noqa: TRY400 — the way out is in it, not in where it was raised
        return 5


if __name__ == "__main__":
    raise SystemExit(main())
