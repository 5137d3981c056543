"""The shapes of what is told over time: histories of readings, objectives, reports."""

from __future__ import annotations

from datetime import datetime

from devops_agent.web.schemas import Seconds, Shape


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
