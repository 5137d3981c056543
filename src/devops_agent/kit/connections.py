"""Opens, keeps and closes the connections of the HTTP client."""

import asyncio
import errno
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devops_agent.kit.wire import Place, Wire, WireError, request_of

if TYPE_CHECKING:
    from ssl import SSLContext

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_IDLE_SECONDS = 15.0
_IDLE_MOST = 8
"""Idle connections that are kept to one server."""
_NAME_SECONDS = 10.0
_NAMES_MOST = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, ready to be sent."""

    method: str
    place: Place
    body: bytes
    headers: Mapping[str, str]
    socket: str
    keep: bool

    @property
    def where(self) -> tuple[object, ...]:
        """What a connection has to lead to, to carry this request."""
        return (self.socket, *self.place.origin)


class Connections:
    """At most so many to all servers, and to each Unix socket.

    Raises:
        WireError, OSError, ValueError: from `ask` and `connect`, when no answer begins.

    """

    def __init__(self, *, most: int, tls: "SSLContext | None") -> None:
        self._most = most
        self._tls = tls
        self._rooms: dict[str, asyncio.Semaphore] = {}
        self._wires: set[Wire] = set()
        self._idle: dict[tuple[object, ...], list[tuple[float, Wire]]] = {}
        self._names: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def ask(self, asked: Asked, until: float, *, limit: int | None) -> Wire:
        """Return a connection on which the head of the answer has come; give it back with `leave`."""
        request = request_of(asked.method, asked.place, asked.headers, asked.body, keep=asked.keep)
        bodiless = asked.method == "HEAD"
        room = self._rooms.get(asked.socket)
        if room is None:
            room = self._rooms[asked.socket] = asyncio.Semaphore(self._most)
        await room.acquire()
        wire: Wire | None = None
        try:
            # What must not be done twice never goes over an old connection: one that has just died cannot be told
            # from one whose server has got the request.
            if asked.method in _REPEATABLE and (wire := self._kept(asked)):
                try:
                    await wire.ask(request, bodiless=bodiless, limit=limit)
                except (WireError, OSError):
                    if wire.heard:
                        raise
                    self.drop(wire)
                else:
                    return wire
            wire = await self.connect(asked.place.origin, asked.socket, until)
            await wire.ask(request, bodiless=bodiless, limit=limit)
        except BaseException:
            if wire:
                self.drop(wire)
            room.release()
            raise
        return wire

    def leave(self, wire: Wire, asked: Asked) -> None:
        """Give a connection back that `ask` returned: it is kept if that was asked for and can be done."""
        self._rooms[asked.socket].release()
        if asked.keep and wire.usable and wire in self._wires:
            idle = self._idle.setdefault(asked.where, [])
            idle.append((time.monotonic(), wire))
            if len(idle) > _IDLE_MOST:
                self.drop(idle.pop(0)[1])
        else:
            self.drop(wire)

    def drop(self, wire: Wire) -> None:
        """Close a connection at once."""
        wire.abort()
        self._wires.discard(wire)

    async def connect(self, origin: tuple[str, str, int], socket: str, until: float) -> Wire:
        """Open a connection, to the first address that takes it."""
        loop = asyncio.get_running_loop()
        scheme, host, port = origin
        tls: dict[str, Any] = {"ssl": self._context(), "server_hostname": host} if scheme == "https" else {}
        if socket:
            _, wire = await loop.create_unix_connection(Wire, socket, **tls)
            self._wires.add(wire)
            return wire
        addresses = await self._addresses(host)
        for left in range(len(addresses), 0, -1):
            # An address that swallows everything leaves the others their share of the time.
            patience = max(until - time.monotonic(), 0.0) / left
            try:
                async with asyncio.timeout(patience):
                    _, wire = await loop.create_connection(Wire, addresses[-left], port, **tls)
            except OSError:
                if left == 1:
                    raise
            else:
                self._wires.add(wire)
                return wire
        raise OSError(errno.EADDRNOTAVAIL, "the name has no address")

    async def close(self) -> None:
        """Close all; new ones may be opened after."""
        self._idle.clear()
        self._names.clear()
        for wire in list(self._wires):
            self.drop(wire)
        # Transports give up their sockets in the loop's next round.
        await asyncio.sleep(0)

    def _kept(self, asked: Asked) -> Wire | None:
        idle = self._idle.get(asked.where, []) if asked.keep else []
        while idle:
            since, wire = idle.pop()
            if wire.usable and time.monotonic() - since < _IDLE_SECONDS:
                return wire
            self.drop(wire)
        return None

    async def _addresses(self, host: str) -> tuple[str, ...]:
        """Look a name up; what was found is remembered for seconds only, for a broken name service must show soon."""
        if ":" in host or host.replace(".", "").isdecimal():
            return (host,)
        until, found = self._names.get(host, (0.0, ()))
        now = time.monotonic()
        if now >= until:
            try:
                infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
            except UnicodeError as error:
                raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
            found = tuple(dict.fromkeys(str(info[4][0]) for info in infos))
            if len(self._names) >= _NAMES_MOST:
                self._names.clear()
            self._names[host] = (now + _NAME_SECONDS, found)
        return found

    def _context(self) -> "SSLContext":
        if self._tls is None:
            import ssl

            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls
