"""What tests of channels share: a service on loopback that records what is posted, and tools with secrets in files."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from devops_agent.app.parts import nobody
from devops_agent.kit.http import Http
from devops_agent.kit.testing.clock import FakeClock
from devops_agent.kit.tools import Tools
from devops_agent.ports import PluginError


@dataclass(frozen=True, kw_only=True)
class Posted:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:  # noqa: ANN401 — JSON may be of any shape
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Says:
    """One answer; a `body` that is no text is sent as JSON."""

    body: object = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Service:
    """Records requests and answers as `answer` says."""

    answer: Callable[[Posted], Awaitable[Says] | Says]
    url: str = ""
    posted: list[Posted] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        posted = Posted(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers=dict(request.headers),
            body=await request.read(),
        )
        self.posted.append(posted)
        said = self.answer(posted)
        answer = said if isinstance(said, Says) else await said
        if isinstance(answer.body, str):
            return web.Response(text=answer.body, status=answer.status, headers=dict(answer.headers))
        return web.json_response(answer.body, status=answer.status, headers=dict(answer.headers))


@asynccontextmanager
async def service(
    answer: Callable[[Posted], Awaitable[Says] | Says], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Service]:
    """Serve on a free port; with `tls` as https://localhost."""
    made = Service(answer=answer)
    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
    made.url = f"{scheme}://{host}:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def tools(folder: Path) -> Tools:
    """Return tools whose secrets are files."""
    return Tools(clock=FakeClock(), guardian=nobody(), http=Http(), state_dir=folder, secret=_secret)


def secret_file(folder: Path, text: str, name: str = "secret") -> str:
    """Write a secret and return its path."""
    file = folder / name
    file.write_text(f"{text}\n")
    return str(file)


def _secret(path: str) -> str:
    try:
        return Path(path).read_text().rstrip("\n")
    except OSError as error:
        raise PluginError(f"cannot read {path}", retryable=False) from error
