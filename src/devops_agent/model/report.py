"""Reports: what happened within a period, in figures that say how they were come by."""

from datetime import datetime

from devops_agent.model.alert import Severity
from devops_agent.model.attempt import Outcome
from devops_agent.model.fact import Fact
from devops_agent.model.incident import Incident
from devops_agent.model.period import Period
from devops_agent.model.slo import Budget


class Case(Fact, kw_only=True):
    """An incident with the moments that figures are made of."""

    incident: Incident
    began_at: datetime | None = None
    """When its first alert says that the trouble began."""
    asked_at: datetime | None = None
    """When people were first asked or called."""
    reacted_at: datetime | None = None
    """When a person first did something about it."""
    escalated: bool = False
    approved: bool = False
    """A person let a plan for it be carried out."""
    by_person: bool = False
    """A person closed it."""
    outcomes: tuple[Outcome, ...] = ()
    """Of the plans carried out for it, in order."""
    relapsed: bool = False
    """It came back within minutes after a plan had healed it."""


class Tally(Fact, kw_only=True):
    """Counts of a period that need no incident to be looked at."""

    asked: int = 0
    """Questions put before people."""
    answers: dict[str, int] = {}
    """`approved`, `denied`, `expired` → how many of those."""
    plans: dict[str, int] = {}
    """Outcome → plans that were carried out, ordered ones left out."""
    relapsed: int = 0
    """Plans after which the trouble was back within minutes."""
    harmful: int = 0
    """Plans that a person called harmful."""
    notices: dict[str, int] = {}
    """Kind → notices for people."""
    deliveries: dict[str, int] = {}
    """`sent`, `failed`, `dropped`, `gathered` → messages."""


class Durations(Fact, kw_only=True):
    """Some durations, in seconds."""

    count: int
    mean: float
    median: float
    longest: float


class Figures(Fact, kw_only=True):
    """A period in figures. Orders of people are no incidents here."""

    incidents: int = 0
    """Opened within it."""
    by_kind: dict[str, int] = {}
    by_severity: dict[str, int] = {}
    by_target: dict[str, int] = {}
    resolved: int = 0
    """Closed within it, whenever they were opened."""
    still_open: int = 0
    """Opened within it, and open at its end."""
    healed_alone: int = 0
    """Of those closed: a plan healed it, nobody was asked or called, and it did not come back."""
    healed_with_yes: int = 0
    """A plan healed it after a person had said yes."""
    over_by_itself: int = 0
    """Nothing was done about it."""
    by_people: int = 0
    """A person closed it, or it was over after people had been called."""
    escalated: int = 0
    """Of those opened: people were called."""
    detect: Durations | None = None
    """MTTD: from when the trouble began, as its alert says, to the opening. None: no incident tells."""
    acknowledge: Durations | None = None
    """MTTA: from when people were asked or called to the first thing that one of them did."""
    resolve: Durations | None = None
    """MTTR: from the opening to the end, of those closed within the period."""
    between_failures: float | None = None
    """MTBF: seconds that all targets were watched for each incident."""
    false_actions: int = 0
    """Plans that were undone, that a person called harmful, or after which the trouble came back."""
    seconds_saved: float = 0.0
    """`healed_alone` times what one is assumed to cost a person."""
    tally: Tally = Tally()


class OfTarget(Fact, kw_only=True):
    """A target in a period."""

    target: str
    availability: float | None
    """Share of the time that it served, 0 to 1; None: nobody looked."""
    trouble_seconds: float
    unknown: float
    """Share of the period, maintenance taken out, in which nobody looked."""
    maintenance_seconds: float
    incidents: int
    resolve: Durations | None = None
    between_failures: float | None = None
    """Seconds that it was watched for each incident; None: there was none."""
    budget: Budget | None = None
    """Over 30 days up to the period's end; None: no objective is set."""
    fastest_burn: float | None = None
    """The highest burn rate of its windows at the period's end."""


class TrustChange(Fact, kw_only=True):
    """Trust that rose or fell within the period."""

    action: str
    kind: str
    target: str
    was: str
    now: str
    says: str


class Firing(Fact, kw_only=True):
    """One firing of an alert."""

    alert: str
    target: str
    fingerprint: str
    began_at: datetime
    ended_at: datetime | None = None
    """None: it fires still."""
    incident: str = ""
    """Empty: it opened none; it was silenced, or in maintenance."""


class Noisy(Fact, kw_only=True):
    """An alert that fires often, and what to do about it."""

    alert: str
    target: str
    firings: int
    incidents: int
    messages: int = 0
    """Sent to people because of its incidents."""
    advice: str = ""
    saved_firings: int = 0
    """Of this period's, those that there would not have been by then."""
    saved_messages: int = 0
    """Of the messages, those of incidents that there would not have been."""


class Report(Fact, kw_only=True):
    """All of a period."""

    period: Period
    time_zone: str
    made_at: datetime
    figures: Figures
    before: Figures | None = None
    """The period before; None: nothing is known of it."""
    minutes_saved: float
    """What an incident that is healed alone is assumed to cost a person, in minutes."""
    targets: tuple[OfTarget, ...] = ()
    worst: tuple[Incident, ...] = ()
    """The gravest and longest incidents opened within it."""
    trust: tuple[TrustChange, ...] = ()
    noisy: tuple[Noisy, ...] = ()
    remarks: tuple[str, ...] = ()
    """What has to be known to read the figures rightly."""


class Made(Fact, kw_only=True):
    """A report that is kept, in short."""

    period: Period
    made_at: datetime


SEVERITIES = tuple(one.value for one in (Severity.CRITICAL, Severity.WARNING, Severity.INFO, Severity.NONE))
"""As reports list them."""
