"""What goes over the wire: the bytes of a request, and one connection that reads answers (RFC 9110, RFC 9112).

Everything a server sends is bounded here and handed to llhttp's strict parser (`httptools`) as it comes; there is no
stream in between, for the agent asks thousands of times an hour.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast
from urllib.parse import quote, unquote, urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_WIDEST = 65_536
"""Bytes that may come without any body in them: heads, trailers, provisional answers, padding of chunks."""
_MOST_HEADERS = 200
_AHEAD = 65_536
"""Bytes of a stream that are read before they are asked for."""
_PROVISIONAL = range(100, 200)
_SWITCHING = 101
_BODILESS = frozenset({204, 304})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_OURS = frozenset({"content-length", "transfer-encoding"})
_PORTS = {"http": 80, "https": 443}


class WireError(Exception):
    """The answer cannot be used; the connection is closed."""

    def __init__(self, reason: Literal["reset", "protocol", "too large"], message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A URL taken apart."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query, quoted."""
    credentials: str
    """`user:password`, or nothing."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """What makes two URLs belong to one server."""
        return self.scheme, self.host, self.port


@lru_cache(128)
def place_of(url: str) -> Place:
    """Take a URL apart.

    Raises:
        ValueError: it is none that can be asked.

    """
    if _CONTROL.search(url) or "\t" in url:
        raise ValueError("the URL has control characters")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("the URL has to be http://host/path or https://host/path")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    login, at, _ = parts.netloc.rpartition("@")
    return Place(
        scheme=parts.scheme,
        host=parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode(),
        port=_PORTS[parts.scheme] if parts.port is None else parts.port,
        path=quote(_LONE_PERCENT.sub("%25", path), safe="%/?:@!$&'()*+,;=-._~[]"),
        credentials=unquote(login) if at else "",
    )


def request_of(method: str, place: Place, headers: Mapping[str, str], body: bytes, *, keep: bool) -> bytes:
    """Return the bytes of a request.

    Raises:
        ValueError: the method or a header cannot be sent, or would be read as something else.

    """
    lines = [f"{method} {place.path} HTTP/1.1"]
    given = {name.lower() for name in headers}
    lines += [f"{name}: {value}" for name, value in _added(place, keep=keep) if name.lower() not in given]
    if body or method not in {"GET", "HEAD", "DELETE", "OPTIONS"}:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if not _TOKEN.fullmatch(method) or not all(map(_TOKEN.fullmatch, given)):
        raise ValueError("the method or the name of a header is no word of HTTP")
    if any(map(_CONTROL.search, lines)):
        raise ValueError("a header has control characters")
    if given & _OURS:
        raise ValueError("Content-Length and Transfer-Encoding follow from the body and cannot be given")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _added(place: Place, *, keep: bool) -> Iterator[tuple[str, str]]:
    host = f"[{place.host.partition('%')[0]}]" if ":" in place.host else place.host
    yield "Host", host if place.port == _PORTS[place.scheme] else f"{host}:{place.port}"
    yield "User-Agent", "devops-agent"
    yield "Accept-Encoding", "identity"
    if not keep:
        yield "Connection", "close"
    if place.credentials:
        from base64 import b64encode

        yield "Authorization", f"Basic {b64encode(place.credentials.encode()).decode()}"


class Wire(asyncio.Protocol):
    """One connection, which carries one request at a time; use it by `ask`, then `whole` or `piece`, then `abort`.

    Raises:
        WireError, OSError: from all of these, when the answer breaks off or is no HTTP.

    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        """Names in lower case; of several with one name, the first."""
        self.heard = False
        """Whether anything at all has come since the last request."""
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._body = bytearray()
        self._failure: WireError | OSError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._begun = self._complete = self._keeps = self._bodiless = False
        self._limit: int | None = None
        self._dry = self._count = 0

    @property
    def usable(self) -> bool:
        """Whether the answer is complete and another request may follow it."""
        transport = self._transport
        return (
            self._complete
            and self._keeps
            and transport is not None
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )

    async def ask(self, request: bytes, *, bodiless: bool, limit: int | None) -> None:
        """Send a request and wait until the head of the answer has come.

        Args:
            request: see `request_of`.
            bodiless: whether the answer ends with its head (to `HEAD`).
            limit: bytes of body that are taken at most; None: it is a stream, read by `piece` as it comes.

        """
        self.status, self.headers, self.heard = 0, {}, False
        self._body = bytearray()
        self._begun = self._complete = self._keeps = False
        self._bodiless, self._limit, self._dry, self._count = bodiless, limit, 0, 0
        self._parser = HttpResponseParser(self)
        # Small home-made servers end lines with LF alone; that leaves nothing in doubt.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(request)
        while not self._begun:
            await self._wait()

    async def whole(self) -> bytes:
        """Return the body once all of it has come."""
        while not self._complete:
            await self._wait()
        return bytes(self._body)

    async def piece(self) -> bytes:
        """Return what has come of the body since, nothing at its end; the server is made to wait for a slow reader."""
        while not self._body:
            if self._complete:
                return b""
            await self._wait()
        piece = bytes(self._body)
        self._body.clear()
        if self._transport is not None:
            self._transport.resume_reading()
        return piece

    def shown(self, name: str) -> object:
        """Return what the transport knows about the connection; see `asyncio.BaseTransport.get_extra_info`."""
        return self._transport and self._transport.get_extra_info(name)

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._fail(WireError("reset", "it is closed on this side"))
        self._keeps = False
        # The parser refers back to this object; without the ring, nothing waits for the garbage collector.
        self._parser = None

    async def _wait(self) -> None:
        if self._failure:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: WireError | OSError) -> None:
        if not self._complete and self._failure is None:
            self._failure = failure
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        if self._parser is None or self._complete:
            # Nobody has asked for this: it must never be taken for the answer to the next request.
            self._keeps = False
            self._fail(WireError("protocol", "it speaks without being asked"))
            return
        self.heard = True
        self._dry += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail(WireError("protocol", "it wants to speak another protocol"))
        except HttpParserError as error:
            self._keeps = False
            self._fail(WireError("protocol", str(error)))
        if self._dry > _WIDEST and not self._complete:
            self._fail(WireError("too large", f"a head of more than {_WIDEST} bytes"))
        if self._limit is None and len(self._body) > _AHEAD and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:  # noqa: D102
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._end(exc)
        self._transport = None

    def _end(self, error: Exception | None) -> None:
        self._keeps = False
        lasts = "content-length" not in self.headers and "transfer-encoding" not in self.headers
        if self._begun and lasts and error is None and self._failure is None:
            self._complete = True
        self._fail(error if isinstance(error, OSError) else WireError("reset", "it closes before the answer is whole"))

    # What the parser calls; an exception stops it.

    def on_message_begin(self) -> None:
        """Refuse a second answer."""
        if self._complete:
            raise ValueError("it answers more than it was asked")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are left aside."""
        self._count += 1
        if self._count > _MOST_HEADERS:
            raise self._refused(WireError("too large", f"more than {_MOST_HEADERS} headers"))
        if not self._begun:
            self.headers.setdefault(name.decode("latin-1").lower(), value.decode(errors="replace").strip())
            if name.lower() == b"transfer-encoding" and value.strip().lower() != b"chunked":
                raise self._refused(WireError("protocol", "a transfer encoding other than chunked"))

    def on_headers_complete(self) -> None:
        """Begin the answer, unless it is only provisional."""
        assert self._parser is not None  # noqa: S101 — it is the one calling
        self.status = self._parser.get_status_code()
        if self.status in _PROVISIONAL and self.status != _SWITCHING:
            return
        if self.status < _PROVISIONAL.stop:
            raise self._refused(WireError("protocol", f"an answer of status {self.status}"))
        self._begun = True
        if self._bodiless:
            self._complete = True
        elif self._limit is not None and self.status not in _BODILESS:
            announced = int(self.headers.get("content-length", "0"))
            if announced > self._limit:
                raise self._refused(WireError("too large", f"{announced} bytes, read are at most {self._limit}"))

    def on_body(self, piece: bytes) -> None:
        """Take a piece of body."""
        self._dry = 0
        if self._complete:
            return
        self._body += piece
        if self._limit is not None and len(self._body) > self._limit:
            raise self._refused(WireError("too large", f"more than {self._limit} bytes"))

    def on_message_complete(self) -> None:
        """End the answer."""
        if not self._begun:
            self.headers = {}
        elif not self._complete:
            assert self._parser is not None  # noqa: S101 — it is the one calling
            self._complete = True
            self._keeps = self._parser.should_keep_alive()

    def _refused(self, failure: WireError) -> WireError:
        self._fail(failure)
        return failure
