"""Incidents as rows. Only `engine.lifecycle` calls `move`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from devops_agent.model.alert import Severity
from devops_agent.model.fact import Fact
from devops_agent.model.incident import Incident, Status
from devops_agent.store.rows import Row, Rows, StaleError, containing, from_us, maybe_time, next_number, to_us

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS = (
    "id, number, status, severity, target, cause_group, kind, title, opened_at, changed_at, resolved_at, parent,"
    " attempts, reason, next_steps_json, guided, ordered_json"
)


def open_(  # noqa: PLR0913 — an incident has these parts
    rows: Rows,
    *,
    target: str,
    cause_group: str,
    kind: str,
    severity: Severity,
    title: str,
    now: datetime,
    parent: str = "",
    ordered_json: str = "",
) -> Incident:
    """Write a new incident and return it."""
    number = next_number(rows, "incidents")
    at = to_us(now)
    rows.run(
        f"INSERT INTO incidents ({_COLUMNS}) VALUES (:id, :number, 'open', :severity, :target, :cause_group, :kind,"
        " :title, :at, :at, NULL, :parent, 0, '', '[]', '', :ordered_json)",
        id=f"INC-{number}",
        number=number,
        severity=severity.value,
        target=target,
        cause_group=cause_group,
        kind=kind,
        title=title,
        at=at,
        parent=parent,
        ordered_json=ordered_json,
    )
    incident = get(rows, f"INC-{number}")
    assert incident is not None  # noqa: S101 — just written
    return incident


def get(rows: Rows, id_: str) -> Incident | None:
    """Return an incident."""
    row = rows.one(f"SELECT {_COLUMNS} FROM incidents WHERE id = :id", id=id_)
    return _incident(row) if row else None


def latest_of_cause(rows: Rows, *, target: str, cause_group: str, since: datetime) -> Incident | None:
    """Return the incident of this cause that is open, or was closed no earlier than `since`; the open one first."""
    row = rows.one(
        f"SELECT {_COLUMNS} FROM incidents WHERE target = :target AND cause_group = :cause_group"
        " AND (status <> 'resolved' OR resolved_at >= :since)"
        " ORDER BY (CASE WHEN status = 'resolved' THEN 1 ELSE 0 END), number DESC LIMIT 1",
        target=target,
        cause_group=cause_group,
        since=to_us(since),
    )
    return _incident(row) if row else None


def open_of_targets(rows: Rows, targets: Sequence[str], *, cause_group: str) -> list[Incident]:
    """Return the open incidents of one cause group on any of `targets`, oldest first."""
    found = []
    for target in targets:
        found += [
            _incident(row)
            for row in rows.all(
                f"SELECT {_COLUMNS} FROM incidents WHERE target = :target AND cause_group = :cause_group"
                " AND status <> 'resolved'",
                target=target,
                cause_group=cause_group,
            )
        ]
    return sorted(found, key=lambda incident: int(incident.id.removeprefix("INC-")))


def open_ones(rows: Rows, *, limit: int = 500) -> list[Incident]:
    """Return the open incidents, newest first."""
    return [
        _incident(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM incidents WHERE status <> 'resolved' ORDER BY number DESC LIMIT :limit",
            limit=limit,
        )
    ]


def open_in(rows: Rows, *statuses: Status, limit: int) -> list[Incident]:
    """Return open incidents of these statuses, newest first."""
    found: list[Incident] = []
    for status in statuses:
        # One status at a time, said to be open: only so the small index of the open ones is used.
        found += [
            _incident(row)
            for row in rows.all(
                f"SELECT {_COLUMNS} FROM incidents WHERE status = :status AND status <> 'resolved'"
                " ORDER BY number DESC LIMIT :limit",
                status=status.value,
                limit=limit,
            )
        ]
    return sorted(found, key=lambda one: int(one.id.removeprefix("INC-")), reverse=True)[:limit]


def count_open(rows: Rows) -> dict[Status, int]:
    """Return status → number of incidents, of the open ones."""
    return {
        Status(row["status"]): int(row["n"])
        for row in rows.all("SELECT status, count(*) AS n FROM incidents WHERE status <> 'resolved' GROUP BY status")
    }


def effects(rows: Rows, parent: str) -> list[Incident]:
    """Return all incidents that `parent` explains or explained, oldest first."""
    found = rows.all(f"SELECT {_COLUMNS} FROM incidents WHERE parent = :parent ORDER BY number", parent=parent)
    return [_incident(row) for row in found]


def within(rows: Rows, *, begin: datetime, end: datetime, limit: int = 50_000) -> list[Incident]:
    """Return the incidents that were opened or closed from `begin` until before `end`, oldest first."""
    return [
        _incident(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM incidents WHERE (opened_at >= :begin AND opened_at < :end)"
            " OR (resolved_at >= :begin AND resolved_at < :end) ORDER BY number LIMIT :limit",
            begin=to_us(begin),
            end=to_us(end),
            limit=limit,
        )
    ]


def children(rows: Rows, parent: str) -> list[Incident]:
    """Return the open incidents that `parent` explains."""
    return [
        _incident(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM incidents WHERE parent = :parent AND status <> 'resolved' ORDER BY number",
            parent=parent,
        )
    ]


def page(rows: Rows, *, before: int = 2**62, status: str = "", target: str = "", limit: int = 50) -> list[Incident]:
    """Return incidents, newest first, those numbered below `before`; `status` may also be `unresolved`."""
    # Only what is asked for is written, so that the index that fits can be used.
    asked = ["number < :before"]
    if status:
        asked.append("status <> 'resolved'" if status == "unresolved" else "status = :status")
    if status not in ("", "unresolved", "resolved"):
        asked.append("status <> 'resolved'")
    if target:
        asked.append("target = :target")
    return [
        _incident(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM incidents WHERE {' AND '.join(asked)} ORDER BY number DESC LIMIT :limit",
            before=before,
            status=status,
            target=target,
            limit=limit,
        )
    ]


class Sought(Fact, kw_only=True):
    """Which incidents are looked for; empty: any."""

    status: str = ""
    """A status, or `unresolved`."""
    severity: str = ""
    target: str = ""
    kind: str = ""
    text: str = ""
    """Part of title, reason or target, in letters of any case."""
    since: datetime | None = None
    """Opened no earlier than then."""
    until: datetime | None = None


def search(rows: Rows, sought: Sought, *, before: int = 2**62, limit: int = 50) -> list[Incident]:
    """Return incidents that are as `sought`, newest first, those numbered below `before`."""
    asked = ["number < :before", *_asked(sought)]
    if sought.status:
        asked.append("status <> 'resolved'" if sought.status == "unresolved" else "status = :status")
    return [
        _incident(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM incidents WHERE {' AND '.join(asked)} ORDER BY number DESC LIMIT :limit",
            before=before,
            status=sought.status,
            limit=limit,
            **_values(sought),
        )
    ]


def count_sought(rows: Rows, sought: Sought) -> dict[str, int]:
    """Return status → how many incidents of it are as `sought`, whose own status does not count."""
    where = f"WHERE {' AND '.join(asked)}" if (asked := _asked(sought)) else ""
    found = rows.all(f"SELECT status, count(*) AS n FROM incidents {where} GROUP BY status", **_values(sought))
    return {row["status"]: int(row["n"]) for row in found}


def _asked(sought: Sought) -> list[str]:
    """Return the conditions that are asked for, and no others, so that the index that fits can be used."""
    asked = [f"{name} = :{name}" for name in ("severity", "target", "kind") if getattr(sought, name)]
    if sought.since is not None:
        asked.append("opened_at >= :since")
    if sought.until is not None:
        asked.append("opened_at < :until")
    if sought.text:
        like = (f"lower({column}) LIKE :text ESCAPE '!'" for column in ("title", "reason", "target", "id"))
        asked.append(f"({' OR '.join(like)})")
    return asked


def _values(sought: Sought) -> dict[str, object]:
    return {
        "severity": sought.severity,
        "target": sought.target,
        "kind": sought.kind,
        "text": containing(sought.text),
        "since": to_us(sought.since) if sought.since else 0,
        "until": to_us(sought.until) if sought.until else 0,
    }


def kinds(rows: Rows) -> list[str]:
    """Return every fault class that an incident has had."""
    return [row["kind"] for row in rows.all("SELECT DISTINCT kind FROM incidents ORDER BY kind")]


def move(
    rows: Rows,
    incident: Incident,
    to: Status,
    *,
    reason: str,
    next_steps: Sequence[str],
    now: datetime,
) -> Incident:
    """Write a new status if the row still has the one that `incident` has.

    Raises:
        StaleError: somebody moved it in between.

    """
    changed = rows.run(
        "UPDATE incidents SET status = :to_status, reason = :reason, next_steps_json = :next_steps, changed_at = :at,"
        " resolved_at = :resolved_at WHERE id = :id AND status = :from_status",
        id=incident.id,
        from_status=incident.status.value,
        to_status=to.value,
        reason=reason,
        next_steps=json.dumps(list(next_steps)),
        at=to_us(now),
        resolved_at=to_us(now) if to is Status.RESOLVED else None,
    )
    if not changed:
        raise StaleError(f"{incident.id} is not {incident.status.value} any more")
    moved = get(rows, incident.id)
    assert moved is not None  # noqa: S101 — just written
    return moved


def still(rows: Rows, incident: Incident) -> Incident:
    """Return the incident as it is now, if its status is still the one that `incident` has.

    Raises:
        StaleError: somebody moved it in between.

    """
    now_so = get(rows, incident.id)
    if now_so is None or now_so.status is not incident.status:
        raise StaleError(f"{incident.id} is not {incident.status.value} any more")
    return now_so


def describe(  # noqa: PLR0913 — each part may be changed alone
    rows: Rows,
    id_: str,
    *,
    kind: str | None = None,
    severity: Severity | None = None,
    title: str | None = None,
    parent: str | None = None,
    guided: str | None = None,
    attempts: int | None = None,
) -> None:
    """Change what is known of an incident; None leaves a part as it is."""
    values = {
        "kind": kind,
        "severity": severity.value if severity else None,
        "title": title,
        "parent": parent,
        "guided": guided,
        "attempts": attempts,
    }
    for column, value in values.items():
        if value is not None:
            rows.run(f"UPDATE incidents SET {column} = :value WHERE id = :id", value=value, id=id_)


def count_by_status(rows: Rows) -> dict[str, int]:
    """Return status → number of incidents."""
    return {
        row["status"]: int(row["n"]) for row in rows.all("SELECT status, count(*) AS n FROM incidents GROUP BY status")
    }


def _incident(row: Row) -> Incident:
    return Incident(
        id=row["id"],
        status=Status(row["status"]),
        severity=Severity(row["severity"]),
        target=row["target"],
        kind=row["kind"],
        title=row["title"],
        opened_at=from_us(row["opened_at"]),
        changed_at=from_us(row["changed_at"]),
        resolved_at=maybe_time(row["resolved_at"]),
        parent=row["parent"],
        attempts=row["attempts"],
        reason=row["reason"],
        next_steps=tuple(json.loads(row["next_steps_json"])),
        guided=row["guided"],
        ordered_json=row["ordered_json"],
    )
