"""The shapes of who is told: duty, escalations, mutes; and what may be asked about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from devops_agent.web.bodies import MAX_HOURS, Asked, Name, Said
from devops_agent.web.schemas import Shape

Perhaps = Annotated[str, Field(max_length=253)]


class AcknowledgeAsked(Asked):
    """That somebody takes it."""

    comment: Said = ""


class HandOverAsked(Asked):
    """Who is to take it."""

    to: Name
    """A person's name, as `notify.people` has it."""
    comment: Said = ""


class MuteAsked(Asked):
    """For how long nothing is told of an incident."""

    hours: Annotated[float, Field(gt=0, le=MAX_HOURS)]
    person: Perhaps = ""
    """Empty: for all."""
    comment: Said = ""


class TargetMuteAsked(MuteAsked):
    """For how long nothing is told of a target, or of one kind of trouble on it."""

    target: Name
    kind: Perhaps = ""
    """A fault class such as `memory_pressure`; empty: any."""


class Escalation(Shape):
    """Something that needs a person, until one takes it."""

    incident: str
    severity: str
    policy: str
    """Empty: none; only those whom the routes name are told, and reminded."""
    state: str
    """climbing, handed, exhausted, acknowledged or over."""
    rung: int
    """The one that was told last, from 0."""
    round: int
    """How often the ladder was begun again."""
    reminders: int
    climb_at: datetime | None
    """When the next rung is told; null: there is none."""
    remind_at: datetime
    handed_to: str
    by: str
    """Who acknowledged it, or handed it over."""
    says: str
    began_at: datetime
    ended_at: datetime | None
    """Null: a person is still waited for."""


class Mute(Shape):
    """What somebody is not told of for a while."""

    id: str
    incident: str
    target: str
    kind: str
    person: str
    """Empty: for all."""
    by: str
    comment: str
    begins_at: datetime
    ends_at: datetime


class Turn(Shape):
    """Somebody is on call for a while."""

    person: str
    begins_at: datetime
    ends_at: datetime
    source: str
    """`calendar` or `rotation`."""


class OnCall(Shape):
    """Who is on call by one schedule."""

    schedule: str
    person: str
    """Empty: nobody."""
    trouble: str
    """Why its calendar file cannot be used; empty: there is none, or it can."""
    turns: list[Turn]
    """From now on, two weeks ahead."""
