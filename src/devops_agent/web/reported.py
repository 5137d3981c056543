"""The shapes of what is told over time: histories of readings, objectives, reports."""

from __future__ import annotations

from datetime import datetime

from devops_agent.model import slo
from devops_agent.web.schemas import Incident, Seconds, Shape


class Bucket(Shape):
    """What was seen of a target within a stretch of time."""

    at: datetime
    """When it begins."""
    lasts: Seconds
    well_seconds: float
    seen_seconds: float
    """How long it is known how it was; beyond it nobody was looking."""
    excluded_seconds: float
    """How long a window of maintenance was open."""
    readings: dict[str, tuple[float, float, float]]
    """Name → lowest, mean, highest."""


class History(Shape):
    """A target over time."""

    target: str
    begin: datetime
    end: datetime
    buckets: list[Bucket]
    """Oldest first; a stretch of which nothing is known is left out."""


class Burn(Shape):
    """How fast an error budget goes in two windows at once."""

    long_seconds: float
    short_seconds: float
    factor: float
    """From how fast on people are told; 1 uses up the budget in exactly 30 days."""
    long_rate: float | None
    """Null: too little is known of the window."""
    short_rate: float | None
    too_fast: bool


class Budget(Shape):
    """What an objective leaves for trouble within 30 days, and what of it is gone."""

    objective: float
    availability: float | None
    """Share of the time that counts in which it served, 0 to 1; null: nothing is known."""
    allowed_seconds: float
    spent_seconds: float
    left_seconds: float
    """Below zero: more trouble than there may be."""
    left: float
    """Share of the budget that is left: 1 at most, below zero when it is overspent."""
    unknown: float
    """Share of the time in which nobody looked; it counts neither way."""


class Standing(Shape):
    """How a target stands against its objective."""

    target: str
    objective: float
    at: datetime
    budget: Budget
    burns: list[Burn]


class Period(Shape):
    """What a report is about."""

    kind: str
    """daily, weekly, monthly, or custom for one that was asked for."""
    name: str
    begin: datetime
    end: datetime


class Made(Shape):
    """A report that is kept, in short."""

    period: Period
    made_at: datetime


class Durations(Shape):
    """Some durations, in seconds."""

    count: int
    mean: float
    median: float
    longest: float


class Tally(Shape):
    """Counts of a period."""

    asked: int
    answers: dict[str, int]
    plans: dict[str, int]
    relapsed: int
    harmful: int
    notices: dict[str, int]
    deliveries: dict[str, int]


class Figures(Shape):
    """A period in figures; orders of people are no incidents here."""

    incidents: int
    by_kind: dict[str, int]
    by_severity: dict[str, int]
    by_target: dict[str, int]
    resolved: int
    still_open: int
    healed_alone: int
    healed_with_yes: int
    over_by_itself: int
    by_people: int
    escalated: int
    detect: Durations | None
    """MTTD: from when the trouble began to the opening of the incident."""
    acknowledge: Durations | None
    """MTTA: from when people were asked or called to the first thing that one of them did."""
    resolve: Durations | None
    """MTTR: from the opening to the end."""
    between_failures: float | None
    """MTBF: seconds that all targets were watched for each incident."""
    false_actions: int
    seconds_saved: float
    tally: Tally


class OfTarget(Shape):
    """A target in a period."""

    target: str
    availability: float | None
    trouble_seconds: float
    unknown: float
    maintenance_seconds: float
    incidents: int
    resolve: Durations | None
    between_failures: float | None
    budget: Budget | None
    fastest_burn: float | None


class TrustChange(Shape):
    """Trust that rose or fell within the period."""

    action: str
    kind: str
    target: str
    was: str
    now: str
    says: str


class Noisy(Shape):
    """An alert that fires often."""

    alert: str
    target: str
    firings: int
    incidents: int
    messages: int
    """Sent to people because of its incidents."""
    advice: str
    saved_firings: int
    """Of this period's, those that there would not have been by then."""
    saved_messages: int


class Report(Shape):
    """All of a period."""

    period: Period
    time_zone: str
    made_at: datetime
    figures: Figures
    before: Figures | None
    """The period before; null: nothing is known of it."""
    minutes_saved: float
    """What an incident that is healed alone is assumed to cost a person, in minutes."""
    targets: list[OfTarget]
    worst: list[Incident]
    trust: list[TrustChange]
    noisy: list[Noisy]
    remarks: list[str]
    """What has to be known to read the figures rightly."""


class Moment(Shape):
    """A line of a condensed timeline."""

    at: datetime
    says: str
    actor: str


class PostMortem(Shape):
    """A draft, made from the rows alone."""

    incident: str
    title: str
    status: str
    severity: str
    made_at: datetime
    summary: str
    began_at: datetime
    opened_at: datetime
    ended_at: datetime | None
    targets: list[str]
    impact: list[str]
    cause: str
    confidence: float | None
    others: list[str]
    evidence: list[tuple[str, str]]
    """Id and what it says, of what the cause rests on."""
    found: str
    helped: list[str]
    did_not_help: list[str]
    went_well: list[str]
    action_items: list[str]
    timeline: list[Moment]
    left_out: int


class Change(Shape):
    """One thing that was done."""

    at: datetime
    what: str
    target: str
    incident: str
    by: str
    why: str
    result: str
    says: str
    seconds: float | None
    undone: bool
    undo: str
    """What would take it back; empty: nothing here can."""


class Changes(Shape):
    """Everything that was done in a time."""

    begin: datetime
    end: datetime
    changes: list[Change]
    """Oldest first; the newest 10,000 when there are more."""


def standing_of(one: slo.Standing) -> Standing:
    """Return the shape of how a target stands."""
    return Standing(
        target=one.target,
        objective=one.objective,
        at=one.at,
        budget=Budget.model_validate(one.budget),
        burns=[
            Burn(
                long_seconds=burn.window.long.total_seconds(),
                short_seconds=burn.window.short.total_seconds(),
                factor=burn.window.factor,
                long_rate=burn.long_rate,
                short_rate=burn.short_rate,
                too_fast=burn.too_fast,
            )
            for burn in one.burns
        ],
    )
