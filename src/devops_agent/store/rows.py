"""What a piece of database work is handed, the errors it may meet, and how times are kept."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

Row = Mapping[str, Any]


class Rows(Protocol):
    """One transaction on one connection. SQL takes `:name` parameters and runs on SQLite and PostgreSQL alike."""

    @property
    def distance(self) -> str:
        """SQL for the cosine distance of the column `vector` and the parameter `:vector`, both written as JSON arrays.

        Empty: the database has no extension that compares vectors.
        """

    def all(self, sql: str, **values: object) -> list[Row]:
        """Return every row."""

    def one(self, sql: str, **values: object) -> Row | None:
        """Return the first row, None when there is none."""

    def run(self, sql: str, **values: object) -> int:
        """Change rows; return how many."""

    def many(self, sql: str, values: Iterable[Mapping[str, object]]) -> None:
        """Run one statement for each set of values."""


class StoreError(Exception):
    """The store could not do it; nothing of the piece of work was kept."""


class StoreBusyError(StoreError):
    """The store cannot do it now: locked, out of reach, out of space; the same may work later."""


class OverloadedError(StoreBusyError):
    """Too much is waiting to be written already."""


class StaleError(StoreError):
    """The row was changed by somebody else in between: a lost lease, an answered approval."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def storable(values: Mapping[str, object]) -> dict[str, object]:
    """Return parameters of which both engines keep every character.

    PostgreSQL keeps no NUL in a text, and neither engine half a surrogate pair. Whoever computes something over a text
    that is read again later (a hash) has to compute it over what this returns.
    """
    return {name: _storable(value) if isinstance(value, str) else value for name, value in values.items()}


def _storable(text: str) -> str:
    if "\x00" in text:
        text = text.replace("\x00", "\N{SYMBOL FOR NULL}")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970 for an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(value: int) -> datetime:
    """Return the aware datetime, UTC, for microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


def maybe_us(moment: datetime | None) -> int | None:
    """Like `to_us`, None for None."""
    return None if moment is None else to_us(moment)


def maybe_time(value: int | None) -> datetime | None:
    """Like `from_us`, None for None."""
    return None if value is None else from_us(value)


def containing(text: str) -> str:
    """Return the pattern for `lower(column) LIKE … ESCAPE '!'` of values that contain `text`; empty for no text."""
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return f"%{text.lower()}%" if text else ""


def next_number(rows: Rows, name: str) -> int:
    """Return 1, 2, 3, … without holes that a reader could see as lost; ids that people type are made from it."""
    row = rows.one(
        "INSERT INTO counters (name, value) VALUES (:name, 1)"
        " ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value",
        name=name,
    )
    assert row is not None  # noqa: S101 — RETURNING of an upsert always returns a row
    return int(row["value"])
