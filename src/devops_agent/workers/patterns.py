"""Patterns: what history says of a target and fault class, as proposals of permanent fixes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.analysis.recurrence import Occurrence, find_patterns
from devops_agent.model.knowledge import Proposal
from devops_agent.model.telemetry import ChangeKind
from devops_agent.store import events, evidence, incidents
from devops_agent.workers.drafting import helped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from devops_agent.model.incident import Incident
    from devops_agent.store.rows import Rows

WINDOW = timedelta(days=14)
_AFTER = timedelta(minutes=30)
"""How soon after a change trouble has to begin for the change to count."""
_CHANGES = (ChangeKind.DEPLOYMENT, ChangeKind.IMAGE, ChangeKind.CONFIG, ChangeKind.GIT)
_MOST = 500
_CITED = 50
"""Incidents that a proposal names, the newest."""


def propose(rows: Rows, *, target: str, kind: str, now: datetime) -> list[Proposal]:
    """Return what recurs on `target`, each with what would end it."""
    since = now - WINDOW
    past = [
        one
        for one in reversed(incidents.page(rows, target=target, limit=_MOST))
        if one.kind == kind and one.changed_at >= since and not one.ordered_json
    ]
    occurred = sorted((o for one in past for o in _occurrences(rows, one) if o.at >= since), key=lambda one: one.at)
    cited = tuple(dict.fromkeys(one.incident for one in occurred))[-_CITED:]
    return [
        Proposal(
            id=f"{kind}/{target}/{pattern.name.replace(' ', '-')}",
            target=target,
            kind=kind,
            pattern=pattern.name,
            says=pattern.says,
            advice=pattern.advice,
            incidents=cited,
            made_at=now,
        )
        for pattern in find_patterns(occurred, target=target, kind=kind, window=WINDOW)
    ]


def _occurrences(rows: Rows, incident: Incident) -> Iterator[Occurrence]:
    """Yield the incident's beginning, and each time that it was opened again: what came back came again."""
    ended = helped(rows, incident)
    begun = [incident.opened_at]
    begun += [event.at for event in events.of_incident(rows, incident.id) if event.kind == "open"]
    changes = [
        (piece.as_of or piece.at, piece.says)
        for piece in evidence.of_incident(rows, incident.id)
        if piece.name == "change" and piece.value in _CHANGES
    ]
    for at in begun:
        change = next((says for changed, says in changes if timedelta() <= at - changed <= _AFTER), "")
        yield Occurrence(incident=incident.id, at=at, helped=ended, change=change)
