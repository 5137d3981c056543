"""Take stock: gather every value that the choice of a plan is made from, and that the guard's rules look at."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.engine import learn
from devops_agent.engine.plan import Options
from devops_agent.model.action import Blast, Risk
from devops_agent.model.control import silenced
from devops_agent.model.fact import Fact
from devops_agent.model.identity import Protected
from devops_agent.model.learning import lowest, record_of, stand
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.situation import Limits, Situation, Trial
from devops_agent.model.target import Target, Trust
from devops_agent.ports import PluginError, Untouchable
from devops_agent.store import attempts, controls, heartbeats, learning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.engine.site import Known, Site
    from devops_agent.model.action import Action, Step
    from devops_agent.model.diagnosis import Diagnosis
    from devops_agent.model.incident import Incident
    from devops_agent.model.learning import Standing, Tried, Waited
    from devops_agent.model.runbook import Plan
    from devops_agent.model.view import View
    from devops_agent.ports import Actuator
    from devops_agent.store.rows import Rows

_TROUBLE = (Health.DOWN, Health.UNREACHABLE)


class Touched(Fact, kw_only=True):
    """Whether the plan would touch something protected."""

    protected: Protected | None = None
    unknown: str = ""
    """Why that cannot be told; empty when it can."""
    passing: bool = False
    """Whether it may be told later."""


async def touched(plan: Plan, target: Target, *, site: Site) -> Touched:
    """Ask who the target really is, and the never-touch set whether it may be touched.

    The plugin that acts on the target is asked too when a step belongs to another: a command that is run for a target
    is an action on that target.
    """
    asked: list[tuple[Actuator, Step | None]] = [(site.actuator_of(step.action), step) for step in plan.steps]
    if asked and target.via in site.actuators:
        asked.append((site.actuators[target.via], None))
    for actuator, step in asked:
        try:
            site.guardian.refuse(await actuator.identify(target, step=step))
        except Untouchable as refusal:
            return Touched(protected=refusal.protected)
        except PluginError as error:
            return Touched(unknown=str(error), passing=error.retryable)
    return Touched()


def situation(  # noqa: PLR0913 — a situation is made of these
    rows: Rows,
    incident: Incident,
    plan: Plan,
    *,
    target: Target,
    touched: Touched,
    diagnosis: Diagnosis,
    approved_at: datetime | None,
    site: Known,
    now: datetime,
) -> Situation:
    """Return the situation in which `plan` is to be decided on."""
    settings = site.settings()
    risk, blast = weight(plan, site.actions)
    limits = limits_of(settings, target, risk, switched=controls.flags(rows))
    trials = _trials(rows, plan, now=now, window=max(limits.strikes_window, limits.breaker_open))
    hour_ago = now - timedelta(hours=1)
    last_hour = [a for a in attempts.started_since(rows, hour_ago) if a.started_at and a.started_at > hour_ago]
    group = site.ground().directory.group_of(target)
    sightings = site.sightings()
    managed, managed_says = opt_in(target, settings)
    return Situation(
        now=now,
        incident_opened_at=incident.opened_at,
        target=target.name,
        target_known=True,
        managed=managed,
        managed_says=managed_says,
        risk=risk,
        blast=blast,
        confidence=diagnosis.confidence_to_act,
        limits=limits,
        ordered=bool(incident.ordered_json),
        approved=approved_at is not None,
        approved_at=approved_at,
        earned=_standing(rows, plan, target=target, kind=diagnosis.kind, site=site, now=now),
        pauses=tuple(p for p in controls.pauses(rows, now=now) if p.holds(target.name)),
        silence=silenced(
            [*site.ground().windows(now), *controls.silences(rows, now=now)],
            {"target": target.name, **target.labels},
            now=now,
        ),
        protected=touched.protected,
        identity_unknown=touched.unknown,
        identity_unknown_for_now=touched.passing,
        alerting_silent_for=overdue(rows, settings, now=now),
        watched=len(sightings),
        troubled=sum(1 for one in sightings.values() if one.health in _TROUBLE),
        group_size=len(group),
        group_well=_well(group, sightings, besides=target.name),
        trials=trials,
        started_last_hour=len(last_hour),
        hour_frees_at=last_hour[0].started_at + timedelta(hours=1) if last_hour and last_hour[0].started_at else None,
        under_way=sum(1 for a in last_hour if a.ended_at is None and a.incident != incident.id),
    )


def options(  # noqa: PLR0913 — a choice is made from these
    rows: Rows,
    incident: Incident,
    diagnosis: Diagnosis,
    *,
    target: Target,
    labels: Mapping[str, str],
    view: View,
    site: Known,
    now: datetime,
) -> Options:
    """Return everything that the choice of a plan is made from."""
    terms = site.settings().learning
    since = now - terms.memory
    trials: dict[str, list[Tried]] = {}
    for one in (
        *learning.of_target(rows, target.name, diagnosis.kind, since=since),
        *learning.of_kind(rows, diagnosis.kind, besides=target.name, since=since),
    ):
        trials.setdefault(one.runbook, []).append(one)
    version = learn.version_of(view, otherwise=site.version)
    return Options(
        incident=incident,
        kind=diagnosis.kind,
        target=target,
        runbooks=tuple(site.runbooks()),
        labels=dict(labels),
        readings=view.readings,
        offered=tuple(sorted(site.actions)),
        tried=tuple(one.plan.runbook for one in attempts.of_incident(rows, incident.id) if one.outcome.strike),
        records={
            runbook: record_of(some, target=target.name, version=version, terms=terms, now=now)
            for runbook, some in trials.items()
        },
        waited=learning.waited(rows, diagnosis.kind, target=target.name, since=since),
    )


def _standing(rows: Rows, plan: Plan, *, target: Target, kind: str, site: Known, now: datetime) -> Standing | None:
    """Return where trust in a plan's actions stands, the lowest of all; reading is trusted anyway."""
    settings = site.settings()
    terms = settings.learning
    acting = {step.action for step in plan.steps if site.actions[step.action].risk is not Risk.READ}
    if not (terms.earned_trust and acting):
        return None
    since = now - terms.memory
    trials = learning.of_target(rows, target.name, kind, since=since)
    waited = learning.waited(rows, kind, target=target.name, since=since)
    return lowest(
        [
            standing_of(
                site.actions[name],
                target=target,
                trials=[one for one in trials if name in one.actions],
                waited=waited,
                settings=settings,
                now=now,
            )
            for name in sorted(acting)
        ]
    )


def standing_of(
    action: Action, *, target: Target, trials: Sequence[Tried], waited: Waited, settings: Settings, now: datetime
) -> Standing:
    """Return where trust in one action stands after `trials` of it on a target, oldest first."""
    start, top = start_of(settings, action.risk), ceiling_of(settings, target)
    if action.risk is Risk.DANGEROUS:  # to notify is to act without asking, too: what cannot be undone stays asked for
        top = start
    return stand(action.name, start=start, top=top, trials=trials, waited=waited, terms=settings.learning, now=now)


def weight(plan: Plan, actions: Mapping[str, Action]) -> tuple[Risk, Blast]:
    """Return the highest risk and the widest reach among a plan's actions; risk comes from the action, not the file."""
    known = [actions[step.action] for step in plan.steps]
    widest = max(known, key=_reach, default=None)
    return (
        max((action.risk for action in known), key=lambda risk: risk.rank, default=Risk.READ),
        widest.blast if widest else Blast.NOTHING,
    )


def _reach(action: Action) -> tuple[bool, int]:
    """What the guard lets pass (the host, safely) must not hide an action of the same plan that it would ask about."""
    harmless = action.blast is Blast.HOST and action.risk.rank <= Risk.SAFE.rank
    return action.blast not in (Blast.NOTHING, Blast.TARGET) and not harmless, list(Blast).index(action.blast)


def limits_of(settings: Settings, target: Target, risk: Risk, *, switched: Mapping[str, bool]) -> Limits:
    """Return what people allow for a plan of this risk on this target."""
    guard = settings.guard
    return Limits(
        remediate=switched.get("AUTO_REMEDIATION_ENABLED", settings.flags.AUTO_REMEDIATION_ENABLED),
        trust=ceiling_of(settings, target),
        start_trust=start_of(settings, risk),
        strikes=guard.strikes.count,
        strikes_window=guard.strikes.window,
        cooldown=guard.cooldown,
        actions_per_hour=guard.actions_per_hour,
        concurrent=guard.concurrent,
        breaker_failures=guard.breaker.failures,
        breaker_open=guard.breaker.open_for,
        min_healthy=target.min_healthy,
        storm_share=guard.storm_share,
        storm_count=guard.storm_count,
        min_confidence=guard.min_confidence,
        deadline=guard.deadline,
    )


def ceiling_of(settings: Settings, target: Target) -> Trust:
    """Return the trust that nothing exceeds on a target: the configuration's or its own, the lower of both."""
    return min((settings.guard.trust, target.trust or Trust.AUTO), key=lambda trust: trust.rank)


def start_of(settings: Settings, risk: Risk) -> Trust:
    """Return where trust in actions of a risk starts."""
    guard = settings.guard
    return {Risk.READ: Trust.AUTO, Risk.SAFE: guard.safe, Risk.RISKY: guard.risky, Risk.DANGEROUS: guard.dangerous}[
        risk
    ]


def opt_in(target: Target, settings: Settings) -> tuple[bool, str]:
    """Return whether somebody opted the target in, and how; an opt-out wins."""
    where = "its label" if target.found_by != "config" else settings.source or "the configuration"
    if target.managed is False:
        return False, f"{target.name} is opted out by {where}"
    if target.managed:
        return True, f"{target.name} is opted in by {where}"
    if settings.guard.managed_by_default:
        return True, "guard.managed_by_default opts in everything that is found"
    return False, f"{target.name} is not opted in: set the label devops-agent.enable=true, or write it into agent.yaml"


def _trials(rows: Rows, plan: Plan, *, now: datetime, window: timedelta) -> tuple[Trial, ...]:
    ended = [a for a in attempts.started_since(rows, now - 2 * window, target=plan.target) if a.ended_at]
    return tuple(
        Trial(ended_at=a.ended_at, strike=a.outcome.strike, same_runbook=a.plan.runbook == plan.runbook)
        for a in sorted(ended, key=lambda a: a.ended_at or now)
        if a.ended_at
    )


def overdue(rows: Rows, settings: Settings, *, now: datetime) -> timedelta | None:
    """Return by how much the alert that always fires is overdue; None when it is not, or not expected."""
    within = settings.watchdog.within
    if within is None:
        return None
    beats = heartbeats.all_(rows)
    since = [beats[role].at for role in (heartbeats.WATCHDOG,) if role in beats]
    since += [beats["agent"].started_at] if "agent" in beats else []
    overdue = now - max(since, default=now) - within
    return overdue if overdue > timedelta() else None


def _well(group: Sequence[Target], sightings: Mapping[str, Sighting], *, besides: str) -> int:
    return sum(
        1
        for member in group
        if member.name != besides and member.name in sightings and sightings[member.name].health not in _TROUBLE
    )
