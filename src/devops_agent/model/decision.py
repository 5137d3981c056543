"""Decisions: allow, ask or deny, always with the rule and the reason."""

from datetime import datetime
from enum import StrEnum

from devops_agent.model.fact import Fact


class Permission(StrEnum):
    """What the guard lets happen."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"

    @property
    def rank(self) -> int:
        """0 for allow to 2 for deny: the strictest rule wins."""
        return (Permission.ALLOW, Permission.ASK, Permission.DENY).index(self)


class Verdict(Fact, kw_only=True):
    """What one rule said."""

    rule: str
    permission: Permission
    reason: str
    retry_at: datetime | None = None
    """When a refusal will be over by itself; None: not before something is changed."""


class Decision(Fact, kw_only=True):
    """What the guard decided on a plan, with every rule's verdict."""

    permission: Permission
    rule: str
    """The rule that decided."""
    reason: str
    verdicts: tuple[Verdict, ...]
    retry_at: datetime | None = None
    """When to ask again, if all that refuse will be over by then."""


class Answer(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Approval(Fact, kw_only=True):
    """A person's answer to exactly one plan digest, with an expiry."""

    id: str
    """`APR-4`."""
    incident: str
    digest: str
    summary: str
    answer: Answer = Answer.PENDING
    asked_at: datetime
    expires_at: datetime
    answered_at: datetime | None = None
    by: str = ""
    comment: str = ""
