"""Serves the application on a socket that is listening already, and drains it at the end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn

from devops_agent.web.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

_DRAIN = 10
"""Seconds that requests under way may still take at the end."""
_KEEP_ALIVE = 75
_BACKLOG = 2048


class _Server(uvicorn.Server):
    """Signals are the composition root's; it cancels what is to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    def end(self) -> None:
        """Take no more."""
        self.should_exit = True
        self._told.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Set the date of answers every second; uvicorn's own loop looks ten times a second whether to end."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1.0)


async def serve(app: FastAPI, listening: socket.socket) -> None:
    """Serve until cancelled; then take no more, finish what is under way, and return.

    The socket is closed at the end; a duplicate that another process holds goes on listening.
    """
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_DRAIN,
        backlog=_BACKLOG,
    )
    if listening.family != socket.AF_UNIX:
        # asyncio sets it only where it knows the protocol: without it what follows the head of an answer waits 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        app.state.stream.close()
        server.end()
        await serving
        raise
    finally:
        listening.close()  # uvicorn leaves it open when it is told to stop before it has started
