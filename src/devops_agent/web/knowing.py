"""The shapes of what is known from closed incidents: those alike, drafts of runbooks, proposals of permanent fixes."""

from __future__ import annotations

from datetime import datetime

from devops_agent.web.schemas import Runbook, Shape


class Similar(Shape):
    """An earlier incident that was like this one."""

    incident: str
    score: float
    """How alike, up to 1: the cosine of the two texts' vectors, weighed by what people said of it."""
    target: str
    kind: str
    """Fault class."""
    says: str
    helped: str
    """What verifiably helped then; empty: nothing did, or nobody knows."""
    feedback: str
    """What people said of it."""
    at: datetime


class Draft(Shape):
    """A runbook made from what people did with success; never used before a person has accepted it."""

    name: str
    standing: str
    """`waiting`, `accepted`, `rejected`."""
    runbook: Runbook
    reasons: list[str]
    made_at: datetime
    answered_at: datetime | None
    by: str
    comment: str


class Proposal(Shape):
    """What recurs, and what would end it for good."""

    id: str
    target: str
    kind: str
    """Fault class."""
    pattern: str
    """`recurs`, `time of day`, `after deployments`."""
    says: str
    advice: str
    incidents: list[str]
    made_at: datetime
