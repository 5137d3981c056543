"""A round of the postman: everything that routing looks at, read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devops_agent.engine.switches import PAM, is_on
from devops_agent.model import routing
from devops_agent.model.clockface import ending, next_time, parse_daily, parse_hours, zone
from devops_agent.store import gatherings, incidents, mutes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.model.contact import Notify, Person, Policy
    from devops_agent.model.gathering import Gathering
    from devops_agent.model.incident import Incident
    from devops_agent.model.mute import Mute
    from devops_agent.model.routing import Recipient
    from devops_agent.store.rows import Rows

_DEEPEST = 20
"""Incidents that explain each other, at most."""


MISTAKES = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, RecursionError)
"""What something strange in the rows of one notice may raise; the database's own errors are none of these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One transaction, one moment."""

    rows: Rows
    settings: Settings
    now: datetime
    updates: Mapping[str, bool]
    """Channel → whether it changes its messages in place; one that is not named does not."""
    on_call: Mapping[str, str]
    """Schedule → whose turn it is."""
    mutes: Sequence[Mute]
    pam: bool
    _rings: dict[Recipient, list[datetime]] = field(default_factory=dict)
    _over: dict[str, bool] = field(default_factory=dict)

    @property
    def notify(self) -> Notify:
        """How people are told."""
        return self.settings.notify

    def off(self, to: Recipient) -> str:
        """Return why nothing goes to this recipient; empty: it does."""
        channel = next((one for one in self.notify.channels if one.name == to.channel), None)
        return routing.switched_off(channel, pam=self.pam)

    def person(self, to: Recipient) -> Person | None:
        """Return the person behind a recipient."""
        return next((one for one in self.notify.people if one.name == to.person), None) if to.person else None

    def policy(self, name: str) -> Policy | None:
        """Return the policy of that name, None when there is none (any more)."""
        return next((one for one in self.notify.policies if one.name == name), None) if name else None

    def recipients(self, names: Iterable[str]) -> tuple[Recipient, ...]:
        """Return where these names lead."""
        return routing.recipients(names, self.notify, on_call=self.on_call)

    def per_hour(self, to: Recipient) -> int:
        """Return how many messages the recipient may get in an hour."""
        person = self.person(to)
        return person.per_hour if person and person.per_hour else self.notify.per_hour

    def rings(self, to: Recipient) -> list[datetime]:
        """Return when the recipient got messages within the last hour."""
        if to not in self._rings:
            self._rings[to] = gatherings.rings(self.rows, to, now=self.now)
        return self._rings[to]

    def ring(self, notice: int, to: Recipient) -> None:
        """Count a message."""
        self.rings(to).append(self.now)
        gatherings.ring(self.rows, notice, to, now=self.now)

    def forget(self) -> None:
        """Read from the rows again what was remembered of them: some of it was undone."""
        self._rings.clear()
        self._over.clear()

    def all_over(self, gathering: Gathering, *, lately: Incident) -> bool:
        """Whether each incident of a message of several is over; `lately` is the one that was entered last.

        The rows are asked once for each message: in a storm that would be thousands of times thousands of incidents.
        """
        if not lately.closed:
            self._over[gathering.id] = False
        if gathering.id not in self._over:
            self._over[gathering.id] = gatherings.all_over(self.rows, gathering)
        return self._over[gathering.id]

    def room_at(self, to: Recipient) -> datetime:
        """Return when the recipient may get one more message within the limit."""
        rings, limit = self.rings(to), self.per_hour(to)
        return self.now if len(rings) < limit else rings[len(rings) - limit] + routing.HOUR

    def digest_at(self, to: Recipient) -> datetime:
        """Return when what is held back is told: never within the recipient's quiet hours."""
        at = next_time(parse_daily(self.notify.digest_at), self.now, where=zone(self.notify.time_zone))
        person = self.person(to)
        if person and person.quiet:
            at = ending(parse_hours(person.quiet), at, where=zone(person.time_zone)) or at
        return at

    def root(self, incident: Incident) -> Incident:
        """Return the open incident that explains this one, or itself."""
        for _ in range(_DEEPEST):
            parent = incidents.get(self.rows, incident.parent) if incident.parent else None
            if parent is None or parent.closed:
                break
            incident = parent
        return incident

    def mutes_of(self, incident: Incident) -> list[Mute]:
        """Return the mutes that are about an incident."""
        return [
            one for one in self.mutes if one.covers(incident=incident.id, target=incident.target, kind=incident.kind)
        ]


def begin_round(
    rows: Rows, settings: Settings, now: datetime, *, updates: Mapping[str, bool], on_call: Mapping[str, str]
) -> Round:
    """Read what a round needs."""
    return Round(
        rows=rows,
        settings=settings,
        now=now,
        updates=updates,
        on_call=on_call,
        mutes=mutes.holding(rows, now=now),
        pam=is_on(rows, PAM, settings=settings),
    )
