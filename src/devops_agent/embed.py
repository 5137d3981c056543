"""Attaches the agent to an existing FastAPI or Starlette application: it runs while the application runs.

    embed.attach(app, config="agent.yaml")

The agent is a process of its own beside the application: its memory, its event loop and its faults are not the
application's, and the process that listens still holds no credential of any target. When the application has started,
the agent is started; when it dies, it is started again; before the application shuts down, the agent drains.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from starlette.applications import Starlette
    from starlette.requests import Request

log = logging.getLogger("devops_agent.embed")

ROLES = ("agent", "web")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What seldom has to be said."""

    prefix: str = "/devops-agent"
    """Below it `GET …/health` tells whether the agent runs."""
    web: bool = False
    """Whether the web role (page, API, webhooks) is run too, as a process that listens where `web.listen` says."""
    first_pause: float = 0.1
    """Seconds until a role that died is started again; twice as long each time it dies young, up to 30 s."""
    drain: float = 20.0
    """Seconds that a role gets to end at shutdown before it is killed."""


DEFAULTS = Options()
_LONGEST_PAUSE = 30.0
_STEADY = 60.0  # seconds a role has to live for its next failure to count as the first again


def attach(app: Starlette, config: str | Path | None = None, *, options: Options = DEFAULTS) -> Attached:
    """Run the agent while `app` runs; `config` is its `agent.yaml`, found as on the command line when None.

    An application that is mounted inside another has no life of its own: attach to the outermost.

    Raises:
        FileNotFoundError: there is no such configuration.
        ValueError: the application has the path of the health endpoint already.

    """
    if config is not None and not Path(config).is_file():
        raise FileNotFoundError(
            f"cannot attach the agent: no configuration {str(config)!r}; `devops-agent init` writes one"
        )
    path = f"{options.prefix.rstrip('/')}/health"
    if path in {getattr(route, "path", "") for route in app.router.routes}:
        raise ValueError(
            f"cannot attach {path}: the application has that path already; set another prefix (Options.prefix)"
        )
    attached = Attached(Path(config).absolute() if config else None, options=options)
    # In front, because a page or folder mounted at / would answer for everything behind it.
    app.router.routes.insert(0, Route(path, attached.health, methods=["GET"]))
    own = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with own(app) as state, attached.running():
            yield state or {}

    app.router.lifespan_context = lifespan
    return attached


class Attached:
    """The agent beside an application."""

    def __init__(self, config: Path | None, *, options: Options) -> None:
        self._options = options
        self.roles = [_Role(name, config, options=options) for name in (ROLES if options.web else ROLES[:1])]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep every role running inside the block; at its end let them drain."""
        tasks = [asyncio.create_task(role.keep()) for role in self.roles]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(role.drain() for role in self.roles))

    async def health(self, _: Request) -> JSONResponse:
        """Answer 200 while every role runs, else 503."""
        well = all(role.pid for role in self.roles)
        return JSONResponse(
            {
                "status": "healthy" if well else "unhealthy",
                "roles": {role.name: {"pid": role.pid, "starts": role.starts} for role in self.roles},
            },
            status_code=200 if well else 503,
            headers={"Cache-Control": "no-store"},
        )


class _Role:
    """One process, started again whenever it dies."""

    def __init__(self, name: str, config: Path | None, *, options: Options) -> None:
        self.name = name
        self.starts = 0
        self._command = [sys.executable, "-m", f"devops_agent.app.{name}", str(config or ""), "--with-parent"]
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def keep(self) -> None:
        """Start it, and again each time it ends; until cancelled."""
        pause = self._options.first_pause
        while True:
            begun = time.monotonic()
            env = {**os.environ, "MALLOC_ARENA_MAX": "2"}  # else each thread has a heap of its own
            # A session of its own: Ctrl-C in a terminal asks the application to end, and that lets the agent drain.
            starting = asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, env=env, start_new_session=True
            )
            self._process = await starting
            self.starts += 1
            log.info("role started", extra={"role": self.name, "pid": self._process.pid})
            code = await self._process.wait()
            pause = self._options.first_pause if time.monotonic() - begun > _STEADY else pause
            log.warning("role ended, starts again", extra={"role": self.name, "code": code, "pause": pause})
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def drain(self) -> None:
        """Let it end what it is doing; kill it when that takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._options.drain)
                return
