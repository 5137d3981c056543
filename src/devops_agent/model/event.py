"""Events: entries of the timeline."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from devops_agent.model.diagnosis import Diagnosis
from devops_agent.model.fact import Fact, from_json, to_json


class Event(Fact, kw_only=True):
    """Something that happened, told for people (`says`) and for programs (`data`)."""

    seq: int
    at: datetime
    incident: str = ""
    target: str = ""
    kind: str
    """A fixed word: `opened`, `decision`, `step`, `healed`, …"""
    actor: str
    """`agent`, or who did it: a token's name, `cli:alice`."""
    says: str
    data: dict[str, Any] = {}


def diagnosis_of(event: Event) -> Diagnosis | None:
    """Return the diagnosis that an event tells; None when it tells none."""
    if event.kind != "diagnosis" or not isinstance(event.data.get("found"), dict):
        return None
    return from_json(to_json(event.data["found"]), Diagnosis)


def last_diagnosis(timeline: Sequence[Event], *, acted: bool = False) -> Diagnosis | None:
    """Return what was diagnosed last; None before the first diagnosis.

    With `acted`, something was done about it: that it is well after that is no word on what was wrong.
    """
    found = [one for event in timeline if (one := diagnosis_of(event)) is not None]
    counting = [one for one in found if acted and not one.well] or found
    return counting[-1] if counting else None
