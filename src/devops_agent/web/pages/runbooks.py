"""What is done about which trouble: runbooks for the machine, for people, and drafted ones to be reviewed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from devops_agent.config.writing import write_runbook
from devops_agent.engine import rehearse
from devops_agent.engine.site import Known
from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.store import incidents, knowledge, learning, targets
from devops_agent.web.asking import DeskOf
from devops_agent.web.matchers import read_matchers
from devops_agent.web.pages.shell import show
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.engine.rehearse import Occasion, Rehearsal
    from devops_agent.model.knowledge import Draft
    from devops_agent.model.runbook import Runbook
    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

router = APIRouter(include_in_schema=False, default_response_class=Response)

Text = Annotated[str, Query(max_length=253)]
_RISKS = ("read", "safe", "risky", "dangerous")


@router.get("/runbooks")
async def runbooks_(request: Request, desk: DeskOf) -> Response:
    """List runbooks: those that machines carry out, those that are for people, and drafts."""
    await desk.gate.viewer(request)
    known = sorted(desk.parts.runbooks(), key=lambda runbook: runbook.name)
    for_people = await asyncio.to_thread(desk.parts.documents)

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        return {
            "runbooks": [(one, risk_of(one, desk)) for one in known],
            "record": _record(rows, desk, now=now),
            "documents": sorted(for_people, key=lambda document: document.name),
            "drafts": knowledge.drafts(rows, standing="waiting"),
        }

    return await show(request, desk, "runbooks", read)


@router.get("/runbooks/drafts/{draft}.yaml")
async def draft_file(request: Request, desk: DeskOf, draft: str) -> Response:
    """Return the file that a draft would become."""
    viewer = await desk.gate.viewer(request)
    desk.count(viewer.token.id)
    found = await desk.read(lambda rows: _draft(rows, draft))
    headers = {"Content-Disposition": f'attachment; filename="{found.name}.yaml"'}
    text = write_runbook(found.runbook, comments=found.reasons)
    return PlainTextResponse(text, media_type="application/yaml", headers=headers)


@router.get("/runbooks/drafts/{draft}")
async def draft_(request: Request, desk: DeskOf, draft: str) -> Response:
    """Show a draft: what it rests on, and the file that it would become."""

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        one = _draft(rows, draft)
        return {
            "one": one,
            "risk": risk_of(one.runbook, desk),
            "text": write_runbook(one.runbook, comments=one.reasons),
            "folders": desk.parts.settings().runbooks,
        }

    return await show(request, desk, "draft", read)


@router.get("/runbooks/{runbook}")
async def runbook_(
    request: Request, desk: DeskOf, runbook: str, incident: Text = "", target: Text = "", labels: Text = ""
) -> Response:
    """Show a runbook; with an incident, or a target and labels of an alert, what it would do, and nothing is done."""
    known = {one.name: one for one in desk.parts.runbooks()}
    book = known.get(runbook)
    if book is None:
        raise ProblemError(404, f"There is no runbook {runbook}.")

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        record = _record(rows, desk, now=now)
        told: Rehearsal | None = None
        if incident or target or labels:
            told = _rehearse(rows, book, desk, incident=incident.strip(), target=target, labels=labels, now=now)
        return {
            "one": book,
            "risk": risk_of(book, desk),
            "actions": desk.parts.actions(),
            "record": record.get(book.name, (0, 0)),
            "text": write_runbook(book),
            "targets": [one.target.name for one in targets.all_(rows)],
            "given": {"incident": incident, "target": target, "labels": labels},
            "told": told,
        }

    return await show(request, desk, "runbook", read)


def risk_of(book: Runbook, desk: Desk) -> str:
    """Return the highest risk among a runbook's actions; empty when it has none that is known."""
    names = desk.parts.actions()
    found = [
        action.risk.value
        for step in book.steps
        for name, action in names.items()
        if name == step.action or (step.action.startswith("{via}.") and name.endswith(step.action[5:]))
    ]
    return max(found, key=_RISKS.index, default="")


def _record(rows: Rows, desk: Desk, *, now: datetime) -> dict[str, tuple[int, int]]:
    """Return runbook → (healed, tried) within the memory that the settings allow."""
    counts: dict[str, tuple[int, int]] = {}
    for one in learning.all_trials(rows, since=now - desk.parts.settings().learning.memory):
        healed, tried = counts.get(one.runbook, (0, 0))
        counts[one.runbook] = (healed + one.healed, tried + 1)
    return counts


def _rehearse(  # noqa: PLR0913 — what a rehearsal is about
    rows: Rows, book: Runbook, desk: Desk, *, incident: str, target: str, labels: str, now: datetime
) -> Rehearsal:
    known = _known(rows, desk)
    occasion = (
        _on_incident(rows, incident, known, now=now)
        if incident
        else _on_alert(rows, target, labels, book, known, now=now)
    )
    told, made = rehearse.rehearse(rows, book, occasion, known=known, now=now)
    if made is None:
        return told
    return told.with_(decision=rehearse.decide_unseen(rows, made, occasion, known=known, now=now))


def _known(rows: Rows, desk: Desk) -> Known:
    seen = {one.target.name: one for one in targets.all_(rows)}
    parts = desk.parts
    return Known(
        actions=parts.actions(),
        settings=parts.settings,
        ground=parts.ground,
        runbooks=parts.runbooks,
        sightings=lambda: seen,
        version=parts.version,
    )


def _on_incident(rows: Rows, name: str, known: Known, *, now: datetime) -> Occasion:
    found = incidents.get(rows, name)
    if found is None:
        raise ProblemError(404, f"There is no incident {name}.")
    target = known.ground().directory.get(found.target)
    if target is None:
        raise ProblemError(409, f"{name} is about no target that is known now, so nothing can be planned for it.")
    return rehearse.on_incident(rows, found, target=target, known=known, now=now)


def _on_alert(rows: Rows, name: str, labels: str, book: Runbook, known: Known, *, now: datetime) -> Occasion:
    told = read_matchers(labels)
    if not told and book.match.kinds:
        told = {"alertname": "rehearsal", "devops_agent_kind": book.match.kinds[0]}
    directory = known.ground().directory
    target = directory.get(name) if name else directory.find(told)[0]
    if target is None:
        says = f"There is no target {name}." if name else "These labels name no target that is known; choose one."
        raise ProblemError(404 if name else 422, says)
    alert = Alert(
        fingerprint=fingerprint(told), status=AlertStatus.FIRING, labels={"target": target.name, **told},
        starts_at=now, source="rehearsal",
    )  # fmt: skip
    return rehearse.on_alert(rows, alert, target=target, known=known, now=now)


def _draft(rows: Rows, name: str) -> Draft:
    found = knowledge.draft(rows, name)
    if found is None:
        raise ProblemError(404, f"There is no draft {name}.")
    return found
