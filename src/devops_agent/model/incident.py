"""Incidents: what is responded to, and the one table of legal moves."""

from datetime import datetime
from enum import StrEnum

from devops_agent.model.alert import Severity
from devops_agent.model.fact import Fact


class Status(StrEnum):
    """Where the response stands."""

    OPEN = "open"
    INVESTIGATING = "investigating"
    AWAITING_APPROVAL = "awaiting_approval"
    REMEDIATING = "remediating"
    VERIFYING = "verifying"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


MOVES: dict[Status, frozenset[Status]] = {
    Status.OPEN: frozenset({Status.INVESTIGATING, Status.ESCALATED, Status.RESOLVED}),
    Status.INVESTIGATING: frozenset(
        {Status.AWAITING_APPROVAL, Status.REMEDIATING, Status.ESCALATED, Status.RESOLVED, Status.OPEN}
    ),
    Status.AWAITING_APPROVAL: frozenset({Status.INVESTIGATING, Status.REMEDIATING, Status.ESCALATED, Status.RESOLVED}),
    Status.REMEDIATING: frozenset({Status.VERIFYING, Status.INVESTIGATING, Status.ESCALATED}),
    Status.VERIFYING: frozenset({Status.INVESTIGATING, Status.ESCALATED, Status.RESOLVED}),
    Status.ESCALATED: frozenset({Status.INVESTIGATING, Status.RESOLVED}),
    Status.RESOLVED: frozenset({Status.OPEN}),
}
"""From each status the ones that may follow. Reopening is a move too: the same cause came back soon."""


class Category(StrEnum):
    """What sort of trouble it is."""

    SERVICE_DOWN = "service_down"
    PERFORMANCE = "performance"
    ERRORS = "errors"
    RESOURCES = "resources"
    DEPENDENCY = "dependency"
    NETWORK = "network"
    UNKNOWN = "unknown"


class Complexity(StrEnum):
    """Who can mend it."""

    SIMPLE = "simple"
    """A restart or a clean-up."""
    COMPLEX = "complex"
    """Needs code or people."""
    UNKNOWN = "unknown"


class Incident(Fact, kw_only=True):
    """Alerts grouped by cause candidate."""

    id: str
    """`INC-17`."""
    status: Status
    severity: Severity
    target: str
    """Name of the target; empty when the alerts name none that is known."""
    kind: str
    """The fault class that opened it: `down`, `memory_pressure`, … or the alert's name when no class fits."""
    title: str
    opened_at: datetime
    changed_at: datetime
    resolved_at: datetime | None = None
    parent: str = ""
    """The incident of a dependency that explains this one."""
    attempts: int = 0
    """Plans carried out so far."""
    reason: str = ""
    """Why it stands where it stands, in plain words."""
    next_steps: tuple[str, ...] = ()
    """What a person should do, when it was escalated."""
    guided: str = ""
    """The runbook that a person told the agent to use."""
    ordered_json: str = ""
    """The step that a person ordered, when this is no trouble but an order (`POST /actions/restart`)."""

    @property
    def closed(self) -> bool:
        """Whether nothing more is to be done."""
        return self.status is Status.RESOLVED
