"""A small HTTP server for fakes of monitoring systems: it takes GET and POST forms and remembers what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from devops_agent.kit.http import Answer, Http


@dataclass(kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    form: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]

    def one(self, name: str, default: str = "") -> str:
        return self.form.get(name, [default])[0]


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer; `body` that is no text and no bytes is sent as JSON."""

    body: object
    status: int = 200

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(kw_only=True)
class Server:
    """Answers with what `answer` returns; None: never."""

    answer: Callable[[Asked], Awaitable[Said | None]]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    _hung: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                method, target, _ = first.split(" ")
                body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
                url = urlsplit(target)
                form = parse_qs("&".join(filter(None, (url.query, body))), keep_blank_values=True)
                asked = Asked(method=method, path=unquote(url.path), form=form, headers=headers)
                self.asked.append(asked)
                said = await self.answer(asked)
                if said is None:
                    await self._hung.wait()
                    return
                content = said.content
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (said.status, len(content), content))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def let_go(self) -> None:
        """End the requests that hang."""
        self._hung.set()


class Saying(Http):
    """A client that gets the same body whatever it asks; for fuzzing, where a server would take its time."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._body = body

    async def request(self, method: str, url: str, **_: Any) -> Answer:  # noqa: ANN401 — whatever is asked
        return Answer(status=200, headers={}, body=self._body, seconds=0.0)


@asynccontextmanager
async def serving(
    answer: Callable[[Asked], Awaitable[Said | None]], *, socket: Path | None = None
) -> AsyncIterator[Server]:
    """Serve on a free port, or a Unix socket."""
    server = Server(answer=answer)
    if socket is not None:
        listening = await asyncio.start_unix_server(server.serve, socket)
    else:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield server
        server.let_go()
