"""The situation in which a plan is decided on: every value that the guard's rules look at, and nothing else."""

from datetime import datetime, timedelta

from devops_agent.model.action import Blast, Risk
from devops_agent.model.control import Pause, Silence
from devops_agent.model.fact import Fact
from devops_agent.model.identity import Protected
from devops_agent.model.learning import Standing
from devops_agent.model.target import Trust


class Limits(Fact, kw_only=True):
    """What people allow, from the configuration."""

    remediate: bool
    """AUTO_REMEDIATION_ENABLED."""
    trust: Trust
    """The ceiling: the configuration's and the target's, the lower of both."""
    start_trust: Trust
    """Where trust starts for a plan of this risk."""
    strikes: int
    strikes_window: timedelta
    cooldown: timedelta
    actions_per_hour: int
    concurrent: int
    breaker_failures: int
    breaker_open: timedelta
    min_healthy: float
    storm_share: float
    storm_count: int
    min_confidence: float
    deadline: timedelta


class Trial(Fact, kw_only=True):
    """An earlier plan on the target, as far as the guard cares."""

    ended_at: datetime
    strike: bool
    same_runbook: bool


class Situation(Fact, kw_only=True):
    """One moment, one plan."""

    now: datetime
    incident_opened_at: datetime
    target: str
    target_known: bool
    managed: bool
    managed_says: str
    """How it was opted in or out."""
    risk: Risk
    blast: Blast
    confidence: float
    limits: Limits
    ordered: bool = False
    """A person ordered it."""
    approved: bool = False
    """A person approved this very plan."""
    approved_at: datetime | None = None
    earned: Standing | None = None
    """Where trust in the plan's actions stands by their record, the lowest of all; None: it is not earned here."""
    pauses: tuple[Pause, ...] = ()
    silence: Silence | None = None
    protected: Protected | None = None
    identity_unknown: str = ""
    """Why it could not be told what the plan would touch; empty: it could."""
    identity_unknown_for_now: bool = False
    """Whether it may be told later: the engine that knows does not answer at the moment."""
    alerting_silent_for: timedelta | None = None
    """How long the alert that always fires has been missing, beyond what is allowed."""
    watched: int = 0
    troubled: int = 0
    """Targets watched, and those of them that are down or out of reach."""
    group_size: int = 1
    group_well: int = 0
    """Members of the target's group that are well, the target itself not counted."""
    trials: tuple[Trial, ...] = ()
    """Plans that ended on this target, oldest first."""
    started_last_hour: int = 0
    hour_frees_at: datetime | None = None
    """When the oldest plan of the last hour is an hour old."""
    under_way: int = 0
    """Plans being carried out on other targets."""
