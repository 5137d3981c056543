"""The web role: takes in alerts, serves API and page; holds no credential of any target and loads nothing that acts."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent import __version__
from devops_agent.app import first, logs
from devops_agent.app.anew import START_ANEW
from devops_agent.app.clock import SystemClock
from devops_agent.app.library import documents
from devops_agent.app.orphan import stop_with
from devops_agent.app.receivers import build_receivers
from devops_agent.config import environment
from devops_agent.config.load import load
from devops_agent.config.origin import Configured, written
from devops_agent.config.problems import ConfigError
from devops_agent.config.secrets import SecretError, read_secret
from devops_agent.engine.ground import Ground, ground_of
from devops_agent.loops.every import every
from devops_agent.loops.heartbeat import Heart
from devops_agent.store import Store, catalogue, open_store, targets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.model.action import Action
    from devops_agent.model.runbook import Runbook
    from devops_agent.ports import Clock

log = logging.getLogger("devops_agent.web")


class Surroundings:
    """What the web role knows of settings, targets, runbooks and actions; read again when it changes."""

    def __init__(
        self,
        config: Path | None,
        *,
        environ: Mapping[str, str],
        store: Store,
        settings: Settings,
        rebuild: Callable[[], None],
    ) -> None:
        self._config = config
        self._environ = environ
        self._store = store
        self._rebuild = rebuild
        """Called when something has changed that the role is built from."""
        self._stamp = _stamp(config)
        self.settings = settings
        self.configured = Configured(written=_written(config, environ))
        self.ground: Ground = ground_of(settings, discovered=(), version=__version__)
        self.runbooks: tuple[Runbook, ...] = ()
        self.actions: dict[str, Action] = {}

    async def refresh(self, now: datetime) -> None:
        """Read the file if it changed, and what the agent has written down."""
        del now
        if (stamp := _stamp(self._config)) != self._stamp:
            self._stamp = stamp
            try:
                settings = await asyncio.to_thread(load, self._config, environ=self._environ)
                if _foundations(settings) != _foundations(self.settings):
                    log.info("what the web role is built from has changed: it starts anew")
                    self._rebuild()
                self.settings = settings
                self.configured = Configured(written=await asyncio.to_thread(_written, self._config, self._environ))
            except ConfigError as error:
                self.configured = Configured(written=self.configured.written, problems=error.problems)
                log.error("the new configuration is wrong, the old one is kept", extra={"problems": str(error)})  # noqa: TRY400
        seen = await self._store.read(targets.all_)
        found = [one.target for one in seen if one.target.found_by != "config"]
        self.ground = ground_of(self.settings, discovered=found, version=__version__)
        self.runbooks = tuple(await self._store.read(catalogue.runbooks))
        self.actions = {action.name: action for action in await self._store.read(catalogue.actions)}


async def run_web(
    config: Path | None, *, environ: Mapping[str, str], listener: socket.socket | None = None, parent: int = 0
) -> int:
    """Run the web role until SIGTERM or SIGINT; return the exit code, START_ANEW when it is to be started again."""
    from devops_agent.web.assemble import create_app
    from devops_agent.web.serve import serve

    settings = load(config, environ=environ)
    logs.set_up(level=settings.log.level, form=settings.log.format, role="web")
    clock: Clock = SystemClock()
    stop, rebuild = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    password = read_secret(settings.store_password_file) if settings.store_password_file else ""
    pending = settings.web.max_pending_writes
    async with await open_store(settings.database, password=password, max_pending=pending) as store:
        known = Surroundings(config, environ=environ, store=store, settings=settings, rebuild=rebuild.set)
        now = clock.now()
        await known.refresh(now)
        await first.tokens(store, settings, now=now)
        refresh = store.bell.on("catalogue")
        loop.add_signal_handler(signal.SIGHUP, refresh.set)
        heart = Heart("web", store=store, version=__version__, started_at=now)
        tasks = [
            asyncio.create_task(every(2, known.refresh, clock=clock, name="surroundings", bell=refresh)),
            asyncio.create_task(every(10, heart.beat, clock=clock, name="heartbeat")),
        ]
        if parent:
            tasks.append(asyncio.create_task(stop_with(parent, stop)))
        app = create_app(
            store=store,
            settings=lambda: known.settings,
            ground=lambda: known.ground,
            receivers=build_receivers(),
            runbooks=lambda: known.runbooks,
            actions=lambda: known.actions,
            clock=clock,
            version=__version__,
            configured=lambda: known.configured,
            documents=lambda: documents(known.settings),
        )
        gc.freeze()  # else every full collection walks all of FastAPI: 20 to 40 ms in which nothing is acknowledged
        accepting = listener or _listen(settings.web.listen)
        address = _address(accepting)
        serving = asyncio.create_task(serve(app, accepting))
        log.info("web started", extra={"version": __version__, "address": address})
        await first.account(store, page=settings.web.page(address), now=now)
        ends = [asyncio.create_task(event.wait()) for event in (stop, rebuild)]
        await asyncio.wait([serving, *ends], return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        for task in (*tasks, *ends):
            task.cancel()
        await asyncio.gather(*tasks, *ends, return_exceptions=True)
    return START_ANEW if rebuild.is_set() and not stop.is_set() else 0


def _written(config: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return where the settings are written; nothing when the file went away in between."""
    with contextlib.suppress(OSError, ConfigError):
        return written(config, environ=environ)
    return {}


def _foundations(settings: Settings) -> tuple[object, ...]:
    """Return what cannot be changed while it runs; the socket stays the one that is open."""
    return settings.web, settings.log, settings.database, settings.state_dir, settings.store_password_file


def _address(listening: socket.socket) -> str:
    name = listening.getsockname()
    return f"unix:{name}" if listening.family == socket.AF_UNIX else f"{name[0]}:{name[1]}"


def _listen(address: str) -> socket.socket:
    from devops_agent.app.parent import open_listener

    return open_listener(address)


def _stamp(config: Path | None) -> tuple[int, int]:
    if config is None:
        return (0, 0)
    with contextlib.suppress(OSError):
        facts = config.stat()
        return (facts.st_mtime_ns, facts.st_size)
    return (0, 0)


def main() -> int:
    """Start the role as the parent does: `python -m devops_agent.app.web [CONFIG] [--fd N] [--with-parent]`."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the parent blocks signals, and its children inherit that
    given = sys.argv[1:]
    path = Path(given[0]) if given and given[0] else None
    listener = socket.socket(fileno=int(given[given.index("--fd") + 1])) if "--fd" in given else None
    parent = os.getppid() if "--with-parent" in given else 0
    import uvloop

    try:
        while True:
            code = uvloop.run(run_web(path, environ=environment(), listener=listener, parent=parent))
            if code != START_ANEW or listener is not None:  # the parent has the socket, and starts this role again
                return code
    except (ConfigError, SecretError) as error:
        log.error("cannot start: %s", error)  # noqa: TRY400 — the way out is in it, not in where it was raised
        return 5


if __name__ == "__main__":
    raise SystemExit(main())
