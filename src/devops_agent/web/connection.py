"""One connection from outside: what may come over it before anybody is known is bounded in bytes and in time.

uvicorn bounds neither with `httptools`: a head without end fills the memory, and half a request holds its connection
for ever. Both need no token.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_WIDEST = 65_536
"""Bytes that may come in a row without being a whole head or a part of a body."""
_WITHIN = 30.0
"""Seconds in which a request has to have come whole, and in which a new connection has to bring one."""
_TOO_WIDE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connection(HttpToolsProtocol):
    """Reads requests, and ends when they are too large or too slow."""

    within: ClassVar[float] = _WITHIN

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin; the first request is awaited from now on."""
        super().connection_made(transport)
        self._in_head = True
        self._unused = 0
        self._late = self.loop.call_later(self.within, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._late.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of which nothing comes are counted."""
        self._unused += len(data)
        super().data_received(data)
        if self._unused > _WIDEST and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]  # None at first
                self.transport.write(_TOO_WIDE)
            self.transport.close()
        elif self._unused and self._late.cancelled():
            self._late = self.loop.call_later(self.within, self.transport.close)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head = True
        self._unused = max(1, self._unused)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are dropped, for nobody reads them and they would join the headers."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._in_head = False
        self._unused = 1
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unused = 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take note that the request is whole."""
        self._unused = 0
        self._late.cancel()
        super().on_message_complete()
