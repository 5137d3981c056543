"""The store: facts, journal, outbox and audit chain in SQLite or PostgreSQL, behind one small door.

`await store.write(lambda rows: incidents.open_(rows, …))` runs the piece of work in a transaction that other waiting
writers may share, and returns when it is on the disk. The modules beside this one hold the SQL, one for each aggregate;
their functions take `Rows` first, so that several can join one transaction.
"""

from __future__ import annotations

import asyncio
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from devops_agent.store.bell import Bell, DatagramBells, NotifyBells
from devops_agent.store.pump import Connection, Pump
from devops_agent.store.rows import Rows, StoreError

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable
    from typing import Self

T = TypeVar("T")


class _Bells(Protocol):
    def open(self, bell: Bell) -> None: ...
    def close(self) -> None: ...


class Store:
    """One database, used by one process."""

    def __init__(self, connect: Callable[[bool], Connection], bells: _Bells, *, max_pending: int) -> None:
        self._bells = bells
        self.bell = Bell()
        bells.open(self.bell)
        self._writer = Pump(lambda: connect(True), name="store-writer", limit=max_pending)  # noqa: FBT003
        self._reader = Pump(lambda: connect(False), name="store-reader", limit=max_pending)  # noqa: FBT003

    @property
    def pending(self) -> int:
        """Writes that wait for the disk."""
        return self._writer.waiting

    async def write(self, work: Callable[[Rows], T], *, tell: Iterable[str] = ()) -> T:
        """Run `work` in a transaction; return its result when it is on the disk, and ring the topics in `tell`."""
        topics = tuple(tell)
        result = await self._writer.do(work, topics=topics)
        self.bell.sound(topics)
        return result

    async def read(self, work: Callable[[Rows], T]) -> T:
        """Run `work`, which only reads, on one consistent state of the database."""
        return await self._reader.do(work)

    async def close(self) -> None:
        """Finish what was handed in, then let go of the database."""
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._reader.close)
        self._bells.close()

    async def __aenter__(self) -> Self:
        """Be closed at the end of a block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        """Close."""
        await self.close()


async def open_store(url: str, *, password: str = "", max_pending: int = 10_000, wait_ms: int = 5_000) -> Store:
    """Open the database of `url` and bring it to this version's schema.

    `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user@host:port/name`. A database that another
    process has locked is waited for `wait_ms` milliseconds.

    Raises:
        StoreError: the URL is of no known kind, the database cannot be opened, or a newer version has changed it.

    """
    kind, separator, rest = url.partition("://")
    if separator and kind == "sqlite" and rest.startswith("/") and rest != "/":
        return await _open_sqlite(_file(rest), max_pending=max_pending, wait_ms=wait_ms)
    if separator and kind in ("postgresql", "postgres"):
        return await _open_postgres(url, password=password, max_pending=max_pending, wait_ms=wait_ms)
    # The rest of the URL stays unsaid: it may hold a password.
    given = f"{kind}://…" if separator else repr(url)
    raise StoreError(
        f"cannot open the store {given}: write sqlite:///path/to/agent.db, with three slashes (a fourth begins an"
        " absolute path), or postgresql://user@host/name"
    )


def _file(path: str) -> Path:
    return Path(path.removeprefix("/")).absolute()


async def _open_sqlite(path: Path, *, max_pending: int, wait_ms: int) -> Store:
    from devops_agent.store import sqlite

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        bells = DatagramBells(path.parent / f"{path.name}.bells")
    except OSError as error:
        raise StoreError(f"cannot open the store: {error}; give this user the right to write its folder") from error

    def connect(writes: bool) -> Connection:  # noqa: FBT001
        return sqlite.SqliteConnection(path, writes=writes, ring=bells.ring, wait_ms=wait_ms)

    try:
        await asyncio.to_thread(_migrate, connect, sqlite.split, lambda script: script)
        return Store(connect, bells, max_pending=max_pending)
    except OSError as error:
        bells.close()
        raise StoreError(f"cannot open the store: {error}; give this user the right to write its folder") from error
    except StoreError:
        bells.close()
        raise


async def _open_postgres(url: str, *, password: str, max_pending: int, wait_ms: int) -> Store:
    try:
        from devops_agent.store import postgres, sqlite

        def connect(writes: bool) -> postgres.PostgresConnection:  # noqa: FBT001
            return postgres.PostgresConnection(url, password=password, writes=writes, wait_ms=wait_ms)

        def listen() -> postgres.PostgresConnection:
            connection = connect(False)  # noqa: FBT003
            connection.listen()
            return connection

        await asyncio.to_thread(_migrate, connect, sqlite.split, postgres.types)
    except ModuleNotFoundError as error:
        message = "cannot open PostgreSQL: install it with `pip install 'devops-ai-agent[postgres]'`"
        raise StoreError(message) from error
    bells = NotifyBells(await asyncio.to_thread(listen), listen)
    return Store(connect, bells, max_pending=max_pending)


def _migrate(
    connect: Callable[[bool], Connection], split: Callable[[str], list[str]], adapt: Callable[[str], str]
) -> None:
    """Run the numbered scripts that the database has not seen, all or none."""
    connection = connect(True)  # noqa: FBT003
    try:
        _run_migrations(connection, split, adapt)
    except Exception as error:
        explained = connection.explain(error)
        if explained is not None:
            raise explained from error
        raise
    finally:
        connection.close()


def _run_migrations(connection: Connection, split: Callable[[str], list[str]], adapt: Callable[[str], str]) -> None:
    scripts = _scripts()
    connection.begin()
    connection.run("CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL)")
    seen = {int(row["number"]) for row in connection.all("SELECT number FROM migrations")}
    newest = max(scripts)
    if seen and max(seen) > newest:
        connection.rollback()
        message = f"cannot open the store: it has schema {max(seen)}, this version knows {newest}; update devops-agent"
        raise StoreError(message)
    for number, (name, script) in sorted(scripts.items()):
        if number in seen:
            continue
        for statement in split(adapt(script)):
            connection.run(statement)
        connection.run("INSERT INTO migrations (number, name) VALUES (:number, :name)", number=number, name=name)
    connection.commit()


def _scripts() -> dict[int, tuple[str, str]]:
    folder = resources.files("devops_agent.store") / "migrations"
    return {
        int(file.name.split("_")[0]): (file.name, file.read_text())
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }
