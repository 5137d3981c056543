"""An incident with its whole story."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from devops_agent.engine.feedback import KINDS
from devops_agent.model.story import tell
from devops_agent.store import (
    alerts,
    approvals,
    attempts,
    controls,
    deliveries,
    escalations,
    events,
    evidence,
    incidents,
    insights,
    knowledge,
    mutes,
    outbox,
    targets,
)
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import Cursor, show
from devops_agent.web.plots import Mark, Plot, Point, Window, plot
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devops_agent.model.alert import Alert
    from devops_agent.model.diagnosis import Diagnosis
    from devops_agent.model.evidence import Evidence
    from devops_agent.model.incident import Incident
    from devops_agent.model.insight import Insight
    from devops_agent.model.knowledge import Similar
    from devops_agent.model.mute import Mute
    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)

_EVENTS = 200
"""Of a timeline, on one page."""
_ALERTS = 50
_NOTICES = 30
_LOGS = frozenset({"log_errors", "stack_trace", "log_pattern", "slow_operation"})
_SILENCED_BY = ("alertname", "service", "job", "instance")
"""Labels that a silence which is begun from an alert matches; all of them would match that one firing only."""
_ALIKE = 5


@router.get("/incidents/{incident}")
async def incident_(
    request: Request,
    desk: DeskOf,
    incident: str,
    kind: Annotated[str, Query(max_length=50)] = "",
    cursor: Cursor = "",
    *,
    similar: bool = False,
) -> Response:
    """Show an incident with its whole story; of a long timeline the end, or what is before event `cursor`."""

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        one = incidents.get(rows, incident)
        if one is None:
            raise ProblemError(404, f"There is no incident {incident}.")
        books = sorted(desk.parts.runbooks(), key=lambda runbook: runbook.name)
        return {
            **_read(rows, one, now=now),
            **_timeline(rows, one, kind=kind, before=int(cursor or 2**62)),
            "similar": _search_similar(rows, one) if similar else None,
            "runbooks": books,
            "kinds": KINDS,
            "excerpt": excerpt,
            "people": [person.name for person in desk.parts.settings().notify.people],
        }

    return await show(request, desk, "incident", read)


def _read(rows: Rows, one: Incident, *, now: datetime) -> dict[str, Any]:
    made = attempts.of_incident(rows, one.id)
    questions = approvals.of_incident(rows, one.id)
    firing, every = alerts.counts(rows, one.id)
    seen = evidence.of_incident(rows, one.id)
    joined = alerts.of_incident(rows, one.id, limit=_ALERTS)
    diagnosis = events.diagnosed(rows, one.id, made)
    insight = insights.get(rows, one.id)
    return {
        "one": one,
        "sighting": targets.get(rows, one.target),
        "pauses_of_target": [pause for pause in controls.pauses(rows, now=now) if pause.target == one.target != ""],
        "story": tell(one, diagnosis=diagnosis, attempts=made, questions=questions, now=now),
        "diagnosis": diagnosis,
        "insight": insight,
        "more_causes": _besides(diagnosis, insight, one),
        "attempts": made,
        "by_digest": {attempt.plan.digest: attempt for attempt in made},
        "questions": questions,
        **_sorted_out(seen),
        "alerts": joined,
        "firing": firing,
        "every": every,
        "silence": _matchers(joined, one),
        "said": [event.says for event in events.tail(rows, one.id, kind="feedback", limit=20)],
        "known": _known(rows, insight),
        **_told(rows, one, now=now),
    }


def _told(rows: Rows, one: Incident, *, now: datetime) -> dict[str, Any]:
    """Return who was told of it, when and through what, and whether somebody has taken it."""
    notices = outbox.of_incident(rows, one.id, limit=_NOTICES)
    handed = deliveries.of_notices(rows, [notice.id for notice in notices])
    return {
        "escalation": escalations.latest(rows, one.id),
        "mutes": [held for held in mutes.holding(rows, now=now) if _is_about(held, one)],
        "notices": [(notice, handed.get(notice.id, [])) for notice in notices],
    }


def _is_about(held: Mute, one: Incident) -> bool:
    return held.incident == one.id or (bool(held.target) and held.target == one.target and held.kind in ("", one.kind))


def _timeline(rows: Rows, one: Incident, *, kind: str, before: int) -> dict[str, Any]:
    told = events.tail(rows, one.id, kind=kind, before=before, limit=_EVENTS + 1)
    earlier = str(told[1].seq) if len(told) > _EVENTS else ""
    return {
        "told": told[-_EVENTS:],
        "kinds_told": events.kinds(rows, one.id),
        "kind": kind,
        "earlier": earlier,
        "from_end": before == 2**62,
    }


def _besides(diagnosis: Diagnosis | None, insight: Insight | None, one: Incident) -> list[Any]:
    """Return the closer look's causes that the diagnosis does not have already."""
    if insight is None:
        return []
    had = {(cause.kind, cause.component or one.target) for cause in (diagnosis.hypotheses if diagnosis else ())}
    return [cause for cause in insight.hypotheses if (cause.kind, cause.component or one.target) not in had]


def _sorted_out(seen: list[Evidence]) -> dict[str, list[Any]]:
    """Return evidence by how it is best looked at: as plots, as excerpts of logs, as a table."""
    return {
        "plotted": [(piece, _plot(piece)) for piece in seen if len(piece.points) > 1],
        "logged": [piece for piece in seen if piece.name in _LOGS],
        "listed": [piece for piece in seen if len(piece.points) <= 1 and piece.name not in _LOGS],
    }


def _plot(piece: Evidence) -> Plot:
    """Return the plot of a piece's points, with the moment from which on it was out of its usual course."""
    points = [
        Point(at=datetime.fromtimestamp(at, UTC), low=value, mean=value, high=value) for at, value in piece.points
    ]
    gaps = sorted(after.at - before.at for before, after in pairwise(points))
    window = Window(begin=points[0].at, end=points[-1].at + gaps[len(gaps) // 2], step=gaps[len(gaps) // 2])
    begins = piece.details.get("begins_at")
    marks = []
    if isinstance(begins, str):
        with suppress(ValueError):
            since = datetime.fromisoformat(begins)
            marks.append(Mark(at=since, until=window.end, says="out of its usual course", kind="m-incident"))
    name = str(piece.details.get("series", "")) or piece.name
    unit = f" {piece.unit}" if piece.unit else ""
    return plot(f"{name} of {piece.target}", points, window, write=lambda value: f"{value:.4g}{unit}", marks=marks)


def excerpt(piece: Evidence) -> list[tuple[str, bool]]:
    """Return lines of a log that a piece of evidence quotes, each with whether it is the telling one."""
    told = piece.details
    if piece.name == "stack_trace":
        where = f"{told.get('file')}:{told.get('line')}" if told.get("file") else "an unknown place"
        function = f" in {told['function']}" if told.get("function") else ""
        return [
            (f"{told.get('exception', '')}: {told.get('message', '')}".rstrip(": "), True),
            (f"  at {where}{function}", False),
        ]
    example, template = str(told.get("example", "")), str(told.get("template", ""))
    lines = [(example, True)] if example else []
    return [*lines, *([(template, not lines)] if template and template != example else [])]


def _matchers(joined: Iterable[Alert], one: Incident) -> str:
    """Return, as the form for silences takes them, the labels that all alerts of the incident share."""
    shared: set[tuple[str, str]] | None = None
    for alert in joined:
        some = {(name, alert.labels[name]) for name in _SILENCED_BY if alert.labels.get(name)}
        shared = some if shared is None else shared & some
    pairs = sorted(shared or ())
    return ", ".join(f"{name}={value}" for name, value in pairs) or (f"target={one.target}" if one.target else "")


def _known(rows: Rows, insight: Insight | None) -> dict[str, dict[str, str]]:
    """Return what is known of the incidents that a closer look found to be like this one."""
    found = ((id_, knowledge.get(rows, id_)) for id_ in (insight.similar if insight else ()))
    return {id_: dict(document.meta) if document else {} for id_, document in found}


def _search_similar(rows: Rows, one: Incident) -> list[Similar]:
    document = knowledge.get(rows, one.id)
    if document is None:
        return []
    return knowledge.like(rows, document.vector, model=document.model, limit=_ALIKE, besides=one.id)
