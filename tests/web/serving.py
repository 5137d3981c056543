"""The web application on a free port, with a store of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp

from devops_agent.config.settings import Settings, Web
from devops_agent.engine.ground import Ground, ground_of
from devops_agent.model.action import Action, Risk
from devops_agent.model.runbook import Match, Runbook
from devops_agent.model.target import Target
from devops_agent.plugins.alertmanager.receiver import AlertmanagerReceiver
from devops_agent.plugins.generic.receiver import GenericReceiver
from devops_agent.plugins.grafana.receiver import GrafanaReceiver
from devops_agent.store import Store, open_store, tokens
from devops_agent.web.assemble import create_app
from devops_agent.web.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from fastapi import FastAPI

    from devops_agent.store.rows import Rows

SECRETS = {scope: f"secret-{scope}" for scope in ("alerts", "read", "operate", "admin")}
TARGETS = (
    Target(name="checkout", via="docker", ref="checkout-1", managed=True, depends_on=("db",)),
    Target(name="db", via="docker", ref="db-1"),
    Target(name="watched"),
)
SETTINGS = Settings(targets=TARGETS, web=Web(requests_per_minute=1_000_000, max_body_bytes=2_000_000))


class Moving:
    """The real clock, which a test may set forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead.total_seconds()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(kw_only=True)
class Running:
    """A running application and a client for it."""

    url: str
    app: FastAPI
    store: Store
    clock: Moving
    client: aiohttp.ClientSession
    task: asyncio.Task[None]
    listening: socket.socket
    settings: list[Settings] = field(default_factory=lambda: [SETTINGS])

    async def ask(
        self,
        method: str,
        path: str,
        *,
        scope: str = "read",
        headers: Mapping[str, str] | None = None,
        json: object = None,
        data: object = None,
    ) -> Answer:
        """Ask with the token of a scope, or one given itself (empty: with none)."""
        sent = {**({"Authorization": f"Bearer {SECRETS.get(scope, scope)}"} if scope else {}), **(headers or {})}
        async with self.client.request(
            method, self.url + path, headers=sent, json=json, data=data, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, *, scope: str = "read", headers: Mapping[str, str] | None = None) -> Answer:
        return await self.ask("GET", path, scope=scope, headers=headers)

    async def post(
        self,
        path: str,
        json: object = None,
        *,
        scope: str = "operate",
        headers: Mapping[str, str] | None = None,
        data: object = None,
    ) -> Answer:
        return await self.ask("POST", path, scope=scope, headers=headers, json=json, data=data)

    async def log_in(self, scope: str = "operate") -> dict[str, str]:
        """Return the headers of a browser with a session of that scope."""
        answer = await self.post("/login", data={"token": SECRETS[scope]}, scope="")
        return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Accept": "text/html"}


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 — JSON may be of any shape
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


RUNBOOKS = (Runbook(name="service-down", says="Start it again.", match=Match(kinds=("down",))),)
ACTIONS = {"docker.restart": Action(name="docker.restart", says="Restart it.", risk=Risk.SAFE, idempotent=True)}


def build(store: Store, *, clock: Moving, settings: list[Settings]) -> FastAPI:
    """Return the application on `store`; the last of `settings` is in force."""

    def ground() -> Ground:
        return ground_of(settings[-1], discovered=(), version="1.2.3")

    return create_app(
        store=store,
        settings=lambda: settings[-1],
        ground=ground,
        receivers={
            "alertmanager": AlertmanagerReceiver(),
            "grafana": GrafanaReceiver(),
            "generic": GenericReceiver(),
        },
        runbooks=lambda: RUNBOOKS,
        actions=lambda: ACTIONS,
        clock=clock,
        version="1.2.3",
    )


@asynccontextmanager
async def running(folder: Path, *, settings: Settings = SETTINGS, max_pending: int = 10_000) -> AsyncIterator[Running]:
    """Serve until the block ends."""
    held = [settings]
    clock = Moving()
    async with await open_store(f"sqlite:///{folder}/agent.db", max_pending=max_pending, wait_ms=200) as store:

        def make_tokens(rows: Rows) -> None:
            for scope, secret in SECRETS.items():
                if tokens.find(rows, secret, now=clock.now()) is None:
                    tokens.keep(rows, scope, secret=secret, scope=scope, now=clock.now())

        await store.write(make_tokens)
        app = build(store, clock=clock, settings=held)
        listening = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        task = asyncio.create_task(serve(app, listening))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as client:
            try:
                yield Running(
                    url=url, app=app, store=store, clock=clock, client=client, task=task, listening=listening,
                    settings=held,
                )  # fmt: skip
            finally:
                await client.close()
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                listening.close()
