"""The agent's one HTTP client: lean, bounded, and exact about why a request failed.

It is our own because the agent has a budget of memory that general clients exceed by themselves (see
docs/decisions/0005); `wire` is its lower half.
"""

import errno
import re
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from ssl import SSLContext

    from devops_agent.kit.connections import Asked, Connections
    from devops_agent.kit.wire import Place, Wire

Reason = Literal["dns", "refused", "unreachable", "timeout", "reset", "tls", "protocol", "too large", "status"]
"""`status` comes from streams only: an answer other than 2xx where lines were asked for."""

_NO_HEADERS: Mapping[str, str] = {}
_SUCCESS = range(200, 300)
_MOVED = frozenset({301, 302, 303, 307, 308})
_EXCERPT = 300
HIDDEN = "•••"
_SECRET_IN_QUERY = re.compile(
    r"([?&][^=&#]*(?:token|secret|passw|credential|api_?key|auth|signature)[^=&#]*=)[^&#]+", re.IGNORECASE
)


class HttpError(Exception):
    """No answer, or none that can be used; `reason` says which part of the way failed."""

    def __init__(self, reason: Reason, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        """The HTTP status when `reason` is `status`, else 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said, in full."""

    status: int
    headers: Mapping[str, str]
    """Names match in any case."""
    body: bytes
    seconds: float
    """From the first byte asked to the last byte read."""

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return self.status in _SUCCESS

    @property
    def text(self) -> str:
        """The body as UTF-8, what is not replaced."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:  # noqa: ANN401 — JSON may be of any shape
        """Return the body read as JSON.

        Raises:
            HttpError: it is none (`protocol`).

        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HttpError("protocol", f"cannot read the answer as JSON: {error}") from error


class Http:
    """A client for TCP and Unix sockets; build it once, close it at the end.

    It takes no proxy from the environment, keeps no cookies, and follows redirects only when told to, and only to the
    same server.
    """

    def __init__(self, *, connections: int = 128, tls: "SSLContext | None" = None) -> None:
        """Build a client that opens nothing yet.

        Args:
            connections: how many may be open at once to all servers, and to each Unix socket.
            tls: how https servers are checked; None: against the system's certificates.

        """
        self._most = connections
        self._tls = tls
        self._opened: Connections | None = None

    async def request(  # noqa: PLR0913 — a request has so many parts, and a call reads best with all of them in sight
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] = _NO_HEADERS,
        timeout: float = 5.0,
        limit: int = 2_000_000,
        socket: str = "",
        keep: bool = False,
        redirects: int = 0,
    ) -> Answer:
        """Ask and return the whole answer, whatever its status.

        Args:
            method: `GET`, `POST`, …
            url: with `http://` or `https://`; over a Unix socket the host is only a name.
            body: sent as it is.
            headers: sent as they are; nothing but `User-Agent`, `Accept-Encoding` and what HTTP needs is added.
            timeout: seconds for everything from looking up the name to the last byte.
            limit: bytes of body that are read at most.
            socket: path of a Unix socket to go through.
            keep: whether to use a connection again. A health check wants a new one each time, for over an old one it
                would not see that a port is lost.
            redirects: how many redirects of a GET to the same server to follow.

        Raises:
            HttpError: no whole answer came.

        """
        import asyncio

        from devops_agent.kit.connections import Asked
        from devops_agent.kit.wire import place_of

        began = time.monotonic()
        method = method.upper()
        with _failing_clearly(_words(method, url, socket), timeout):
            async with asyncio.timeout(timeout):
                place = place_of(url)
                while True:
                    asked = Asked(method, place, body, headers, socket=socket, keep=keep)
                    wire = await self._connections.ask(asked, began + timeout, limit=limit)
                    try:
                        content = _plain(await wire.whole(), wire.headers, limit)
                    finally:
                        self._connections.leave(wire, asked)
                    onward = _onward(wire, asked) if redirects else None
                    if onward is None:
                        break
                    place, redirects = onward, redirects - 1
        seconds = time.monotonic() - began
        return Answer(status=wire.status, headers=_Headers(wire.headers), body=content, seconds=seconds)

    async def lines(  # noqa: PLR0913 — see request
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] = _NO_HEADERS,
        timeout: float = 5.0,
        limit: int = 1_000_000,
        socket: str = "",
    ) -> AsyncGenerator[bytes]:
        """Yield the lines of a stream, without their ends, until the server closes it.

        Args:
            method: see `request`, as for `url`, `body`, `headers` and `socket`.
            url: see there.
            body: see there.
            headers: see there.
            timeout: seconds until the answer begins; the stream itself may last for ever.
            limit: bytes that one line may have.
            socket: see there.

        Raises:
            HttpError: the answer does not begin, is not 2xx (`status`), or breaks off (`reset`).

        """
        import asyncio

        from devops_agent.kit.connections import Asked
        from devops_agent.kit.wire import WireError, place_of

        method = method.upper()
        with _failing_clearly(_words(method, url, socket), timeout):
            async with asyncio.timeout(timeout):
                asked = Asked(method, place_of(url), body, headers, socket=socket, keep=False)
                wire = await self._connections.ask(asked, time.monotonic() + timeout, limit=None)
            try:
                if wire.headers.get("content-encoding", "identity") != "identity":
                    raise ValueError("a stream that is encoded, though plain text was asked for")
                if wire.status not in _SUCCESS:
                    async with asyncio.timeout(timeout):
                        said = await _beginning(wire)
                    message = f"cannot {method} {bare(url)}: {wire.status} {said}"
                    raise HttpError("status", message, status=wire.status)
                rest = b""
                while piece := await wire.piece():
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        yield line.removesuffix(b"\r")
                    if len(rest) > limit:
                        raise WireError("too large", f"a line of more than {limit} bytes")
                if rest:
                    yield rest
            finally:
                self._connections.leave(wire, asked)

    async def certificate_ends(self, host: str, port: int, *, timeout: float = 5.0) -> datetime:
        """Return when the certificate that an https server shows ends; costs a connection of its own.

        Raises:
            HttpError: no connection, or the certificate is not trusted (`tls`: it may have ended already).

        """
        import asyncio
        import ssl

        with _failing_clearly(f"read the certificate of {host}:{port}", timeout):
            async with asyncio.timeout(timeout):
                wire = await self._connections.connect(("https", host, port), "", time.monotonic() + timeout)
            shown: Any = wire.shown("peercert")
            self._connections.drop(wire)
            if not shown:
                raise ssl.SSLError("no certificate is shown")
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), tz=UTC)

    async def close(self) -> None:
        """Close every connection; the client can be used again, and then opens new ones."""
        if self._opened is not None:
            await self._opened.close()

    @property
    def _connections(self) -> "Connections":
        if self._opened is None:
            from devops_agent.kit.connections import Connections

            self._opened = Connections(most=self._most, tls=self._tls)
        return self._opened


class _Headers(Mapping[str, str]):
    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


@contextmanager
def _failing_clearly(asked: str, timeout: float) -> Iterator[None]:
    """Turn whatever goes wrong inside into an HttpError that says what was asked."""
    from devops_agent.kit.wire import WireError

    try:
        yield
    except TimeoutError as error:
        raise HttpError("timeout", f"cannot {asked}: no answer within {timeout:g} s") from error
    except (WireError, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, WireError) else _reason(error)
        raise HttpError(reason, f"cannot {asked}: {_WORDS[reason]} ({str(error) or type(error).__name__})") from error


def _words(method: str, url: str, socket: str) -> str:
    return f"{method} {bare(url)} over {socket}" if socket else f"{method} {bare(url)}"


def bare(url: str) -> str:
    """Leave out a URL's user and password, and hide what its query says as `token=` or the like."""
    return _SECRET_IN_QUERY.sub(rf"\1{HIDDEN}", re.sub(r"//[^/?#]*@", "//", url))


def _onward(wire: "Wire", asked: "Asked") -> "Place | None":
    """Return where an answer sends us, if that is the same server and asking there again does no harm; else nothing."""
    from urllib.parse import urljoin

    from devops_agent.kit.wire import place_of

    location = wire.headers.get("location", "")
    if wire.status not in _MOVED or asked.method not in {"GET", "HEAD"} or not location:
        return None
    scheme, host, port = asked.place.origin
    bracketed = f"[{host}]" if ":" in host else host
    try:
        there = place_of(urljoin(f"{scheme}://{bracketed}:{port}{asked.place.path}", location))
    except ValueError:
        return None
    return replace(there, credentials=asked.place.credentials) if there.origin == asked.place.origin else None


def _plain(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """Undo an encoding that was not asked for; one that is unknown is left as it is.

    Raises:
        ValueError: the body is not what it says.
        WireError: it unfolds to more than `limit` bytes.

    """
    encoding = headers.get("content-encoding", "").lower()
    if not body or encoding not in {"gzip", "x-gzip", "deflate"}:
        return body
    import zlib

    from devops_agent.kit.wire import WireError

    # Some servers send `deflate` without the frame that it should have (RFC 9110, 8.4.1.2); a frame begins with 8.
    framed = encoding != "deflate" or body[0] & 0x0F == zlib.DEFLATED
    unpacking = zlib.decompressobj(32 + zlib.MAX_WBITS if framed else -zlib.MAX_WBITS)
    try:
        content = unpacking.decompress(body, limit + 1)
    except zlib.error as error:
        raise ValueError(f"the body is no {encoding}: {error}") from error
    if len(content) > limit:
        raise WireError("too large", f"more than {limit} bytes when unpacked")
    if not unpacking.eof:
        raise ValueError(f"the body is no whole {encoding}")
    return content


async def _beginning(wire: "Wire") -> str:
    said = b""
    while len(said) < _EXCERPT and (piece := await wire.piece()):
        said += piece
    return said.decode(errors="replace").strip()[:_EXCERPT]


_BY_ERRNO: Mapping[int, Reason] = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.ENOENT: "unreachable",
    errno.EACCES: "unreachable",
    errno.EPERM: "unreachable",
}


_WORDS: Mapping[Reason, str] = {
    "dns": "the name cannot be resolved",
    "refused": "the connection is refused",
    "unreachable": "it cannot be reached",
    "timeout": "the connection times out",
    "reset": "the connection breaks off",
    "tls": "the certificate or the encryption does not hold",
    "protocol": "what is asked or answered is no HTTP",
    "too large": "the answer is too large",
}


def _reason(error: Exception) -> Reason:
    import socket
    import ssl

    if isinstance(error, socket.gaierror):
        return "dns"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "reset"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, OSError):
        broken = isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError)
        return "reset" if broken else _BY_ERRNO.get(error.errno or 0, "unreachable")
    return "protocol"
