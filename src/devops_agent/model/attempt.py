"""Attempts: a plan, the decision on it and its outcome."""

from datetime import datetime
from enum import StrEnum

from devops_agent.model.decision import Decision
from devops_agent.model.fact import Fact
from devops_agent.model.runbook import Plan


class Outcome(StrEnum):
    """What verifiably happened after a plan."""

    DENIED = "denied"
    """The guard or a person said no."""
    WOULD = "would"
    """Monitoring only: it would have been carried out."""
    ASKED = "asked"
    """Waits for a person."""
    STARTED = "started"
    HEALED = "healed"
    """The target is measurably well again and stayed so."""
    FAILED = "failed"
    """It ran and did not heal: a strike."""
    UNDONE = "undone"
    """It did not heal and was taken back: a strike too."""
    UNCLEAR = "unclear"
    """A crash left it unknown whether a step took place; a person has to look."""

    @property
    def strike(self) -> bool:
        """Whether it counts as a plan that ran and did not heal."""
        return self in (Outcome.FAILED, Outcome.UNDONE, Outcome.UNCLEAR)


class Attempt(Fact, kw_only=True):
    """A plan that was decided on."""

    id: str = ""
    incident: str
    target: str
    group: str = ""
    kind: str
    risk: str
    """The highest risk among its steps' actions."""
    plan: Plan
    decision: Decision
    decided_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Outcome
    ordered: bool = False
    """Whether a person ordered it."""
    says: str = ""
    version: str


class ActionDone(Fact, kw_only=True):
    """An action that was executed."""

    key: str
    attempt: str
    incident: str
    target: str
    kind: str
    action: str
    step: str
    started_at: datetime
    ended_at: datetime
    ok: bool
    verified: bool
    says: str


class Success(Fact, kw_only=True):
    """How often an action worked for a fault class on a target."""

    action: str
    kind: str
    target: str
    done: int
    ok: int
    """It reported success."""
    verified: int
    """Its proof was seen."""
    undone: int
    mean_seconds: float
