"""Climbing: who is told next when nobody acknowledges, and for how long that goes on; pure rules on values."""

from datetime import datetime, timedelta
from enum import StrEnum

from devops_agent.model.alert import Severity
from devops_agent.model.contact import Policy
from devops_agent.model.fact import Fact


class Climb(StrEnum):
    """Where an escalation stands."""

    CLIMBING = "climbing"
    """The rung that was told last has time to acknowledge."""
    HANDED = "handed"
    """Handed over to one person, who has not acknowledged yet."""
    EXHAUSTED = "exhausted"
    """Everybody was told; reminders go on."""
    ACKNOWLEDGED = "acknowledged"
    OVER = "over"
    """Answered, mended or closed."""


class Escalation(Fact, kw_only=True):
    """Something that needs a person, until one takes it."""

    id: int = 0
    incident: str
    notice: int
    """The one that began it."""
    severity: Severity
    policy: str = ""
    """Empty: nobody but `tell` is told, and reminded."""
    tell: tuple[str, ...] = ()
    """Names that routes say, beside those of the policy."""
    state: Climb = Climb.CLIMBING
    rung: int = 0
    """The one that was told last, from 0."""
    round: int = 0
    """How often the ladder was begun again."""
    reminders: int = 0
    climb_at: datetime | None = None
    """When the next rung is told; None: there is none."""
    remind_at: datetime
    handed_to: str = ""
    by: str = ""
    """Who acknowledged it, or handed it over."""
    says: str = ""
    began_at: datetime
    ended_at: datetime | None = None

    @property
    def living(self) -> bool:
        """Whether a person is still waited for."""
        return self.state in (Climb.CLIMBING, Climb.HANDED, Climb.EXHAUSTED)


class Next(Fact, kw_only=True):
    """What becomes of an escalation that is due."""

    escalation: Escalation
    climbs: tuple[str, ...] = ()
    """Names that are told now: the next rung's."""
    reminds: tuple[str, ...] = ()
    """Names that are told again."""
    exhausted: bool = False
    """Whether the end of the ladder was reached just now."""


def begin(escalation: Escalation, policy: Policy | None, *, remind_every: timedelta) -> Escalation:
    """Return the escalation with its first rung told at `began_at`."""
    at = escalation.began_at
    first = policy.rungs[0].wait if policy and policy.rungs else None
    return escalation.with_(climb_at=at + first if first else None, remind_at=at + remind_every)


def go_on(escalation: Escalation, policy: Policy | None, *, now: datetime, remind_every: timedelta) -> Next:
    """Return what is due now: at most one rung, and a reminder to those who were told before.

    A rung that is long overdue (nothing ran for a while) is told once, and the next one has its whole time.
    """
    found = Next(escalation=escalation)
    if escalation.climb_at is not None and escalation.climb_at <= now:
        found = _climb(escalation, policy, now=now)
    if escalation.remind_at <= now:
        climber = found.escalation
        again = tuple(name for name in told_names(escalation, policy) if name not in found.climbs)
        climber = climber.with_(remind_at=now + remind_every, reminders=climber.reminders + 1)
        found = found.with_(escalation=climber, reminds=again)
    return found


def hand_over(escalation: Escalation, to: str, *, by: str, now: datetime, remind_every: timedelta) -> Escalation:
    """Return it handed to one person, who has `remind_every` before the ladder goes on where it stood."""
    until = now + remind_every
    return escalation.with_(state=Climb.HANDED, handed_to=to, by=by, climb_at=until, remind_at=until)


def rest(escalation: Escalation, policy: Policy | None, *, until: datetime, remind_every: timedelta) -> Escalation:
    """Return it resting until a moment at which it is told anew: who is told then has the whole time again."""
    rungs = policy.rungs if policy else ()
    wait = rungs[escalation.rung].wait if escalation.rung < len(rungs) else remind_every
    climb_at = None if escalation.climb_at is None else max(escalation.climb_at, until + wait)
    return escalation.with_(climb_at=climb_at, remind_at=max(escalation.remind_at, until + remind_every))


def told_names(escalation: Escalation, policy: Policy | None) -> tuple[str, ...]:
    """Return whom it was told to so far; while it is handed over, the one who has it."""
    if escalation.state is Climb.HANDED:
        return (escalation.handed_to,)
    rungs = policy.rungs if policy else ()
    reached = rungs if escalation.round else rungs[: escalation.rung + 1]
    names = (*escalation.tell, *(name for rung in reached for name in rung.tell), escalation.handed_to)
    return tuple(dict.fromkeys(name for name in names if name))


def patience(policy: Policy | None) -> timedelta:
    """Return how long a policy takes from its first rung until the last one has had its time to answer."""
    if policy is None:
        return timedelta()
    return sum((rung.wait for rung in policy.rungs), timedelta()) * (policy.repeat + 1)


def _climb(escalation: Escalation, policy: Policy | None, *, now: datetime) -> Next:
    rungs = policy.rungs if policy else ()
    rung, round_ = escalation.rung + 1, escalation.round
    if rung >= len(rungs) and policy is not None and rungs and round_ < policy.repeat:
        rung, round_ = 0, round_ + 1
    if rung >= len(rungs):
        ended = escalation.with_(state=Climb.EXHAUSTED, climb_at=None)
        return Next(escalation=ended, exhausted=True)
    higher = escalation.with_(state=Climb.CLIMBING, rung=rung, round=round_, climb_at=now + rungs[rung].wait)
    return Next(escalation=higher, climbs=tuple(rungs[rung].tell))
