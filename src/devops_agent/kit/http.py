"""The agent's one HTTP client: lean, bounded, and exact about why a request failed."""

import errno
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp import ClientResponse, ClientSession

Reason = Literal["dns", "refused", "unreachable", "timeout", "reset", "tls", "protocol", "too large", "status"]
"""`status` comes from streams only: an answer other than 2xx where lines were asked for."""

_NO_HEADERS: Mapping[str, str] = {}
_SUCCESS = range(200, 300)
_MOVED = frozenset({301, 302, 303, 307, 308})


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
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
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
        self._connections = connections
        self._tls = tls
        self._sessions: dict[tuple[str, bool], ClientSession] = {}

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

        began = time.monotonic()
        session = self._session(socket, keep=keep)
        with _failing_clearly(_words(method, url, socket), timeout):
            async with asyncio.timeout(timeout):
                while True:
                    async with session.request(
                        method, url, data=body or None, headers=headers, allow_redirects=False
                    ) as response:
                        onward = _onward(response) if redirects else ""
                        if not onward:
                            content = await _read(response, limit)
                            break
                    url, redirects = onward, redirects - 1
        seconds = time.monotonic() - began
        return Answer(status=response.status, headers=response.headers, body=content, seconds=seconds)

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

        session = self._session(socket, keep=False)
        with _failing_clearly(_words(method, url, socket), timeout):
            async with asyncio.timeout(timeout):
                response = await session.request(method, url, data=body or None, headers=headers, allow_redirects=False)
            async with response:
                if response.status not in _SUCCESS:
                    said = (await _read(response, limit)).decode(errors="replace").strip()
                    message = f"cannot {method} {url}: {response.status} {said[:300]}"
                    raise HttpError("status", message, status=response.status)
                async for line in _split(response, limit):
                    yield line

    async def certificate_ends(self, host: str, port: int, *, timeout: float = 5.0) -> datetime:
        """Return when the certificate that an https server shows ends; costs a connection of its own.

        Raises:
            HttpError: no connection, or the certificate is not trusted (`tls`: it may have ended already).

        """
        import asyncio
        import ssl

        with _failing_clearly(f"read the certificate of {host}:{port}", timeout):
            async with asyncio.timeout(timeout):
                context = self._tls or ssl.create_default_context()
                _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
            shown = writer.get_extra_info("peercert")
            writer.transport.abort()
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), tz=UTC)

    async def close(self) -> None:
        """Close every connection; the client can be used again, and then opens new ones."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.close()

    def _session(self, socket: str, *, keep: bool) -> "ClientSession":
        session = self._sessions.get((socket, keep))
        if session is None:
            session = self._sessions[socket, keep] = self._open(socket, keep=keep)
        return session

    def _open(self, socket: str, *, keep: bool) -> "ClientSession":
        import aiohttp

        limits: dict[str, Any] = {"limit": self._connections, "force_close": not keep}
        connector: aiohttp.BaseConnector
        if socket:
            connector = aiohttp.UnixConnector(path=socket, **limits)
        else:
            connector = aiohttp.TCPConnector(
                # A broken name service must show within the next polls, so names are remembered for seconds only.
                ttl_dns_cache=10,
                resolver=aiohttp.ThreadedResolver(),
                ssl=True if self._tls is None else self._tls,
                **limits,
            )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "devops-agent", "Accept-Encoding": "identity"},
            skip_auto_headers=("Accept", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            trust_env=False,
            middlewares=(),
        )


@contextmanager
def _failing_clearly(asked: str, timeout: float) -> Iterator[None]:
    """Turn whatever goes wrong inside into an HttpError that says what was asked."""
    import aiohttp

    try:
        yield
    except TimeoutError as error:
        raise HttpError("timeout", f"cannot {asked}: no answer within {timeout:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = _reason(error)
        detail = str(getattr(error, "os_error", None) or error) or type(error).__name__
        raise HttpError(reason, f"cannot {asked}: {_WORDS[reason]} ({detail})") from error


def _words(method: str, url: str, socket: str) -> str:
    return f"{method} {url} over {socket}" if socket else f"{method} {url}"


def _onward(response: "ClientResponse") -> str:
    """Return where an answer sends us, if that is the same server and asking there again does no harm; else nothing."""
    if response.status not in _MOVED or response.method not in {"GET", "HEAD"}:
        return ""
    there = response.url.join(type(response.url)(response.headers.get("Location", "")))
    return str(there) if there.origin() == response.url.origin() else ""


async def _read(response: "ClientResponse", limit: int) -> bytes:
    pieces: list[bytes] = []
    size = response.content_length or 0
    if size <= limit:
        size = 0
        async for piece in response.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                break
        else:
            return b"".join(pieces)
    # The rest is not wanted, so the connection must not wait for it.
    response.close()
    raise HttpError("too large", f"cannot read {response.url}: more than {limit} bytes")


async def _split(response: "ClientResponse", limit: int) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in response.content.iter_any():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")
        if len(rest) > limit:
            raise HttpError("too large", f"cannot read {response.url}: a line of more than {limit} bytes")
    if rest:
        yield rest


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
}


def _reason(error: Exception) -> Reason:
    import socket
    import ssl

    import aiohttp

    cause = getattr(error, "os_error", error)
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        return "dns"
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(cause, ssl.SSLError):
        return "tls"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "reset"
    if isinstance(cause, OSError):
        return _BY_ERRNO.get(cause.errno or _number_in(cause), "unreachable")
    return "protocol"


def _number_in(error: OSError) -> int:
    """Return the last error number that a joint error over several addresses quotes; 0 when it quotes none."""
    found = re.findall(r"Errno (\d+)", str(error))
    return int(found[-1]) if found else 0
