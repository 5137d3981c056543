"""Aftermath: the rows that a post-mortem is drafted from. Not loaded by the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.analysis.postmortem import Material, draft
from devops_agent.engine.commands import NotFoundError
from devops_agent.store import alerts, approvals, attempts, events, evidence, incidents, knowledge, outbox, targets

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.postmortem import PostMortem
    from devops_agent.store.rows import Rows

_ALERTS = 1_000


def post_mortem(rows: Rows, id_: str, *, now: datetime) -> PostMortem:
    """Draft the post-mortem of an incident from what is kept of it.

    Raises:
        NotFoundError: there is no such incident.

    """
    incident = incidents.get(rows, id_)
    if incident is None:
        message = f"no incident {id_!r}; `devops-agent incidents` lists them"
        raise NotFoundError(message)
    watched = [one.target for one in targets.all_(rows)]
    material = Material(
        incident=incident,
        timeline=events.of_incident(rows, id_),
        alerts=alerts.of_incident(rows, id_, limit=_ALERTS),
        alerts_in_all=alerts.counts(rows, id_)[1],
        attempts=attempts.of_incident(rows, id_),
        questions=approvals.of_incident(rows, id_),
        evidence=evidence.of_incident(rows, id_),
        effects=incidents.effects(rows, id_),
        proposals=knowledge.proposals(rows),
        notices=outbox.count_of(rows, id_),
        depends_on_it=sum(1 for one in watched if incident.target and incident.target in one.depends_on),
    )
    return draft(material, now=now)
