"""Rehearse: what a runbook would do about some trouble, and what the guard would say; nothing is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.engine import classify, guard, learn, plan, stock
from devops_agent.engine.stock import Touched
from devops_agent.model.action import Step
from devops_agent.model.alert import AlertStatus
from devops_agent.model.decision import Decision, Permission, Verdict
from devops_agent.model.diagnosis import Diagnosis
from devops_agent.model.event import diagnosis_of
from devops_agent.model.fact import Fact
from devops_agent.model.fault import kind_of
from devops_agent.model.incident import Incident, Status
from devops_agent.model.rendering import RenderError, render
from devops_agent.model.runbook import Plan, Runbook
from devops_agent.model.target import Target
from devops_agent.model.view import view_of
from devops_agent.store import alerts, events

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.engine.site import Known
    from devops_agent.model.alert import Alert
    from devops_agent.store.rows import Rows

_SUPPOSED = "INC-0"
"""The id of an incident that there is none of."""


class Occasion(Fact, kw_only=True):
    """The trouble that a rehearsal is about."""

    incident: Incident
    target: Target
    diagnosis: Diagnosis
    labels: dict[str, str] = {}
    """Of the alert that tells of it."""
    alert: str = ""
    """Its name."""


class Rehearsal(Fact, kw_only=True):
    """What would be done about one trouble."""

    alert: str
    target: str
    kind: str
    """Fault class."""
    confidence: float
    """0 to 1; from an alert alone when nothing was looked at."""
    choice: str
    """Whether this runbook would be chosen, or which other."""
    steps: tuple[Step, ...] = ()
    advice: tuple[str, ...] = ()
    problem: str = ""
    """Why the runbook cannot become a plan; empty: it can."""
    decision: Decision | None = None
    """What the guard would say; None when there is nothing to decide on."""


def on_alert(rows: Rows, alert: Alert, *, target: Target, known: Known, now: datetime) -> Occasion:
    """Return the occasion that an alert alone would be: nothing was looked at yet."""
    incident = Incident(
        id=_SUPPOSED, status=Status.INVESTIGATING, severity=alert.severity, target=target.name,
        kind=kind_of(alert.labels), title=alert.summary, opened_at=now, changed_at=now,
    )  # fmt: skip
    stated = classify.diagnose(
        incident,
        alerts=[alert.with_(status=AlertStatus.FIRING)],
        view=view_of(target, state=None, evidence=(), at=now),
        ailing_parents=(),
        history=classify.History(healed=0, many=1),
    )
    diagnosis = learn.calibration(rows, known.settings().learning, now=now).applied(stated)
    return Occasion(incident=incident, target=target, diagnosis=diagnosis, labels=alert.labels, alert=alert.name)


def on_incident(rows: Rows, incident: Incident, *, target: Target, known: Known, now: datetime) -> Occasion:
    """Return the occasion that an incident was, or is: by its last diagnosis and its first alert."""
    joined = alerts.of_incident(rows, incident.id, limit=1)
    last = events.tail(rows, incident.id, kind="diagnosis", limit=1)
    found = diagnosis_of(last[0]) if last else None
    if found is None and joined:
        found = on_alert(rows, joined[0], target=target, known=known, now=now).diagnosis
    if found is None:
        view = view_of(target, state=None, evidence=(), at=now)
        history = classify.History(healed=0, many=1)
        found = classify.diagnose(incident, alerts=(), view=view, ailing_parents=(), history=history)
    return Occasion(
        incident=incident.with_(status=Status.INVESTIGATING, ordered_json="", guided=""),
        target=target,
        diagnosis=found,
        labels=joined[0].labels if joined else {},
        alert=joined[0].name if joined else "",
    )


def rehearse(
    rows: Rows, book: Runbook, occasion: Occasion, *, known: Known, now: datetime
) -> tuple[Rehearsal, Plan | None]:
    """Return what `book` would do, and its plan; None: there is nothing for the guard to decide on."""
    target, diagnosis = occasion.target, occasion.diagnosis
    sighting = known.sightings().get(target.name)
    readings = sighting.readings if sighting else {}
    view = view_of(target, state=None, evidence=(), at=now).with_(readings=readings)
    options = stock.options(
        rows,
        occasion.incident,
        diagnosis,
        target=target,
        labels=occasion.labels,
        view=view,
        site=known,
        now=now,
    )
    told = Rehearsal(
        alert=occasion.alert,
        target=target.name,
        kind=diagnosis.kind,
        confidence=diagnosis.confidence,
        choice=_choice(plan.choose(options), book, occasion),
    )
    try:
        made = render(
            book,
            incident=occasion.incident.id,
            target=target,
            labels=occasion.labels,
            readings=readings,
            offered=known.actions.keys(),
        )
    except RenderError as error:
        return told.with_(problem=str(error)), None
    return told.with_(steps=made.steps, advice=made.advice), made if made.steps else None


def decide(rows: Rows, made: Plan, occasion: Occasion, *, touched: Touched, known: Known, now: datetime) -> Decision:
    """Return what the guard would say to a plan in the situation of this moment."""
    situation = stock.situation(
        rows,
        occasion.incident,
        made,
        target=occasion.target,
        touched=touched,
        diagnosis=occasion.diagnosis,
        approved_at=None,
        site=known,
        now=now,
    )
    return guard.decide(situation)


def decide_unseen(rows: Rows, made: Plan, occasion: Occasion, *, known: Known, now: datetime) -> Decision:
    """Return the same where nobody can look at the machine: who the target really is stays open, and is said to."""
    decision = decide(rows, made, occasion, touched=Touched(), known=known, now=now)
    unseen = Verdict(
        rule="never_touch",
        permission=Permission.ALLOW,
        reason="not asked here: the agent looks at the machine before it decides, and denies what it may never touch",
    )
    verdicts = tuple(unseen if one.rule == unseen.rule else one for one in decision.verdicts)
    return decision.with_(verdicts=verdicts)


def _choice(chosen: plan.Choice, book: Runbook, occasion: Occasion) -> str:
    if plan.fits(book, occasion.diagnosis.kind, target=occasion.target, labels=occasion.labels):
        return chosen.says
    return f"{book.name} does not fit this alert; without a person's guidance: {chosen.says}"
