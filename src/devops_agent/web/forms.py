"""What people do on the page: each form is a command of the engine, under the name of who posted it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from devops_agent.engine import commands, drafts, escalation
from devops_agent.engine.feedback import Feedback, hear
from devops_agent.model.decision import Answer
from devops_agent.model.knowledge import Standing
from devops_agent.web.api.incidents import check_digest
from devops_agent.web.api.overview import order_restart
from devops_agent.web.asking import DeskOf, Once
from devops_agent.web.bodies import MAX_HOURS
from devops_agent.web.matchers import read_matchers
from devops_agent.web.pages.shell import back
from devops_agent.web.posted import admit_form
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.post("/approvals/{approval}")
async def answer_(request: Request, desk: DeskOf, approval: str) -> Response:
    """Approve or deny a plan."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        given = {"approved": Answer.APPROVED, "denied": Answer.DENIED}.get(form.get("answer", ""))
        if given is None:
            raise ProblemError(422, "Approve or deny?")
        check_digest(rows, approval, form.get("digest", ""))
        commands.answer(rows, approval, given, by=by, comment=form.get("comment", ""), now=now)

    return await _do(request, desk, work)


@router.post("/incidents/{incident}/guide")
async def guide(request: Request, desk: DeskOf, incident: str) -> Response:
    """Choose a runbook."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        runbook = form.get("runbook", "")
        if runbook not in {one.name for one in desk.parts.runbooks()}:
            raise ProblemError(404, f"There is no runbook {runbook}.")
        commands.guide(rows, incident, runbook=runbook, by=by, comment=form.get("comment", ""), now=now)

    return await _do(request, desk, work)


@router.post("/incidents/{incident}/resolve")
async def resolve(request: Request, desk: DeskOf, incident: str) -> Response:
    """Close an incident by hand."""
    now = desk.parts.clock.now()
    return await _do(
        request,
        desk,
        lambda rows, form, by: commands.resolve(rows, incident, by=by, comment=form.get("comment", ""), now=now),
    )


@router.post("/incidents/{incident}/feedback")
async def feedback(request: Request, desk: DeskOf, incident: str) -> Response:
    """Say whether a diagnosis was right, and what the last plan did."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        try:
            said = msgspec.convert({name: form.get(name, "").strip() for name in _FEEDBACK}, Feedback)
        except msgspec.ValidationError as error:
            raise ProblemError(422, f"cannot read what was said: {error}") from error
        hear(rows, incident, said, by=by, now=now)

    return await _do(request, desk, work)


@router.post("/incidents/{incident}/acknowledge")
async def acknowledge(request: Request, desk: DeskOf, incident: str) -> Response:
    """Take an incident: nobody else is called for it."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        escalation.acknowledge(rows, incident, by=by, comment=form.get("comment", ""), now=now)

    return await _do(request, desk, work, topics=escalation.TOPICS)


@router.post("/incidents/{incident}/hand-over")
async def hand_over(request: Request, desk: DeskOf, incident: str) -> Response:
    """Give an incident to one person."""
    now, notify = desk.parts.clock.now(), desk.parts.settings().notify

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        to, comment = form.get("to", ""), form.get("comment", "")
        escalation.hand_over(rows, incident, to=to, by=by, notify=notify, comment=comment, now=now)

    return await _do(request, desk, work, topics=escalation.TOPICS)


@router.post("/incidents/{incident}/mute")
async def mute(request: Request, desk: DeskOf, incident: str) -> Response:
    """Keep one person, or all, from being told of an incident for a while."""
    now, notify = desk.parts.clock.now(), desk.parts.settings().notify

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        until = now + timedelta(hours=_hours(form, most=MAX_HOURS) or 1.0)
        person, comment = form.get("person", ""), form.get("comment", "")
        escalation.mute(
            rows, incident=incident, person=person, by=by, until=until, comment=comment, notify=notify, now=now
        )

    return await _do(request, desk, work, topics=escalation.TOPICS)


@router.post("/mutes/{mute_id}/end")
async def unmute(request: Request, desk: DeskOf, mute_id: str) -> Response:
    """End a mute."""
    now = desk.parts.clock.now()
    return await _do(
        request, desk, lambda rows, _, by: escalation.unmute(rows, mute_id, by=by, now=now), topics=escalation.TOPICS
    )


@router.post("/targets/{target:path}/restart")
async def restart(request: Request, desk: DeskOf, target: str) -> Response:
    """Order a restart, and show what comes of it."""
    now = desk.parts.clock.now()
    return await _do(
        request,
        desk,
        lambda rows, form, by: order_restart(rows, desk, target, reason=form.get("reason", ""), by=by, now=now).id,
        onward="/incidents/{}",
    )


@router.post("/pause")
async def pause(request: Request, desk: DeskOf) -> Response:
    """Pause everything, or one target."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        hours = _hours(form, most=MAX_HOURS)
        reason = form.get("reason", "").strip()
        if not reason:
            raise ProblemError(422, "Say why, for whoever wonders later.")
        ends = now + timedelta(hours=hours) if hours else None
        commands.pause(rows, target=form.get("target", ""), reason=reason, by=by, ends_at=ends, now=now)

    return await _do(request, desk, work)


@router.post("/resume")
async def resume(request: Request, desk: DeskOf) -> Response:
    """End a pause."""
    now = desk.parts.clock.now()
    return await _do(
        request, desk, lambda rows, form, by: commands.resume(rows, target=form.get("target", ""), by=by, now=now)
    )


@router.post("/silences")
async def silence(request: Request, desk: DeskOf) -> Response:
    """Silence alerts."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        hours = _hours(form, most=MAX_HOURS) or 1.0
        commands.silence(
            rows,
            matchers=read_matchers(form.get("matchers", "")),
            by=by,
            comment=form.get("comment", ""),
            now=now,
            ends_at=now + timedelta(hours=hours),
        )

    return await _do(request, desk, work)


@router.post("/silences/{silence_id}/end")
async def end_silence(request: Request, desk: DeskOf, silence_id: str) -> Response:
    """End a silence."""
    now = desk.parts.clock.now()
    return await _do(request, desk, lambda rows, _, by: commands.end_silence(rows, silence_id, by=by, now=now))


@router.post("/drafts/{draft}/reject")
async def reject_draft(request: Request, desk: DeskOf, draft: str) -> Response:
    """Reject a drafted runbook; the same one is not made again."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        drafts.answer(rows, draft, Standing.REJECTED, by=by, comment=form.get("comment", ""), now=now)

    return await _do(request, desk, work)


@router.post("/flags/{flag}")
async def switch(request: Request, desk: DeskOf, flag: str) -> Response:
    """Switch a flag, or leave it to file and environment again."""
    now = desk.parts.clock.now()

    def work(rows: Rows, form: dict[str, str], by: str) -> None:
        value = form.get("value", "")
        if value not in _SWITCHED:
            raise ProblemError(422, "Switch it on, off, or leave it to the configuration?")
        reason = form.get("reason", "").strip()
        if not reason:
            raise ProblemError(422, "Say why, for whoever wonders later.")
        commands.set_flag(rows, flag, value=_SWITCHED[value], by=by, now=now, reason=reason)

    return await _do(request, desk, work, scope="admin")


_FEEDBACK = ("diagnosis", "kind", "component", "outcome", "comment")
_SWITCHED = {"on": True, "off": False, "as configured": None}


async def _do(
    request: Request,
    desk: Desk,
    work: Callable[[Rows, dict[str, str], str], object],
    *,
    onward: str = "",
    scope: str = "operate",
    topics: tuple[str, ...] = commands.TOPICS,
) -> Response:
    """Check who posts, do it, and go back to the page that the form was on (or to `onward`, with what came of it)."""
    viewer, form = await admit_form(request, desk, scope)
    done = await desk.command(lambda rows: work(rows, form, viewer.by), once=Once(viewer.token, request), topics=topics)
    return RedirectResponse(onward.format(done) if onward else back(request), status_code=303)


def _hours(form: dict[str, str], *, most: float) -> float:
    given = form.get("hours", "")
    try:
        hours = float(given) if given else 0.0
    except ValueError as error:
        raise ProblemError(422, f"{given!r} is no number of hours") from error
    if not 0 <= hours <= most:
        raise ProblemError(422, f"write between 0 and {most:g} hours")
    return hours
