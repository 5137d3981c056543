"""The SQLite driver: one file, write-ahead log, every commit on the disk before it is answered."""

from __future__ import annotations

import os
import sqlite3
import time
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from devops_agent.store.rows import Row, StoreBusyError, StoreError, storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")
_WAYS_OUT = {
    "SQLITE_BUSY": "another process holds it",
    "SQLITE_FULL": "make room on its disk",
    "SQLITE_READONLY": "give this user the right to write the file and its folder",
    "SQLITE_CANTOPEN": "give this user the right to write its folder",
    "SQLITE_NOTADB": "it is damaged or another program's: stop devops-agent and restore a backup",
    "SQLITE_CORRUPT": "it is damaged: stop devops-agent and restore a backup",
}


class SqliteConnection:
    """One connection, used by one thread."""

    def __init__(self, path: Path, *, writes: bool, ring: Callable[[Iterable[str]], None], wait_ms: int) -> None:
        self._path = path
        self._writes = writes
        self._ring = ring
        old = os.umask(0o077)  # the file and its log hold labels and log lines: for the owner only
        try:
            self._raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        except sqlite3.Error as error:
            raise self._explained(error) from error
        finally:
            os.umask(old)
        self._raw.row_factory = sqlite3.Row
        try:
            self._set_up(wait_ms)
        except sqlite3.Error as error:
            self._raw.close()
            raise self._explained(error) from error

    def all(self, sql: str, **values: object) -> list[Row]:
        """Return every row."""
        return self._raw.execute(sql, storable(values)).fetchall()

    def one(self, sql: str, **values: object) -> Row | None:
        """Return the first row."""
        row: Row | None = self._raw.execute(sql, storable(values)).fetchone()
        return row

    def run(self, sql: str, **values: object) -> int:
        """Change rows; return how many."""
        return self._raw.execute(sql, storable(values)).rowcount

    def many(self, sql: str, values: Iterable[Mapping[str, object]]) -> None:
        """Run one statement for each set of values."""
        self._raw.executemany(sql, map(storable, values))

    @cached_property
    def distance(self) -> str:
        """SQL of sqlite-vec, when it is installed and this Python's sqlite3 loads extensions."""
        try:
            extension = import_module("sqlite_vec").loadable_path()
            self._raw.enable_load_extension(True)  # noqa: FBT003 — sqlite3's own signature
            try:
                self._raw.load_extension(extension)
            finally:
                self._raw.enable_load_extension(False)  # noqa: FBT003
        except (ImportError, AttributeError, sqlite3.Error):
            return ""
        return "vec_distance_cosine(vector, :vector)"

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
        return self._explained(error) if isinstance(error, sqlite3.Error) else None

    def close(self) -> None:
        """Give it back."""
        self._raw.close()

    def _set_up(self, wait_ms: int) -> None:
        self._raw.execute(f"PRAGMA busy_timeout = {wait_ms}")
        self._use_log(time.monotonic() + wait_ms / 1000)
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "cache_size = -2000",
            "temp_store = MEMORY",
            "journal_size_limit = 16777216",
        ):
            self._raw.execute(f"PRAGMA {pragma}")
        if not self._writes:
            self._raw.execute("PRAGMA query_only = ON")

    def _use_log(self, until: float) -> None:
        """Switch to the write-ahead log; SQLite does not wait by itself for another process that does the same."""
        while True:
            try:
                self._raw.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= until:
                    raise
                time.sleep(0.01)
            else:
                return

    def _explained(self, error: sqlite3.Error) -> StoreError:
        name = str(getattr(error, "sqlite_errorname", type(error).__name__))
        way_out = next((f"; {says}" for code, says in _WAYS_OUT.items() if name.startswith(code)), "")
        kind = StoreBusyError if name.startswith(_PASSING) else StoreError
        says = str(error).partition(" with text ")[0]  # what cannot be decoded is not repeated
        return kind(f"cannot use the database {self._path}: {says} ({name}){way_out}")


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
