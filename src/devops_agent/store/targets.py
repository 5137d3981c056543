"""Targets as last seen: what the page and the API show of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from devops_agent.model.fact import from_json, to_json
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target
from devops_agent.store.rows import Row, Rows, from_us, to_us

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_COLUMNS = "name, target_json, health, since, seen_at, says, readings_json, results_json"


def keep(rows: Rows, sightings: Iterable[Sighting]) -> None:
    """Write how targets are now."""
    rows.many(
        f"INSERT INTO targets ({_COLUMNS})"
        " VALUES (:name, :target_json, :health, :since, :seen_at, :says, :readings_json, :results_json)"
        " ON CONFLICT (name) DO UPDATE SET target_json = excluded.target_json, health = excluded.health,"
        " since = excluded.since, seen_at = excluded.seen_at, says = excluded.says,"
        " readings_json = excluded.readings_json, results_json = excluded.results_json",
        [
            {
                "name": one.target.name,
                "target_json": to_json(one.target.with_(options={})),
                "health": one.health.value,
                "since": to_us(one.since),
                "seen_at": to_us(one.seen_at),
                "says": one.says,
                "readings_json": to_json(one.readings),
                "results_json": to_json(one.results),
            }
            for one in sightings
        ],
    )


def forget_others(rows: Rows, names: Collection[str]) -> None:
    """Delete the targets that are watched no more."""
    for row in rows.all("SELECT name FROM targets"):
        if row["name"] not in names:
            rows.run("DELETE FROM targets WHERE name = :name", name=row["name"])


def get(rows: Rows, name: str) -> Sighting | None:
    """Return a target as last seen."""
    row = rows.one(f"SELECT {_COLUMNS} FROM targets WHERE name = :name", name=name)
    return _sighting(row) if row else None


def all_(rows: Rows) -> list[Sighting]:
    """Return all targets as last seen, by name."""
    return [_sighting(row) for row in rows.all(f"SELECT {_COLUMNS} FROM targets ORDER BY name")]


def _sighting(row: Row) -> Sighting:
    return Sighting(
        target=from_json(row["target_json"], Target),
        health=Health(row["health"]),
        since=from_us(row["since"]),
        seen_at=from_us(row["seen_at"]),
        says=row["says"],
        readings=msgspec.json.decode(row["readings_json"], type=dict[str, float]),
        results=msgspec.json.decode(row["results_json"], type=dict[str, str]),
    )
