"""Wake-ups between processes: who changed rows rings, who waits for such rows hears it at once.

A ring that is lost costs a delay, never a fact: every waiter looks at the rows again after a while by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import threading
from typing import TYPE_CHECKING

from devops_agent.store.rows import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from devops_agent.store.postgres import PostgresConnection

log = logging.getLogger("devops_agent.store")

_LONGEST_PAUSE = 30.0  # seconds


class Bell:
    """The waiting side: an event for each topic somebody in this process waits for."""

    def __init__(self) -> None:
        self._events: dict[str, list[asyncio.Event]] = {}

    def on(self, *topics: str) -> asyncio.Event:
        """Return an event that is set whenever one of `topics` is rung; the waiter clears it."""
        event = asyncio.Event()
        for topic in topics:
            self._events.setdefault(topic, []).append(event)
        return event

    def off(self, event: asyncio.Event) -> None:
        """Forget an event."""
        for events in self._events.values():
            if event in events:
                events.remove(event)

    def sound(self, topics: Iterable[str]) -> None:
        """Set the events of `topics`."""
        for topic in topics:
            for event in self._events.get(topic, ()):
                event.set()

    def sound_all(self) -> None:
        """Set every event: something may have been missed."""
        self.sound(list(self._events))


class DatagramBells:
    """Between the processes of one machine: a datagram to each one's socket in a folder beside the database file.

    Sockets are named through the folder's file descriptor, because a socket's path may have 107 characters at most.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sender.setblocking(False)  # noqa: FBT003 — the standard library's signature
        self._receiver: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._name = f"{os.getpid()}.{secrets.token_hex(4)}"  # in containers that share the folder, pids repeat

    def open(self, bell: Bell) -> None:
        """Hear, from now on, what other processes ring."""
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.setblocking(False)  # noqa: FBT003
        try:
            receiver.bind(self._path(self._name))
        except OSError:
            receiver.close()
            raise
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(receiver, _hear, receiver, bell)

    def ring(self, topics: Iterable[str]) -> None:
        """Tell every process; sockets whose owner is gone are cleared away. Never fails: the rows are written."""
        message = ",".join(sorted(topics)).encode()
        names: list[str] = []
        with contextlib.suppress(OSError):
            names = os.listdir(self._folder)  # noqa: PTH208 — a path cannot be made of a descriptor
        for name in names:
            try:
                self._sender.sendto(message, self._path(name))
            except (ConnectionRefusedError, FileNotFoundError):
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._folder)
            except OSError:  # its buffer is full: it has wake-ups enough
                continue

    def close(self) -> None:
        """Hear no more."""
        if self._receiver is not None and self._loop is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._receiver)
            self._receiver.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=self._folder)
        self._sender.close()
        os.close(self._folder)

    def _path(self, name: str) -> str:
        return f"/proc/self/fd/{self._folder}/{name}"


def _hear(receiver: socket.socket, bell: Bell) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            bell.sound(receiver.recv(4096).decode().split(","))


class NotifyBells:
    """Between machines: PostgreSQL's LISTEN on a connection of its own, which is made anew when it is lost."""

    def __init__(self, connection: PostgresConnection, connect: Callable[[], PostgresConnection]) -> None:
        """Take a connection that listens already, and how to make another."""
        self._connection: PostgresConnection | None = connection
        self._connect = connect
        self._lock = threading.Lock()
        self._closed = False
        self._bell = Bell()
        self._descriptor: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mending: asyncio.Task[None] | None = None

    def open(self, bell: Bell) -> None:
        """Hear, from now on, what other processes ring."""
        self._bell = bell
        self._loop = asyncio.get_running_loop()
        self._attach()

    def close(self) -> None:
        """Hear no more."""
        with self._lock:
            self._closed = True
        if self._mending is not None and self._loop is not None and not self._loop.is_closed():
            self._mending.cancel()
        self._let_go()

    def _attach(self) -> None:
        if self._connection is not None and self._loop is not None:
            self._descriptor = self._connection.descriptor
            self._loop.add_reader(self._descriptor, self._hear)

    def _hear(self) -> None:
        if self._connection is None or self._loop is None:
            return
        try:
            self._bell.sound(self._connection.heard())
        except StoreError as error:
            log.warning("wake-ups are lost until PostgreSQL can be reached again", extra={"error": str(error)})
            self._let_go()
            self._mending = self._loop.create_task(self._mend(), name="bells")

    def _let_go(self) -> None:
        if self._descriptor is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        self._descriptor = None
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _mend(self) -> None:
        pause = 0.1
        while not self._closed:
            try:
                await asyncio.to_thread(self._connect_again)
            except StoreError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._attach()
                self._bell.sound_all()  # what was rung in between was not heard
                return

    def _connect_again(self) -> None:
        connection = self._connect()
        with self._lock:
            if not self._closed:
                self._connection = connection
                return
        connection.close()
