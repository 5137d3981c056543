"""Changes as read from actions, plans and the timeline: the log of everything that was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.action import Action
from devops_agent.model.change import Change
from devops_agent.model.decision import Decision
from devops_agent.model.fact import from_json
from devops_agent.store import catalogue, events
from devops_agent.store.rows import Row, Rows, from_us, to_us

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from devops_agent.model.event import Event

_DONE_BY_PEOPLE = (
    "paused",
    "resumed",
    "silenced",
    "unsilenced",
    "guided",
    "flag",
    "account",
    "token",
    "muted",
    "unmuted",
    "draft_accepted",
    "draft_rejected",
    "config_read",
    "config_kept",
)
"""Kinds of events that change something beside targets."""
_WHO = ("ordered", "approved")
_BACK = {"paused": "devops-agent resume", "silenced": "devops-agent unsilence", "flag": "devops-agent flags"}


def done(rows: Rows, *, begin: datetime, end: datetime, limit: int = 10_000) -> list[Change]:
    """Return everything that was done from `begin` until before `end`, oldest first; the newest when there is more."""
    told = events.of_kinds(rows, (*_DONE_BY_PEOPLE, *_WHO), begin=begin, end=end)
    found = [_of_event(event) for event in told if event.kind not in _WHO]
    found += _actions(rows, begin=begin, end=end, limit=limit)
    return sorted(found, key=lambda one: one.at)[-limit:]


def _actions(rows: Rows, *, begin: datetime, end: datetime, limit: int) -> list[Change]:
    offered = {one.name: one for one in catalogue.actions(rows)}
    found = rows.all(
        "SELECT a.action, a.target, a.incident, a.started_at, a.ended_at, a.ok, a.verified, a.undone, a.says,"
        " p.runbook, p.ordered, p.digest, p.decision_json, i.title FROM actions a"
        " LEFT JOIN attempts p ON p.id = a.attempt LEFT JOIN incidents i ON i.id = a.incident"
        " WHERE a.started_at >= :begin AND a.started_at < :end ORDER BY a.started_at DESC LIMIT :limit",
        begin=to_us(begin),
        end=to_us(end),
        limit=limit,
    )
    people = _people(rows, {row["incident"] for row in found})
    return [_of_action(row, offered, people) for row in found]


def _people(rows: Rows, incidents: set[str]) -> dict[tuple[str, str], str]:
    """Return (incident, digest of the plan) → who approved it, and (incident, "") → who ordered it."""
    found: dict[tuple[str, str], str] = {}
    for incident in incidents:
        for row in rows.all(
            "SELECT digest, answered_by FROM approvals WHERE incident = :incident AND answer = 'approved'",
            incident=incident,
        ):
            found[incident, row["digest"]] = row["answered_by"]
        ordered = rows.one(
            "SELECT actor FROM events WHERE incident = :incident AND kind = 'ordered' ORDER BY seq LIMIT 1",
            incident=incident,
        )
        if ordered is not None:
            found[incident, ""] = ordered["actor"]
    return found


def _of_action(row: Row, offered: Mapping[str, Action], people: Mapping[tuple[str, str], str]) -> Change:
    incident = row["incident"]
    if row["ordered"]:
        by = people.get((incident, ""), "a person")
    elif approver := people.get((incident, row["digest"] or "-")):
        by = f"agent, approved by {approver}"
    else:
        by = "agent"
    decision = from_json(row["decision_json"], Decision).reason if row["decision_json"] else ""
    why = "; ".join(
        part for part in (row["title"], f"runbook {row['runbook']}" if row["runbook"] else "", decision) if part
    )
    action = offered.get(row["action"])
    return Change(
        at=from_us(row["started_at"]),
        what=row["action"],
        target=row["target"],
        incident=incident,
        by=by,
        why=why,
        result="proven" if row["verified"] else "not proven" if row["ok"] else "failed",
        says=row["says"],
        seconds=(row["ended_at"] - row["started_at"]) / 1e6,
        undone=bool(row["undone"]),
        undo=action.undo if action else "",
    )


def _of_event(event: Event) -> Change:
    return Change(
        at=event.at,
        what=event.kind,
        target=event.target,
        incident=event.incident,
        by=event.actor,
        result=event.says,
        undo=_BACK.get(event.kind, ""),
    )
