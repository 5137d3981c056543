"""How a target is, as last seen."""

from datetime import datetime
from enum import StrEnum

from devops_agent.model.fact import Fact
from devops_agent.model.target import Target


class Health(StrEnum):
    """A target's state in one word."""

    UNKNOWN = "unknown"
    STARTING = "starting"
    WELL = "well"
    DEGRADED = "degraded"
    """It answers, but a reading is out of band."""
    DOWN = "down"
    UNREACHABLE = "unreachable"
    """It cannot be seen from here; the trouble may be between us."""


class Sighting(Fact, kw_only=True):
    """A target and what was last seen of it."""

    target: Target
    health: Health
    since: datetime
    """When it came to be so."""
    seen_at: datetime
    says: str = ""
    readings: dict[str, float] = {}
    """Name → value, such as `memory_percent`, `latency_ms`."""
    results: dict[str, str] = {}
    """Check → what was wrong when it was last made; empty: it passed."""
