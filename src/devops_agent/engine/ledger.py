"""Ledger: what a turn writes about its incident: where it stands, what is told and to whom, decisions, its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devops_agent.engine import escalate, judge, learn, lifecycle
from devops_agent.engine.receive import OWN_SOURCES, firing_on, release
from devops_agent.model.incident import Status
from devops_agent.store import alerts, approvals, events, incidents, insights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.engine.judge import Inputs, Question, Result
    from devops_agent.engine.site import Site
    from devops_agent.model.alert import Alert
    from devops_agent.model.incident import Incident
    from devops_agent.store.rows import Rows


_FOR_PEOPLE = ("code_error", "bad_release")
_LIKELY = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """Writes about one incident, each time within its caller's transaction."""

    site: Site
    incident: Incident
    """As it was when the turn began."""

    def now(self) -> datetime:
        """Return the moment of writing."""
        return self.site.clock.now()

    def current(self, rows: Rows) -> Incident | None:
        """Return the incident as it is now, None when somebody closed it in between."""
        incident = incidents.get(rows, self.incident.id)
        return None if incident is None or incident.closed else incident

    def move(self, rows: Rows, to: Status, reason: str) -> Incident | None:
        """Move the incident, unless somebody closed it in between."""
        incident = self.current(rows)
        return None if incident is None else lifecycle.move(rows, incident, to, reason=reason, now=self.now())

    def tell(self, rows: Rows, kind: str, says: str, **data: Any) -> int:  # noqa: ANN401 — as events take it
        """Write an event into the incident's timeline; return its number."""
        return events.add(
            rows, kind, says, at=self.now(), incident=self.incident.id, target=self.incident.target, **data
        )

    def tell_news(self, rows: Rows, kind: str, says: str, **data: Any) -> None:  # noqa: ANN401 — as events take it
        """Tell it unless it was what was told last of this kind: rounds that only wait leave no trail of repeats."""
        if self.current(rows) and events.last_said(rows, self.incident.id, kind) != says:
            self.tell(rows, kind, says, **data)

    def notify(
        self, rows: Rows, incident: Incident, kind: str, says: str, next_steps: Sequence[str] = (), *, now: datetime
    ) -> None:
        """Put a notice for people into the outbox."""
        settings = self.site.settings()
        escalate.tell(rows, incident, kind=kind, says=says, next_steps=next_steps, settings=settings, now=now)

    def hand_over(self, rows: Rows, incident: Incident, reason: str, next_steps: Sequence[str]) -> None:
        """Hand the incident to a person, with what a closer look found."""
        settings = self.site.settings()
        steps = (*_found(rows, incident), *next_steps)
        escalate.climb(rows, incident, reason=reason, next_steps=steps, settings=settings, now=self.now())

    def close(self, rows: Rows, incident: Incident, reason: str, *, now: datetime) -> None:
        """Resolve; what our own watching had raised is over with it, and what waited for it goes on."""
        alerts.resolve_own(rows, incident.id, ours=OWN_SOURCES, now=now)
        learn.close(rows, incident, now=now)
        approvals.withdraw(rows, incident.id, now=now)
        lifecycle.move(rows, incident, Status.RESOLVED, reason=reason, now=now)
        release(rows, incident, ground=self.site.ground(), now=now)

    def answer(self, rows: Rows, question: Question[Inputs, Result], inputs: Inputs) -> Result:
        """Decide, and keep what the decision was made from."""
        version = self.site.version
        return judge.judge(rows, question, inputs, incident=self.incident.id, now=self.now(), version=version)

    def firing(self, rows: Rows) -> list[Alert]:
        """Return the alerts that fire on the incident's target, the one that has fired longest first."""
        return firing_on(rows, self.incident, directory=self.site.ground().directory)

    def firing_outside(self, rows: Rows) -> int:
        """Return how many of those others than our own watching have raised."""
        return sum(alert.source not in OWN_SOURCES for alert in self.firing(rows))


def _found(rows: Rows, incident: Incident) -> tuple[str, ...]:
    """Return what a person should look at first: a place in the code, a change, what helped before."""
    insight = insights.get(rows, incident.id)
    if insight is None:
        return ()
    causes = (h for h in insight.hypotheses if h.kind in _FOR_PEOPLE and h.confidence >= _LIKELY)
    return (*(f"look at this first ({h.confidence:.0%} sure): {h.says}" for h in causes), *insight.advice[:2])


def guide(incident: Incident) -> str:
    """Return how a person goes on with an incident that was handed over."""
    return f"devops-agent guide {incident.id} RUNBOOK, or mend it and devops-agent resolve {incident.id}"
