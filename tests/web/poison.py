"""A store in which every text that came from outside, or from a person, is hostile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.web.markup import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.store.rows import Rows

OURS = frozenset(
    {
        "answer", "at", "began_at", "category", "complexity", "digest", "ends_at", "every", "expect", "fingerprint",
        "found_by", "hash", "health", "id", "in_band", "incident", "attempt", "job", "kind", "level", "method", "model",
        "opened_at", "outcome", "packed", "parent", "password", "pattern", "permission", "protocol", "queue", "risk",
        "role", "rule", "scope", "seq", "settle", "severity", "source", "starts_at", "state", "status", "timeout",
        "trust", "vector", "verdict", "wait", "within", "word",
    }
)  # fmt: skip
"""Names of columns and members whose texts are the program's own: numbers, words of a fixed set, times."""
TABLES = ("migrations", "counters", "runs", "steps", "catalogue", "flags", "heartbeats")
"""What no text from outside gets into."""
FREE = frozenset({"labels", "annotations", "matchers", "args", "details", "meta", "readings", "options"})
"""Tables of JSON whose names come from outside too."""


def poison(rows: Rows) -> int:
    """Append HOSTILE to every such text; return how many columns have texts."""
    poisoned = 0
    for table in rows.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        if table["name"] in TABLES:
            continue
        for column in rows.all(f"SELECT name, type FROM pragma_table_info('{table['name']}')"):  # noqa: S608 — names of our own schema
            if column["type"] == "TEXT" and column["name"] not in OURS:
                poisoned += _poison_column(rows, table["name"], column["name"])
    return poisoned


def _poison_column(rows: Rows, table: str, column: str) -> bool:
    found = rows.all(f"SELECT rowid AS at, {column} AS said FROM {table} WHERE {column} <> ''")  # noqa: S608 — as above
    for row in found:
        said = row["said"] + HOSTILE
        if column.endswith("_json"):
            said = json.dumps(_poisoned(json.loads(row["said"])))
        rows.run(f"UPDATE {table} SET {column} = :said WHERE rowid = :at", said=said, at=row["at"])  # noqa: S608 — as above
    return bool(found)


def _poisoned(value: Any, *, free: bool = False) -> Any:  # noqa: ANN401 — JSON
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [_poisoned(one) for one in value]
    if isinstance(value, dict):
        return _members(value, free=free)
    return value


def _members(given: Mapping[str, Any], *, free: bool) -> dict[str, Any]:
    return {
        name + HOSTILE if free else name: value
        if not free and (name in OURS or name.endswith("_at"))
        else _poisoned(value, free=name in FREE)
        for name, value in given.items()
    }
