"""A service that is always well and costs next to nothing; run as a program it prints its port and serves."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

_ANSWERS = {
    b"/health": b'{"status":"healthy"}',
    b"/health/resources": b'{"memory_percent":41.5,"cpu_percent":12.25,"disk_percent":33.0}',
}


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for request in data.split(b"\r\n\r\n")[:-1]:
            body = _ANSWERS.get(request.split(b" ", 2)[1], b'{"status":"ok"}')
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self._transport.write(head + body)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
