"""A little HTTP server whose answers a test chooses."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(kw_only=True)
class Server:
    url: str
    port: int
    answers: dict[str, tuple[int, object]]
    """Path → status and body; a dict or list is sent as JSON."""
    asked: list[Asked] = field(default_factory=list)
    hangs: bool = False
    """Whether it takes requests and never answers."""


@asynccontextmanager
async def answering(answers: Mapping[str, tuple[int, object]] | None = None) -> AsyncIterator[Server]:
    """Serve on a free port of the loopback until the block ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        server.asked.append(Asked(method=method, path=path, headers=headers, body=body))
        if server.hangs:
            await reader.read()
            return
        status, said = server.answers.get(path, (404, "nothing here"))
        text = said if isinstance(said, str) else json.dumps(said)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text.encode())}\r\n\r\n{text}".encode())

    handlers: set[asyncio.Task[None] | None] = set()
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    server = Server(url=f"http://127.0.0.1:{port}", port=port, answers=dict(answers or {}))
    async with listening:
        yield server
    await asyncio.gather(*(task for task in handlers if task), return_exceptions=True)
