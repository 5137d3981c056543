"""Events: entries of the timeline."""

from datetime import datetime
from typing import Any

from devops_agent.model.fact import Fact


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
