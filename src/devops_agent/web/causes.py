"""The shapes of what is known of an incident's causes."""

from __future__ import annotations

from datetime import datetime

from devops_agent.web.schemas import Shape


class Hypothesis(Shape):
    """One possible cause."""

    kind: str
    """Fault class."""
    says: str
    confidence: float
    evidence: list[str]
    """Ids of the evidence that it rests on."""
    component: str
    """Where the cause lies; empty: in the target itself."""
    refuted_by: str
    """What would show that it is wrong."""
    source: str
    """`rules`, or the model's name."""
    runbook: str
    """The existing runbook that is suggested for it; a suggestion only."""


class Suspect(Shape):
    """A component that the cause may lie in."""

    component: str
    score: float
    """Share of all suspicion, 0 to 1."""
    says: str


class Insight(Shape):
    """What a closer look found."""

    at: datetime
    says: str
    hypotheses: list[Hypothesis]
    advised: list[Hypothesis]
    """The model's: for people, never a reason to act."""
    suspects: list[Suspect]
    well: bool
    enough: bool
    """Whether the evidence was enough to judge by."""
    dropped: int
    """Claims that cited no existing evidence and were left out."""
    model: str
    missing: list[str]
    """Sources that did not answer, with the reason."""
    similar: list[str]
    advice: list[str]


class Causes(Shape):
    """What the response went by, and what the closer look found."""

    diagnosis: list[Hypothesis]
    """Ranked, the likeliest first; empty before the first diagnosis."""
    insight: Insight | None
    """Null while it is under way, or when none was asked for."""
