"""Recorded: what would be done about recorded alerts, on what was recorded of their targets. Nothing is acted on.

The way is that of the agent: receive, correlate, diagnose, choose, decide. What the agent would have looked at is taken
from recorded evidence. No plan is carried out, so none heals, and none counts towards the guard's limits.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from devops_agent.engine import judge, lifecycle, stock
from devops_agent.engine.classify import History
from devops_agent.engine.receive import firing_on, receive
from devops_agent.model.alert import Alert
from devops_agent.model.decision import Decision
from devops_agent.model.diagnosis import Diagnosis
from devops_agent.model.evidence import Evidence
from devops_agent.model.fact import Fact
from devops_agent.model.fault import FAULTS
from devops_agent.model.incident import Incident, Status
from devops_agent.model.runbook import Plan
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.view import View, view_of
from devops_agent.store import incidents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devops_agent.engine.site import Site
    from devops_agent.model.directory import Directory
    from devops_agent.model.target import Target
    from devops_agent.store.rows import Rows

_FRESH = timedelta(minutes=15)
"""How old evidence may be to tell how a target was."""
_SOON = timedelta(minutes=5)
"""How long after the alert it may have been gathered."""
_DOWN = FAULTS["unhealthy"].rank
"""From here on a fault class means that a target is down."""


class Batch(Fact, kw_only=True):
    """Alerts that came in together."""

    at: datetime
    alerts: tuple[Alert, ...]


class Would(Fact, kw_only=True):
    """What would be done about one incident."""

    incident: Incident
    alerts: tuple[str, ...]
    """Names of those that opened it."""
    diagnosis: Diagnosis | None = None
    """None: it is about no known target."""
    choice: str = ""
    plan: Plan | None = None
    decision: Decision | None = None
    advice: tuple[str, ...] = ()


def rehearse(
    rows: Rows, batches: Sequence[Batch], *, evidence: Mapping[str, Sequence[Evidence]], site: Site
) -> Iterator[Would]:
    """Yield what would be done about each incident that recorded alerts open, in their order.

    `rows` are those of an empty store that nobody else uses; `evidence` is by target; `site` needs no actuators.
    """
    for batch in batches:
        at = batch.at
        here = replace(site, sightings=partial(sightings, rows, site.ground().directory, now=at))
        received = receive(rows, batch.alerts, ground=site.ground(), now=batch.at)
        for id_ in received.incidents:
            incident = incidents.get(rows, id_)
            if incident is not None and incident.status is Status.OPEN:
                moved = lifecycle.move(rows, incident, Status.INVESTIGATING, reason="replayed", now=batch.at)
                yield _respond(rows, moved, evidence=evidence, site=here, now=at)


def sightings(rows: Rows, directory: Directory, *, now: datetime) -> dict[str, Sighting]:
    """Return every target as down while an incident says so, else as well: what a storm is told by."""
    down = {one.target for one in incidents.open_ones(rows) if FAULTS.get(one.kind, FAULTS["unknown"]).rank >= _DOWN}
    return {
        one.name: Sighting(target=one, health=Health.DOWN if one.name in down else Health.WELL, since=now, seen_at=now)
        for one in directory
    }


def _respond(
    rows: Rows, incident: Incident, *, evidence: Mapping[str, Sequence[Evidence]], site: Site, now: datetime
) -> Would:
    firing = firing_on(rows, incident, directory=site.ground().directory)
    would = Would(incident=incident, alerts=tuple(sorted({alert.name for alert in firing})))
    target = site.ground().directory.get(incident.target)
    if target is None or incident.kind == "self":
        return would
    view = _seen(target, evidence.get(target.name, ()), now=now)
    strikes = site.settings().guard.strikes.count
    case = judge.Case(incident=incident, alerts=tuple(firing), view=view, history=History(healed=0, many=strikes))
    diagnosis = judge.DIAGNOSE.decide(case)
    would = would.with_(diagnosis=diagnosis)
    if diagnosis.well or diagnosis.starting:
        return would
    options = stock.options(
        rows,
        incident,
        diagnosis,
        target=target,
        labels=firing[0].labels if firing else {},
        view=view,
        site=site,
        now=now,
    )
    choice = judge.CHOOSE.decide(options)
    would = would.with_(choice=choice.says, plan=choice.plan, advice=choice.advice)
    if choice.plan is None:
        return would
    situation = stock.situation(
        rows,
        incident,
        choice.plan,
        target=target,
        touched=stock.Touched(),
        diagnosis=diagnosis,
        approved_at=None,
        site=site,
        now=now,
    )
    return would.with_(decision=judge.DECIDE.decide(situation))


def _seen(target: Target, evidence: Sequence[Evidence], *, now: datetime) -> View:
    """Return the target as the newest recorded evidence of each name shows it."""
    newest = {piece.name: piece for piece in sorted(evidence, key=lambda one: one.at) if _is_of(piece, now)}
    return view_of(target, state=None, evidence=tuple(newest.values()), at=now)


def _is_of(piece: Evidence, now: datetime) -> bool:
    return -_SOON <= now - piece.at <= _FRESH
