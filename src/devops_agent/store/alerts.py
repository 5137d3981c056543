"""Alerts as rows: one for each firing, updated when it is resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.alert import Alert, AlertStatus
from devops_agent.model.fact import from_json, to_json
from devops_agent.store.rows import Row, Rows, from_us, to_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime


def find(rows: Rows, alert: Alert) -> Row | None:
    """Return (status, incident) of this firing if it is known."""
    return rows.one(
        "SELECT status, incident FROM alerts WHERE fingerprint = :fingerprint AND starts_at = :starts_at",
        fingerprint=alert.fingerprint,
        starts_at=to_us(alert.starts_at),
    )


def firing_since(rows: Rows, fingerprint: str) -> datetime | None:
    """Return when the firing of `fingerprint` that is not over began; None when there is none."""
    row = rows.one(
        "SELECT starts_at FROM alerts WHERE fingerprint = :fingerprint AND status = 'firing'"
        " ORDER BY starts_at DESC LIMIT 1",
        fingerprint=fingerprint,
    )
    return from_us(row["starts_at"]) if row else None


def keep(rows: Rows, alerts: Iterable[Alert], *, target: str, incident: str, now: datetime) -> None:
    """Write alerts that belong to `incident` (empty: to none); a later state of a firing replaces the earlier.

    `target` may be empty when it is not known anew: what was known of the firing then stays.
    """
    at = to_us(now)
    rows.many(
        "INSERT INTO alerts (fingerprint, starts_at, status, name, alert_json, target, incident, received_at, seen_at)"
        " VALUES (:fingerprint, :starts_at, :status, :name, :alert_json, :target, :incident, :at, :at)"
        " ON CONFLICT (fingerprint, starts_at) DO UPDATE SET status = excluded.status,"
        " alert_json = excluded.alert_json, incident = excluded.incident, seen_at = excluded.seen_at,"
        " target = CASE WHEN excluded.target = '' THEN alerts.target ELSE excluded.target END",
        [
            {
                "fingerprint": alert.fingerprint,
                "starts_at": to_us(alert.starts_at),
                "status": alert.status.value,
                "name": alert.name,
                "alert_json": to_json(alert),
                "target": target,
                "incident": incident,
                "at": at,
            }
            for alert in alerts
        ],
    )


def touch(rows: Rows, alerts: Iterable[Alert], *, now: datetime) -> None:
    """Note that these firings were repeated."""
    rows.many(
        "UPDATE alerts SET seen_at = :at WHERE fingerprint = :fingerprint AND starts_at = :starts_at",
        [{"at": to_us(now), "fingerprint": a.fingerprint, "starts_at": to_us(a.starts_at)} for a in alerts],
    )


def of_incident(rows: Rows, incident: str, *, limit: int = 200) -> list[Alert]:
    """Return an incident's alerts, firing ones first, then the newest."""
    return [
        from_json(row["alert_json"], Alert)
        for row in rows.all(
            "SELECT alert_json FROM alerts WHERE incident = :incident ORDER BY status, starts_at DESC LIMIT :limit",
            incident=incident,
            limit=limit,
        )
    ]


def newest_of_each_name(rows: Rows, *, besides: Sequence[str], limit: int = 800) -> list[Alert]:
    """Return one alert for each rule's name, those received last, without those of the sources `besides`."""
    found = rows.all(
        "SELECT a.alert_json FROM alerts a JOIN (SELECT name, max(received_at) AS at FROM alerts GROUP BY name) newest"
        " ON newest.name = a.name AND newest.at = a.received_at ORDER BY a.received_at DESC LIMIT :limit",
        limit=2 * limit,
    )
    by_name = {one.name: one for one in (from_json(row["alert_json"], Alert) for row in found)}
    return [one for one in by_name.values() if one.source not in besides][:limit]


def counts(rows: Rows, incident: str) -> tuple[int, int]:
    """Return (firing, all) alerts of an incident."""
    row = rows.one(
        "SELECT coalesce(sum(CASE WHEN status = 'firing' THEN 1 ELSE 0 END), 0) AS firing, count(*) AS every"
        " FROM alerts WHERE incident = :incident",
        incident=incident,
    )
    assert row is not None  # noqa: S101 — an aggregate always returns a row
    return int(row["firing"]), int(row["every"])


def resolve_own(rows: Rows, incident: str, *, ours: Sequence[str], now: datetime) -> None:
    """Mark the alerts of our own watching as resolved: the target was proven well."""
    firing = [a for a in of_incident(rows, incident, limit=1_000) if a.firing and a.source in ours]
    rows.many(
        "UPDATE alerts SET status = 'resolved', alert_json = :alert_json, seen_at = :at"
        " WHERE fingerprint = :fingerprint AND starts_at = :starts_at",
        [
            {
                "alert_json": to_json(a.with_(status=AlertStatus.RESOLVED, ends_at=now)),
                "at": to_us(now),
                "fingerprint": a.fingerprint,
                "starts_at": to_us(a.starts_at),
            }
            for a in firing
        ],
    )


def firing_from(rows: Rows, source: str) -> list[Alert]:
    """Return what fires by the word of one source, the newest first."""
    found = rows.all("SELECT alert_json FROM alerts WHERE status = 'firing' ORDER BY starts_at DESC")
    return [alert for row in found if (alert := from_json(row["alert_json"], Alert)).source == source]


def stale(rows: Rows, *, seen_before: datetime, limit: int = 500) -> list[Alert]:
    """Return firing alerts that nobody has repeated since `seen_before`."""
    return [
        from_json(row["alert_json"], Alert)
        for row in rows.all(
            "SELECT alert_json FROM alerts WHERE status = 'firing' AND seen_at < :at ORDER BY seen_at LIMIT :limit",
            at=to_us(seen_before),
            limit=limit,
        )
    ]


def latest(rows: Rows, *, limit: int = 100) -> list[tuple[Alert, str]]:
    """Return (alert, incident) of the last ones received, newest first."""
    return [
        (from_json(row["alert_json"], Alert), row["incident"])
        for row in rows.all(
            "SELECT alert_json, incident FROM alerts ORDER BY received_at DESC, fingerprint LIMIT :limit", limit=limit
        )
    ]


def forget(rows: Rows, *, resolved_before: datetime) -> int:
    """Delete resolved alerts that are older; return how many."""
    return rows.run("DELETE FROM alerts WHERE status = 'resolved' AND seen_at < :at", at=to_us(resolved_before))
