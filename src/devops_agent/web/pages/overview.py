"""Everything at a glance: what is in trouble, what waits for people, what the agent does, and whether it can."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from devops_agent.engine.stock import overdue
from devops_agent.model.incident import Status
from devops_agent.model.sighting import Health
from devops_agent.store import approvals, attempts, controls, events, figures, heartbeats, incidents, outbox, targets
from devops_agent.web.api.overview import SILENT_AFTER
from devops_agent.web.asking import DeskOf
from devops_agent.web.metrics import open_circuits
from devops_agent.web.pages.approvals import plan_of
from devops_agent.web.pages.shell import show

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.model.sighting import Sighting
    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

router = APIRouter(include_in_schema=False, default_response_class=Response)

TROUBLED = (Health.DOWN, Health.UNREACHABLE, Health.DEGRADED)
ORDER = (*TROUBLED, Health.STARTING, Health.UNKNOWN, Health.WELL)
_WORKED_ON = (Status.REMEDIATING, Status.VERIFYING, Status.INVESTIGATING, Status.OPEN)
_NAMED = 24
"""Up to so many targets each is a tile with its readings; of more, only those in trouble are, ..."""
_TILES = 12
"""... and of these, so many."""
_QUESTIONS, _NEEDING, _DOING, _LATELY = 4, 4, 6, 12
_FAILED_WITHIN = timedelta(days=1)
_ELSEWHERE = ("login", "account", "token")
"""Kinds of events that are on the record and do not crowd what happened to the site."""
_LATE = timedelta(seconds=SILENT_AFTER)
"""So long after something was due, whoever delivers should have been started; until it is due nobody has to run."""
_IDLE = {"worker": "idle: no closer look is asked for", "notify": "idle: no message is to be sent"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Faces:
    """Targets as they are shown: some as tiles, the rest as cells of a grid."""

    tiles: list[Sighting]
    """Those in trouble, the newest trouble first; all, when they are few."""
    cells: list[tuple[str, list[Sighting]]]
    """(health, those that are so and have no tile), the worst first."""
    counts: list[tuple[str, int]]
    """(health, how many), the worst first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of the product, and whether it does its work."""

    name: str
    state: str
    """`good`, `bad`, or `idle`: it is started when there is something to do."""
    says: str
    at: datetime | None = None
    """Its last sign of life."""


@router.get("/")
async def overview(request: Request, desk: DeskOf) -> Response:
    """Show everything at a glance."""
    trust = request.app.state.trusted.told(desk)
    return await show(
        request, desk, "overview", lambda rows, now: {"trust": trust, **read_overview(rows, desk, now=now)}
    )


def read_overview(rows: Rows, desk: Desk, *, now: datetime) -> dict[str, Any]:
    """Return what the overview tells."""
    settings = desk.parts.settings()
    seen = targets.all_(rows)
    troubled = sum(1 for one in seen if one.health in TROUBLED)
    well = sum(1 for one in seen if one.health is Health.WELL)
    questions = [asked for asked in approvals.pending(rows) if asked.expires_at > now]
    counts = incidents.count_open(rows)
    needing = counts.get(Status.ESCALATED, 0)
    headline, says = _headline(len(seen), troubled, well=well, waiting=len(questions) + needing)
    notices = outbox.pending(rows)
    recent = attempts.started_since(rows, now - settings.guard.breaker.open_for)
    return {
        "faces": faces(seen),
        "every": len(seen),
        "calm": bool(seen) and not (troubled or questions or needing),
        "headline": headline,
        "says": says,
        "questions": [(asked, plan_of(rows, asked)) for asked in questions[:_QUESTIONS]],
        "asked": len(questions),
        "needing": incidents.open_in(rows, Status.ESCALATED, limit=_NEEDING),
        "needed": needing,
        "doing": incidents.open_in(rows, *_WORKED_ON, limit=_DOING),
        "worked_on": sum(counts.get(status, 0) for status in _WORKED_ON),
        "open": sum(counts.values()),
        "told": events.lately(rows, but=_ELSEWHERE, limit=_LATELY),
        "paused": {pause.target for pause in controls.pauses(rows, now=now)},
        "parts_": _parts(rows, desk, now=now),
        "circuits": open_circuits(recent, settings.guard.breaker),
        "notices": notices,
        "failed": figures.failed_deliveries(rows, since=now - _FAILED_WITHIN),
    }


def faces(seen: Sequence[Sighting]) -> Faces:
    """Return how targets are shown: what is in trouble by name, the rest at a glance."""
    few = len(seen) <= _NAMED
    troubled = sorted(
        (one for one in seen if few or one.health in (*TROUBLED, Health.STARTING)),
        key=lambda one: (ORDER.index(one.health), -one.since.timestamp() if one.health in TROUBLED else 0.0),
    )
    tiles = troubled if few else troubled[:_TILES]
    named = {one.target.name for one in tiles}
    members = {health: [one for one in seen if one.health is health] for health in ORDER}
    cells = {health: [one for one in ones if one.target.name not in named] for health, ones in members.items()}
    return Faces(
        tiles=tiles,
        cells=[(health.value, ones) for health, ones in cells.items() if ones],
        counts=[(health.value, len(ones)) for health, ones in members.items() if ones],
    )


def _headline(every: int, troubled: int, *, well: int, waiting: int) -> tuple[str, str]:
    if not every:
        return "Nothing is watched yet.", ""
    asks = f"{waiting} thing{'s' if waiting != 1 else ''} wait{'s' if waiting == 1 else ''} for you." if waiting else ""
    if not troubled and well < every:
        return f"{well} of {every} targets {'is' if well == 1 else 'are'} well.", asks or "No other is known to be ill."
    if not troubled:
        return "The target is well." if every == 1 else f"All {every} targets are well.", asks
    return f"{troubled} of {every} targets in trouble.", asks or "The agent is on it."


def _parts(rows: Rows, desk: Desk, *, now: datetime) -> list[Part]:
    """Return how the parts of the product are."""
    beats = heartbeats.all_(rows)
    seen = {role: beat.at for role, beat in beats.items()}
    parts = []
    for role in ("agent", "web", "worker", "notify"):
        at = seen.get(role)
        if at is not None and (now - at).total_seconds() <= SILENT_AFTER:
            parts.append(Part(name=role, state="good", says=_costs(beats[role]), at=at))
        elif role == "agent":
            parts.append(Part(name=role, state="bad", says="silent" if at else "never seen", at=at))
        elif role == "notify" and (due := outbox.due_since(rows)) is not None and now - due > _LATE:
            parts.append(Part(name=role, state="bad", says="does not run, though messages wait", at=at))
        elif role in _IDLE:
            parts.append(Part(name=role, state="idle", says=_IDLE[role]))
    if overdue(rows, desk.parts.settings(), now=now) is not None:
        says = "its watchdog alert is overdue; automatic actions are frozen"
        parts.append(Part(name="alerting", state="bad", says=says, at=seen.get(heartbeats.WATCHDOG)))
    elif heartbeats.WATCHDOG in seen:
        parts.append(Part(name="alerting", state="good", says="", at=seen[heartbeats.WATCHDOG]))
    return parts


def _costs(beat: heartbeats.Heartbeat) -> str:
    held = beat.data.get("rss_bytes")
    return f"{held / 1e6:.0f} MB" if isinstance(held, int | float) else ""
