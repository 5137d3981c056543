"""How often somebody may ask."""

from __future__ import annotations

_SWEEP_ABOVE = 10_000
"""Askers that are remembered before those whose time is over are forgotten."""


class RateLimit:
    """So many a minute for each key, and `burst` of them at once (GCRA, ATM Forum traffic management 4.0)."""

    def __init__(self, per_minute: int, *, burst: int) -> None:
        self._gap = 60.0 / per_minute
        self._burst = self._gap * (burst - 1)
        self._due: dict[str, float] = {}

    def wait(self, key: str, *, now: float) -> float:
        """Count one request of `key` at `now` (monotonic seconds); return 0, or the seconds to wait when refused."""
        due = max(self._due.get(key, now), now)
        if due - now > self._burst:
            return due - now - self._burst
        if len(self._due) > _SWEEP_ABOVE:
            self._due = {name: moment for name, moment in self._due.items() if moment > now}
        self._due[key] = due + self._gap
        return 0.0

    def is_over(self, key: str, *, now: float) -> bool:
        """Whether the next request of `key` would be refused."""
        return self._due.get(key, now) - now > self._burst
