"""The shapes of the API's answers, documented by pydantic; what may be asked is in `bodies`.

Each model reads the fact of its name by its attributes, so that members that have their default are answered too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

T = TypeVar("T")


def _seconds(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value


Seconds = Annotated[float, BeforeValidator(_seconds)]


class Shape(BaseModel):
    """The base of all shapes."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    type: str
    title: str
    status: int
    detail: str
    """A sentence that says the way out."""


class Page(Shape, Generic[T]):
    """A part of a list."""

    items: list[T]
    next: str | None = None
    """Cursor of the part that follows; null at the end."""


class Incident(Shape):
    """Alerts grouped by cause candidate, and where the response stands."""

    id: str
    status: str
    severity: str
    target: str
    kind: str
    title: str
    opened_at: datetime
    changed_at: datetime
    resolved_at: datetime | None
    parent: str
    attempts: int
    reason: str
    next_steps: list[str]
    guided: str


class Story(Shape):
    """An incident in plain words: one sentence for each question that people ask first."""

    happened: str
    why: str
    """Empty: it was an order, which has no cause."""
    done: str
    asked: str
    """What is asked of people, or that nothing is."""
    says: str
    """All of it, as one paragraph."""


class Alert(Shape):
    """One signal about one thing."""

    fingerprint: str
    status: str
    name: str
    severity: str
    summary: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None
    source: str
    generator_url: str


class AlertReceived(Alert):
    """An alert with the incident that it joined."""

    incident: str


class Event(Shape):
    """An entry of the timeline."""

    seq: int
    at: datetime
    incident: str
    target: str
    kind: str
    actor: str
    says: str
    data: dict[str, Any]


class Evidence(Shape):
    """Something seen."""

    id: str
    source: str
    name: str
    query: str
    value: bool | int | float | str | None
    unit: str
    at: datetime
    target: str
    """Whom it is about; empty: the incident's own target."""
    as_of: datetime | None
    """Time of the newest data in it, when that is older."""
    window: Seconds | None
    partial: bool
    """Whether a limit or a fault at the source left something out."""
    points: list[tuple[float, float]]
    """For a plot: seconds since 1970, value."""
    details: dict[str, str | int | float | bool]
    says: str


class Proof(Shape):
    """What shows that a step worked."""

    state: str
    healthy: bool
    below: dict[str, float]
    in_band: list[str]
    within: Seconds
    settle: Seconds


class Step(Shape):
    """An action with arguments, its proof and whether to undo it."""

    name: str
    action: str
    args: dict[str, Any]
    timeout: Seconds
    retries: int
    proof: Proof
    undo: bool
    only_if: str
    go_on: bool


class Plan(Shape):
    """The runbook chosen for an incident, with real arguments."""

    incident: str
    runbook: str
    target: str
    steps: list[Step]
    settle: float
    advice: list[str]
    digest: str


class Verdict(Shape):
    """What one rule of the guard said."""

    rule: str
    permission: str
    reason: str


class Decision(Shape):
    """What the guard decided, with every rule's verdict."""

    permission: str
    rule: str
    reason: str
    verdicts: list[Verdict]


class Attempt(Shape):
    """A plan, the decision on it and its outcome."""

    id: str
    incident: str
    target: str
    kind: str
    risk: str
    plan: Plan
    decision: Decision
    decided_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    ordered: bool
    says: str
    version: str


class Approval(Shape):
    """A question about exactly one plan."""

    id: str
    incident: str
    digest: str
    summary: str
    answer: str
    asked_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    by: str
    comment: str


class ApprovalInFull(Approval):
    """A question with the plan that it is about."""

    plan: Plan | None


class Pause(Shape):
    """No automatic action on `target` (empty: on any) until it ends."""

    id: str
    target: str
    reason: str
    by: str
    begins_at: datetime
    ends_at: datetime | None


class Silence(Shape):
    """Alerts that match open no incident until it ends."""

    id: str
    matchers: dict[str, str]
    by: str
    comment: str
    begins_at: datetime
    ends_at: datetime


class Target(Shape):
    """A watched thing, as last seen."""

    name: str
    health: str
    since: datetime
    seen_at: datetime
    says: str
    readings: dict[str, float]
    via: str
    ref: str
    managed: bool | None
    trust: str | None
    group: str
    depends_on: list[str]
    labels: dict[str, str]
    aliases: list[str]
    found_by: str


class TargetInFull(Target):
    """A target with what is going on around it."""

    incidents: list[Incident]
    """Those that are not resolved."""
    pauses: list[Pause]


class Runbook(Shape):
    """An ordered list of steps, for people and machine alike."""

    name: str
    says: str
    kinds: list[str]
    alerts: list[str]
    steps: list[Step]
    advice: list[str]
    settle: float
    priority: int
    source: str


class Param(Shape):
    """One parameter of an action."""

    kind: str
    says: str
    required: bool
    default: Any = None


class Action(Shape):
    """One operation that a plugin offers."""

    name: str
    says: str
    risk: str
    blast: str
    params: dict[str, Param]
    idempotent: bool
    undo: str


class Success(Shape):
    """How often an action worked for a fault class on a target."""

    action: str
    kind: str
    target: str
    done: int
    ok: int
    verified: int
    undone: int
    mean_seconds: float


class Token(Shape):
    """What is known of a token; never the token itself."""

    id: str
    name: str
    scope: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class TokenMade(Token):
    """A new token, with the secret that nobody can read again."""

    secret: str


class Notice(Shape):
    """Something people should be told."""

    id: int
    key: str
    incident: str
    kind: str
    severity: str
    message: dict[str, Any]
    created_at: datetime
    routed_at: datetime | None
    """When it was decided who is told."""


class NoticeDelivery(Shape):
    """A notice on its way to one channel."""

    channel: str
    person: str
    """Empty: whoever reads the channel."""
    stage: str
    """waiting, sending, sent, failed, dropped, gathered."""
    says: str
    """Why it stands where it stands."""
    not_before: datetime
    tries: int
    repeats: int
    """How often it was sent again with nobody knowing whether it had been taken before."""
    ended_at: datetime | None


class NoticeTold(Notice):
    """A notice with what became of it on each channel; without any it is only shown."""

    deliveries: list[NoticeDelivery]


class Flag(Shape):
    """One of the three switches."""

    name: str
    value: bool
    switched: bool
    """Whether it was set while running; else file or environment say."""


class AuditProof(Shape):
    """Whether the chain of events holds."""

    intact: bool
    events: int
    """How many were found right, from the first on."""
    head: str
    """Hash of the last of them: noted elsewhere, it proves later that nothing was cut off."""
    broken_at: int | None
    says: str


class Role(Shape):
    """A sign of life."""

    role: str
    alive: bool
    age_seconds: float
    pid: int
    version: str
    started_at: datetime
    data: dict[str, Any]


class Health(Shape):
    """Whether this process can do its work."""

    status: Literal["healthy", "unhealthy"]
    version: str
    store: str
    agent: str
    """`alive`, `silent` or `never seen`."""
    agent_age_seconds: float | None


class Status(Shape):
    """Everything at a glance."""

    version: str
    started_at: datetime
    uptime_seconds: float
    flags: dict[str, bool]
    paused: list[Pause]
    targets: dict[str, int]
    """Health → how many."""
    incidents: dict[str, int]
    """Status → how many."""
    approvals_waiting: int
    notices_waiting: int
    writes_waiting: int
    roles: list[Role]


class Monitoring(TargetInFull):
    """A target as it is watched: its checks and limits too."""

    checks: list[dict[str, Any]]
    thresholds: dict[str, float | None]


class Accepted(Shape):
    """What became of posted alerts."""

    accepted: bool
    new: int
    repeats: int
    incidents: list[str]
