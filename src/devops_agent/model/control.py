"""What people set while the agent runs: pauses and silences."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase

from devops_agent.model.fact import Fact


class Pause(Fact, kw_only=True):
    """No automatic action on `target` (empty: on any) until it ends."""

    id: str
    target: str
    reason: str
    by: str
    begins_at: datetime
    ends_at: datetime | None = None

    def holds(self, target: str) -> bool:
        """Whether it covers `target`."""
        return self.target in ("", target)


class Silence(Fact, kw_only=True):
    """Alerts whose labels match open no incident until it ends."""

    id: str
    matchers: dict[str, str]
    """Label → pattern with `*`; all have to match."""
    by: str
    comment: str
    begins_at: datetime
    ends_at: datetime

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Whether it matches these labels; a label that is missing counts as empty."""
        return all(fnmatchcase(labels.get(name, ""), pattern) for name, pattern in self.matchers.items())


def silenced(silences: Iterable[Silence], labels: Mapping[str, str], *, now: datetime) -> Silence | None:
    """Return the silence that covers these labels now."""
    for silence in silences:
        if silence.begins_at <= now < silence.ends_at and silence.covers(labels):
            return silence
    return None
