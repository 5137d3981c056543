"""Small servers that say exactly the bytes that a test wants."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devops_agent.kit.http import HttpError

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nX-Who: me\r\n\r\n" + b'{"status":"fine"}'


@asynccontextmanager
async def serving(serve: Serve, *, tls: ssl.SSLContext | None = None, path: Path | None = None) -> AsyncIterator[str]:
    """Serve on a free port (or a Unix socket) and tell the URL to ask."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    if path:
        server = await asyncio.start_unix_server(once, path)
        url = "http://docker"
    else:
        server = await asyncio.start_server(once, "127.0.0.1", 0, ssl=tls)
        url = f"{'https' if tls else 'http'}://localhost:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield url


def saying(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return serve


async def reason_of(asking: Awaitable[object]) -> str:
    with pytest.raises(HttpError) as raised:
        await asking
    assert str(raised.value).startswith("cannot ")
    return raised.value.reason


def own_authority(folder: Path, *, days: int) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate for localhost; returns what a server needs and what a client needs to trust it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-days", str(days)]
    subprocess.run([*request.split(), *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=cert)
