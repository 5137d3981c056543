"""A reference server of PAM's side of the protocol: token, user, receipts, questions; it can be away, or drop people.

Run by itself it prints what it is told: `python -m tests.plugins.pam.server USER TOKEN`.
"""

import asyncio
import http
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

_PATH = "/api/v1/pam/ws/"


@dataclass(kw_only=True)
class PamServer:
    """Serves one user."""

    user: str = "u-1"
    token: str = "t0ken"
    port: int = 0
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the user sees, by id."""
    handed: list[str] = field(default_factory=list)
    """The id of every notification that came, repeats too."""
    came: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """The same, to be waited for."""
    away: bool = False
    """Whether everybody is turned away with a 503."""
    turned_away: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    drops: int = 0
    """So many notifications are taken, and the connection is ended instead of giving a receipt."""
    silent: bool = False
    """Whether no receipts are given."""
    refuses: str = ""
    """Why every notification is refused; empty: none is."""
    answers: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    alone: asyncio.Event = field(default_factory=asyncio.Event)
    _server: Server | None = None
    _sockets: set[ServerConnection] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Come online; at the same port again after `stop`."""
        self._server = await serve(self._talk, "127.0.0.1", self.port, process_request=self._admit, close_timeout=0.2)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Go offline, dropping everybody."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def ask(self, id_: str, text: str, **more: str) -> dict[str, Any]:
        """Ask everybody who is connected, and return the first answer."""
        for socket in self._sockets:
            await socket.send(json.dumps({"type": "question", "id": id_, "text": text, **more}))
        return await self.answers.get()

    async def say(self, frame: str | bytes) -> None:
        """Send a frame to everybody who is connected."""
        for socket in self._sockets:
            await socket.send(frame)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.away:
            self.turned_away.put_nowait(None)
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "come again\n")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "who are you\n")
        if request.path != _PATH + self.user:
            return connection.respond(http.HTTPStatus.FORBIDDEN, "not yours\n")
        return None

    async def _talk(self, socket: ServerConnection) -> None:
        self._sockets.add(socket)
        self.connected.set()
        self.alone.clear()
        try:
            async for frame in socket:
                await self._take(socket, json.loads(frame))
        except ConnectionClosed:
            pass
        finally:
            self._sockets.discard(socket)
            if not self._sockets:
                self.connected.clear()
                self.alone.set()

    async def _take(self, socket: ServerConnection, said: dict[str, Any]) -> None:
        if said["type"] == "answer":
            self.answers.put_nowait(said)
        if said["type"] != "notification":
            return
        id_ = said["id"]
        self.handed.append(id_)
        self.came.put_nowait(id_)
        if self.refuses:
            await socket.send(json.dumps({"type": "refused", "id": id_, "reason": self.refuses}))
            return
        self.shown.setdefault(id_, said)
        if self.drops:
            self.drops -= 1
            await socket.close()
        elif not self.silent:
            await socket.send(json.dumps({"type": "receipt", "id": id_}))


@asynccontextmanager
async def pam_server(**given: Any) -> AsyncIterator[PamServer]:  # noqa: ANN401 — its own fields
    """Run one on a free port."""
    server = PamServer(**given)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def _main(user: str, token: str) -> None:
    async with pam_server(user=user, token=token) as server:
        print(f"{server.url}{_PATH}{user}", flush=True)  # noqa: T201 — it is a program
        seen = 0
        while True:
            await asyncio.sleep(0.2)
            for said in list(server.shown.values())[seen:]:
                seen += 1
                print(json.dumps(said), flush=True)  # noqa: T201 — it is a program


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:3]))
