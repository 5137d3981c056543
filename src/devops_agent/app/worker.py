"""The worker role: takes jobs off queues, loads what they need, and ends when there is nothing more to do."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent import __version__
from devops_agent.app import logs
from devops_agent.app.anew import START_ANEW
from devops_agent.app.clock import SystemClock
from devops_agent.app.orphan import birth, stop_with
from devops_agent.app.queues import QUEUES, Bench, Work, role_of, works_of
from devops_agent.config import environment
from devops_agent.config.load import load
from devops_agent.config.problems import ConfigError
from devops_agent.config.secrets import SecretError, read_secret
from devops_agent.durable.dispatch import Dispatcher
from devops_agent.kit.tools import SettingsError
from devops_agent.loops.heartbeat import Heart
from devops_agent.store import Store, open_store, runs
from devops_agent.store.rows import from_us

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from devops_agent.config.settings import Settings
    from devops_agent.ports import Clock

log = logging.getLogger("devops_agent.worker")

_LOOK = 1.0  # seconds between two looks at whether there is more to do
_BEAT = 10.0  # seconds, as the other roles do
_DRAIN = 5.0


async def run_worker(
    config: Path | None,
    *,
    environ: Mapping[str, str],
    queues: Sequence[str],
    idle: float | None = None,
    parent: int = 0,
) -> int:
    """Work off `queues` until SIGTERM or SIGINT, or until nothing was due for `idle` seconds; return the exit code.

    START_ANEW when it is to be started again, because the settings have changed.
    """
    settings = load(config, environ=environ)
    logs.set_up(level=settings.log.level, form=settings.log.format, role=role_of(queues))
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    password = read_secret(settings.store_password_file) if settings.store_password_file else ""
    async with await open_store(settings.database, password=password) as store:
        changed = Changed(config, environ=environ, settings=settings)
        worker = Worker(settings, store, clock=clock, queues=queues, changed=changed)
        await worker.run(stop, idle=idle, parent=parent)
    return START_ANEW if worker.starts_anew else 0


def check(queues: Sequence[str]) -> None:
    """Refuse queues that there are not.

    Raises:
        SettingsError: one is unknown, or none is named.

    """
    unknown = [queue for queue in queues if queue not in QUEUES]
    if unknown or not queues:
        message = f"no queue {', '.join(map(repr, unknown)) or 'named'}; known: {', '.join(QUEUES)} (--queues)"
        raise SettingsError(message)


class Changed:
    """Tells whether the file of settings says something else than what is in force; a wrong file says nothing."""

    def __init__(self, config: Path | None, *, environ: Mapping[str, str], settings: Settings) -> None:
        self._config = config
        self._environ = environ
        self._settings = settings
        self._stamp = self._look()

    def __call__(self) -> bool:
        """Look, and read the file when it is another than at the last look."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            return load(self._config, environ=self._environ) != self._settings
        except ConfigError as error:
            log.error("the new configuration is wrong, the old one is kept", extra={"problems": str(error)})  # noqa: TRY400
            return False

    def _look(self) -> tuple[int, int]:
        try:
            seen = self._config.stat() if self._config is not None else None
        except OSError:
            return 0, 0
        return (seen.st_mtime_ns, seen.st_ino) if seen is not None else (0, 0)


class Worker:
    """Everything a worker process runs, built from one reading of the settings."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        clock: Clock,
        queues: Sequence[str],
        changed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._role = role_of(queues)
        self._changed = changed
        self._benches: list[Bench] = []
        self._dispatchers: dict[str, Dispatcher] = {}
        self.starts_anew = False
        owner = f"{self._role}:{os.getpid()}:{birth(os.getpid())}"
        for work in works_of(queues):
            bench = _bench(work)(settings, store, clock=clock)
            self._benches.append(bench)
            for queue in work.queues:
                if queue in queues:
                    self._dispatchers[queue] = Dispatcher(
                        store,
                        queue,
                        bench.jobs(queue),
                        clock=clock,
                        owner=owner,
                        concurrent=work.concurrent,
                        hears=work.hears,
                    )

    async def run(self, stop: asyncio.Event, *, idle: float | None, parent: int) -> None:
        """Work until `stop` is set or there is nothing more to do."""
        await self._look_around()
        heart = Heart(self._role, store=self._store, version=__version__, started_at=self._clock.now())
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
        await asyncio.gather(*(bench.close() for bench in self._benches))
        log.info("worker stopped")

    async def _until_idle(self, stop: asyncio.Event, idle: float | None, heart: Heart) -> None:
        """Set `stop` when nothing was due for `idle` seconds; look around and give signs of life until then."""
        quiet_since = self._clock.monotonic()
        beaten = quiet_since
        while not stop.is_set():
            await self._clock.sleep(_LOOK)
            if self._changed():
                log.info("the settings have changed: the worker starts anew")
                self.starts_anew = True
                stop.set()
            now = self._clock.monotonic()
            if now - beaten >= _BEAT:
                beaten = now
                await heart.beat(self._clock.now())
                await self._look_around()
            busy = any(dispatcher.busy for dispatcher in self._dispatchers.values())
            if busy or any(bench.stays for bench in self._benches) or await self._is_due():
                quiet_since = now
            elif idle is not None and now - quiet_since >= idle:
                stop.set()

    async def _is_due(self) -> bool:
        at = await self._store.read(
            lambda rows: [due for queue in self._dispatchers if (due := runs.next_due(rows, queue)) is not None]
        )
        return any(from_us(due) <= self._clock.now() for due in at)

    async def _look_around(self) -> None:
        for bench in self._benches:
            await bench.look_around()


def _bench(work: Work) -> Callable[..., Bench]:
    module, _, name = work.bench.partition(":")
    found: Callable[..., Bench] = getattr(import_module(module), name)
    return found


def main() -> int:
    """Start the role: `python -m devops_agent.app.worker [CONFIG] [--queues A,B] [--idle SECONDS] [--with-parent]`."""
    parser = argparse.ArgumentParser(prog="devops-agent worker")
    parser.add_argument("config", nargs="?", default="")
    parser.add_argument("--queues", default=",".join(QUEUES))
    parser.add_argument("--idle", type=float)
    parser.add_argument("--with-parent", action="store_true")
    given = parser.parse_args()
    queues = [name for name in given.queues.split(",") if name]
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        check(queues)
        os.nice(max(work.nice for work in works_of(queues)))
        status = asyncio.run(
            run_worker(
                Path(given.config) if given.config else None,
                environ=environment(),
                queues=queues,
                idle=given.idle,
                parent=os.getppid() if given.with_parent else 0,
            )
        )
    except (ConfigError, SecretError, SettingsError) as error:
        log.error("cannot start: %s", error)  # noqa: TRY400 — the way out is in it, not in where it was raised
        return 5
    if status == START_ANEW:
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 — the same program again, as the same process
    return status


if __name__ == "__main__":
    raise SystemExit(main())
