"""Learn: write down what came of plans, of waiting and of diagnoses, so that the next ones can go by it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.model.attempt import Outcome
from devops_agent.model.calibration import Calibration
from devops_agent.model.learning import Tried
from devops_agent.model.prediction import RELAPSE, WELL, Prediction
from devops_agent.store import attempts, incidents, learning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.model.attempt import Attempt
    from devops_agent.model.diagnosis import Diagnosis, Hypothesis
    from devops_agent.model.incident import Incident
    from devops_agent.model.learning import Terms
    from devops_agent.model.view import View
    from devops_agent.store.rows import Rows

PLAN_S_TIME = timedelta(minutes=5)
"""How long trouble has to be left alone to tell whether it heals by itself: about what a plan may take."""


def record(rows: Rows, incident: Incident, attempt: Attempt, outcome: Outcome, *, says: str, now: datetime) -> None:
    """Write the outcome of an attempt and count it on the incident."""
    attempts.end(rows, attempt.id, outcome, says=says, now=now)
    incidents.describe(rows, incident.id, attempts=incident.attempts + 1)
    keep(rows, attempt, outcome, now=now)


def keep(rows: Rows, attempt: Attempt, outcome: Outcome, *, now: datetime) -> None:
    """Keep what came of a plan for the choices and the trust of later; an order by a person is no answer to trouble."""
    if attempt.ordered:
        return
    known = learning.predictions(rows, attempt.incident)
    tried = Tried(
        at=now,
        incident=attempt.incident,
        target=attempt.target,
        kind=attempt.kind,
        runbook=attempt.plan.runbook,
        actions=tuple(dict.fromkeys(step.action for step in attempt.plan.steps)),
        version=known[-1].version if known else attempt.version,
        outcome=outcome,
    )
    learning.keep_trial(rows, attempt.id, tried)


def calibration(rows: Rows, terms: Terms, *, now: datetime) -> Calibration:
    """Return how stated confidence is to be published now."""
    return learning.calibration(rows, since=now - terms.memory) if terms.calibrate else Calibration()


def predict(  # noqa: PLR0913 — a prediction is made of these
    rows: Rows,
    incident: Incident,
    diagnosis: Diagnosis,
    *,
    advised: Sequence[Hypothesis],
    view: View,
    agent_version: str,
    now: datetime,
) -> None:
    """Keep the likeliest hypothesis of each source, to be judged by what comes of it; `advised` are a model's."""
    if diagnosis.starting or incident.ordered_json:
        return
    first = {hypothesis.source: hypothesis for hypothesis in reversed((*diagnosis.hypotheses, *advised))}
    for source, hypothesis in first.items():
        made = Prediction(
            incident=incident.id,
            target=incident.target,
            source=source,
            kind=WELL if diagnosis.well and hypothesis in diagnosis.hypotheses else hypothesis.kind,
            component=hypothesis.component,
            version=version_of(view, otherwise=agent_version),
            seen=bool(view.conditions),
            raw=hypothesis.confidence if hypothesis.stated is None else hypothesis.stated,
            published=hypothesis.confidence,
            at=now,
        )
        learning.predict(rows, made)


def version_of(view: View, *, otherwise: str) -> str:
    """Return what runs there: the target's image when it is known, else the agent's version."""
    return (view.state.image if view.state is not None else "") or otherwise


def close(rows: Rows, incident: Incident, *, now: datetime, by_person: bool = False) -> None:
    """Judge by the end of an incident what was said of it, and learn from what was left alone.

    A diagnosis was right when a plan chosen for it healed for good; it was wrong when a plan for another one did, or
    when the target turned out well without having been seen unwell. Recovery that nobody helped proves neither, but
    counts as healing by itself. Of an incident that was opened anew only what was said and done since counts: it may
    have come back as something else. `close` is to be called with the incident as it was before it is closed.
    """
    if incident.ordered_json:
        return
    said = [one for one in learning.predictions(rows, incident.id) if one.judged_by != RELAPSE]
    claims = [one for one in said if one.kind != WELL]
    ours = [one for one in said if one.source == "rules"]
    done = [one for one in attempts.of_incident(rows, incident.id) if one.started_at is not None]
    healed = _healed(rows, incident.id)
    if healed:
        for one in claims:
            learning.judge(rows, incident.id, one.kind, right=one.kind in healed)
    elif incident.parent and not by_person:
        _judge_by_parent(rows, incident)
    elif not done and ours and ours[-1].kind == WELL and not any(one.seen for one in claims):
        for one in claims:
            learning.judge(rows, incident.id, one.kind, right=False)
    seen = [one for one in ours if one.kind != WELL and one.seen]
    if seen and not incident.parent:
        _learn_of_waiting(rows, incident, seen[-1].kind, done, now=now, by_person=by_person)


def _healed(rows: Rows, incident: str) -> frozenset[str]:
    """Return the fault classes that plans healed, and for good."""
    vain = learning.relapsed(rows, incident)
    done = attempts.of_incident(rows, incident)
    return frozenset(one.kind for one in done if one.outcome is Outcome.HEALED and one.id not in vain)


def _judge_by_parent(rows: Rows, incident: Incident) -> None:
    """What was over once its cause was healed did depend on it."""
    if _healed(rows, incident.parent):
        learning.judge(rows, incident.id, "dependency_down", right=True)


def _learn_of_waiting(
    rows: Rows, incident: Incident, kind: str, done: list[Attempt], *, now: datetime, by_person: bool
) -> None:
    """Trouble that was left alone for long enough tells whether it heals by itself; what was acted on soon does not."""
    until = min((one.started_at for one in done if one.started_at), default=now)
    lasted = until - incident.opened_at >= PLAN_S_TIME
    if lasted or not (done or by_person):
        learning.keep_wait(rows, incident.id, target=incident.target, kind=kind, recovered=not lasted, now=now)
