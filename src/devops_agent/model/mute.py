"""Mutes: what somebody asked not to be told of for a while."""

from collections.abc import Iterable
from datetime import datetime

from devops_agent.model.fact import Fact


class Mute(Fact, kw_only=True):
    """Nothing is told of an incident, or of a kind of trouble on a target, until it ends."""

    id: str
    """`MUT-3`."""
    incident: str = ""
    """Either this, or `target`."""
    target: str = ""
    kind: str = ""
    """Fault class; with `target`, empty: any."""
    person: str = ""
    """For whom; empty: for all."""
    by: str
    comment: str = ""
    begins_at: datetime
    ends_at: datetime
    settled_at: datetime | None = None
    """When it was ended, and what is still wrong then told."""

    def covers(self, *, incident: str, target: str, kind: str) -> bool:
        """Whether it is about this incident."""
        if self.incident:
            return self.incident == incident
        return bool(target) and self.target == target and self.kind in ("", kind)


def muted(mutes: Iterable[Mute], *, person: str, now: datetime) -> Mute | None:
    """Return the mute that holds for a person now, the longest one; `person` empty: only those that hold for all."""
    holding = [one for one in mutes if one.begins_at <= now < one.ends_at and one.person in ("", person)]
    return max(holding, key=lambda one: one.ends_at, default=None)
