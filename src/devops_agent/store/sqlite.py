"""The SQLite driver: one file, write-ahead log, every commit on the disk before it is answered."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from devops_agent.store.rows import Row, StoreBusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_BUSY = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN"})


class SqliteConnection:
    """One connection, used by one thread."""

    def __init__(self, path: Path, *, writes: bool, ring: Callable[[Iterable[str]], None], wait_ms: int) -> None:
        old = os.umask(0o077)  # the file and its log hold labels and log lines: for the owner only
        try:
            self._raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        finally:
            os.umask(old)
        self._raw.row_factory = sqlite3.Row
        self._writes = writes
        self._ring = ring
        try:
            for pragma in (
                f"busy_timeout = {wait_ms}",
                "journal_mode = WAL",
                "synchronous = FULL",
                "foreign_keys = ON",
                "cache_size = -2000",
                "temp_store = MEMORY",
                "journal_size_limit = 16777216",
            ):
                self._raw.execute(f"PRAGMA {pragma}")
            if not writes:
                self._raw.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            self._raw.close()
            raise _explained(error) from error

    def all(self, sql: str, **values: object) -> list[Row]:
        """Return every row."""
        return self._raw.execute(sql, values).fetchall()

    def one(self, sql: str, **values: object) -> Row | None:
        """Return the first row."""
        row: Row | None = self._raw.execute(sql, values).fetchone()
        return row

    def run(self, sql: str, **values: object) -> int:
        """Change rows; return how many."""
        return self._raw.execute(sql, values).rowcount

    def many(self, sql: str, values: Iterable[Mapping[str, object]]) -> None:
        """Run one statement for each set of values."""
        self._raw.executemany(sql, values)  # type: ignore[arg-type]  # any mapping will do

    def begin(self) -> None:
        """Begin; a writer takes the write lock now, so that it never has to give up half-way."""
        self._raw.execute("BEGIN IMMEDIATE" if self._writes else "BEGIN")

    def commit(self) -> None:
        """Make it last."""
        self._raw.execute("COMMIT")

    def rollback(self) -> None:
        """Undo it."""
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")

    def ring(self, topics: Iterable[str]) -> None:
        """Nothing to be done inside a transaction."""

    def rung(self, topics: Iterable[str]) -> None:
        """Tell the other processes."""
        self._ring(topics)

    def explain(self, error: Exception) -> StoreError | None:
        """Return SQLite's error in our words."""
        return _explained(error) if isinstance(error, sqlite3.Error) else None

    def close(self) -> None:
        """Give it back."""
        self._raw.close()


def _explained(error: sqlite3.Error) -> StoreError:
    name = str(getattr(error, "sqlite_errorname", ""))
    if any(name.startswith(code) for code in _BUSY):
        return StoreBusyError(f"cannot use the SQLite file: {error} ({name})")
    return StoreError(f"cannot use the SQLite file: {error} ({name or type(error).__name__})")


def split(script: str) -> list[str]:
    """Return the statements of a migration; a statement ends with a semicolon at a line's end."""
    statements: list[str] = []
    current = ""
    for line in script.splitlines():
        if line.lstrip().startswith("--"):
            continue
        current += line + "\n"
        if sqlite3.complete_statement(current):
            statements.append(current.strip().rstrip(";"))
            current = ""
    return statements
