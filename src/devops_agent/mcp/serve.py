"""Runs the server: over standard input and output for one caller, or over HTTP for whoever brings a token."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse

from devops_agent.kit.http import Http
from devops_agent.mcp.calling import Api, ApiError, Place, refused
from devops_agent.mcp.server import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mcp.server.mcpserver import Context
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/mcp"
_HERE = ("127.0.0.1", "localhost", "[::1]")
_LARGEST = 1_000_000
_REMEMBERED = 2.0
"""Seconds after which a token is asked about again."""
_REMEMBERED_AT_MOST = 1_000


async def serve_stdio(url: str, *, socket_path: str, token: str, writes: bool) -> None:
    """Serve one caller, whose token this is, until standard input ends."""
    http = Http()
    api = Api(Place(http, url, socket=socket_path), token)
    try:
        await build(lambda _: api, writes=writes).run_stdio_async()
    finally:
        await http.close()


async def serve_http(
    url: str, *, socket_path: str, listening: socket.socket, hosts: Sequence[str], writes: bool,
    started: Callable[[], None],
) -> None:  # fmt: skip
    """Serve until SIGTERM or SIGINT on a socket that is listening already; calls `started` when it takes requests.

    `hosts` are names, besides those of this machine, by which it may be called.
    """
    http = Http()
    place = Place(http, url, socket=socket_path)
    names = (*_HERE, *hosts)
    allowed = TransportSecuritySettings(
        allowed_hosts=[form for name in names for form in (name, f"{name}:*")],
        allowed_origins=[f"{scheme}://{name}{port}" for name in names for scheme in ("http", "https")
                         for port in ("", ":*")],
    )  # fmt: skip
    server = build(lambda ctx: Api(place, bearer(ctx)), writes=writes)
    # Without sessions none can be taken over, and a restart of this server is not noticed.
    app = server.streamable_http_app(
        streamable_http_path=PATH, json_response=True, stateless_http=True, max_request_body_size=_LARGEST,
        transport_security=allowed,
    )  # fmt: skip
    config = uvicorn.Config(
        Door(app, place, allowed), lifespan="on", ws="none", log_config=None, access_log=False, server_header=False
    )
    running = _Server(config, started)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.end)
    try:
        await running.serve(sockets=[listening])
    finally:
        await http.close()


def bearer(ctx: Context[Any, Any]) -> str:
    """Return the token of whoever calls, as the request carried it."""
    return _token((ctx.headers or {}).get("authorization", ""))


class Door:
    """Lets in who calls this server by its name, from no foreign page, with a token that the API knows.

    Host and origin are checked first (MCP, "Security Warning" of streamable HTTP: DNS rebinding), so that a foreign
    page cannot even try tokens.
    """

    def __init__(self, app: ASGIApp, place: Place, allowed: TransportSecuritySettings) -> None:
        self._app = app
        self._place = place
        self._headers = TransportSecurityMiddleware(allowed)
        self._known: dict[bytes, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        wrong = await self._headers.validate_request(request, is_post=request.method == "POST")
        if wrong is None:
            try:
                await self._check(_token(request.headers.get("authorization", "")))
            except ApiError as error:
                wrong = _refusal(error)
        await (wrong or self._app)(scope, receive, send)

    async def _check(self, token: str) -> None:
        """See that the API knows a token.

        Raises:
            ApiError: it does not, or cannot be asked.

        """
        if not token:
            says = "this needs a token: send `Authorization: Bearer TOKEN` (`devops-agent token create` makes one)"
            raise ApiError(says, status=401)
        digest = hashlib.sha256(token.encode()).digest()
        now = time.monotonic()
        if self._known.get(digest, 0.0) > now:
            return
        answer = await self._place.ask("GET", "/api/v1/flags", token=token)
        if not answer.ok:
            raise refused(answer)
        if len(self._known) >= _REMEMBERED_AT_MOST:
            self._known.clear()
        self._known[digest] = now + _REMEMBERED


class _Server(uvicorn.Server):
    """Signals are the caller's."""

    def __init__(self, config: uvicorn.Config, told: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = told

    def end(self) -> None:
        """Take no more, finish what is under way."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take requests, and say so."""
        await super().startup(sockets=sockets)
        self._told()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _token(header: str) -> str:
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _refusal(error: ApiError) -> JSONResponse:
    status = error.status if error.status in {401, 403, 429} else 503
    headers = {"WWW-Authenticate": 'Bearer realm="devops-agent"'} if status == 401 else {}  # noqa: PLR2004 — HTTP's own
    return JSONResponse({"error": str(error)}, status_code=status, headers=headers)
