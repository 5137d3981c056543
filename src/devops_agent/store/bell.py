"""Wake-ups between processes: who changed rows rings, who waits for such rows hears it at once.

A ring that is lost costs a delay, never a fact: every waiter looks at the rows again after a while by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from devops_agent.store.postgres import PostgresConnection


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
        self._name = f"{os.getpid()}.{id(self):x}"

    def open(self, bell: Bell) -> None:
        """Hear, from now on, what other processes ring."""
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.setblocking(False)  # noqa: FBT003
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._folder)
        receiver.bind(self._path(self._name))
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(receiver, _hear, receiver, bell)

    def ring(self, topics: Iterable[str]) -> None:
        """Tell every process; sockets whose owner is gone are cleared away."""
        message = ",".join(sorted(topics)).encode()
        for name in os.listdir(self._folder):
            try:
                self._sender.sendto(message, self._path(name))
            except (ConnectionRefusedError, FileNotFoundError):
                with contextlib.suppress(FileNotFoundError):
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
    """Between machines: PostgreSQL's LISTEN, on a connection and thread of its own."""

    def __init__(self, connect: PostgresConnection) -> None:
        self._connection = connect
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, bell: Bell) -> None:
        """Hear, from now on, what other processes ring."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._listen, args=(bell, loop), name="bells", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear no more."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(timeout=2)
        self._connection.close()

    def _listen(self, bell: Bell, loop: asyncio.AbstractEventLoop) -> None:
        while not self._closed.is_set():
            try:
                topics = self._connection.listen(seconds=0.5)
                if topics and not loop.is_closed():
                    loop.call_soon_threadsafe(bell.sound, topics)
            except Exception:  # noqa: BLE001 — the connection is gone: waiters go on by looking for themselves
                return
