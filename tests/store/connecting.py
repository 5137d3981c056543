"""Connections of both drivers for tests, without the threads of the store."""

from pathlib import Path

from devops_agent.store.postgres import PostgresConnection
from devops_agent.store.pump import Connection
from devops_agent.store.sqlite import SqliteConnection


def connect(url: str, *, writes: bool = True) -> Connection:
    """Return a connection of the driver that the URL asks for."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return SqliteConnection(path, writes=writes, ring=lambda _: None, wait_ms=1_000)
    return PostgresConnection(url, password="", writes=writes, wait_ms=1_000)
