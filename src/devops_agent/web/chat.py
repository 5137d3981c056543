"""Clicks and commands from Slack: known by Slack's signature, and done as the account of whoever clicked.

`users` of a channel's options says which account a Slack user has; its role decides as on the page. A click on a plan
carries the plan's digest, so that nobody approves another plan than the one that they saw.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Request, Response

from devops_agent.engine import commands, escalation
from devops_agent.engine.commands import RefusedError
from devops_agent.engine.lifecycle import IllegalMoveError
from devops_agent.kit.blocks import ACKNOWLEDGE, APPROVE, DENY, MUTE, OPEN, escape
from devops_agent.model.account import includes
from devops_agent.model.decision import Answer
from devops_agent.store import accounts, events
from devops_agent.store.rows import StoreError
from devops_agent.web.api.incidents import check_digest
from devops_agent.web.asking import DeskOf, as_problem
from devops_agent.web.auth import address_of
from devops_agent.web.chatting import asked_for, overview, standing
from devops_agent.web.problem import ProblemError
from devops_agent.web.signed import App, Signatures

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk
    from devops_agent.web.replies import Replies

T = TypeVar("T")

log = logging.getLogger("devops_agent.web")

router = APIRouter(include_in_schema=False, default_response_class=Response)

PATH = "/hooks/slack"
_TOPICS = tuple(dict.fromkeys((*commands.TOPICS, *escalation.TOPICS)))
_MUTE_MOST = 24 * 60
_LONGEST = 3_000
_ANSWERS = {APPROVE: Answer.APPROVED, DENY: Answer.DENIED}
_HELP = "I know `status`, `incidents` and `approve APR-4`."


class _Value(msgspec.Struct):
    """What a button of ours carries."""

    approval: str = ""
    digest: str = ""
    incident: str = ""
    minutes: int = 60


class _Action(msgspec.Struct):
    action_id: str
    value: str = ""


class _User(msgspec.Struct):
    id: str


class _Click(msgspec.Struct):
    """The part of an interaction's payload that counts (Slack: `block_actions`)."""

    type: str
    user: _User
    actions: list[_Action] = []
    response_url: str = ""
    message: dict[str, Any] = {}


class _RefusedError(Exception):
    """Somebody may not do it; says why, to them alone."""


@router.post(PATH)
async def hear(request: Request, desk: DeskOf) -> Response:
    """Take a click or a command.

    Raises:
        ProblemError: 401 not signed by Slack, or signed too long ago, or heard before; 404 no channel has buttons; 422
            it is no click and no command; 429 too many wrong signatures from this address.

    """
    signatures: Signatures = request.app.state.signatures
    body = await request.body()
    app = signatures.admit(request.headers, body, address=address_of(request))
    try:
        form = {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=50).items()}
    except ValueError as error:
        raise ProblemError(422, f"cannot read the form: {error}") from error
    if "payload" in form:
        return await _clicked(request, desk, app, form["payload"])
    if "command" in form:
        return await _commanded(desk, app, form)
    if "ssl_check" in form:
        return Response()
    raise ProblemError(422, "this is neither a click nor a command")


async def _clicked(request: Request, desk: Desk, app: App, payload: str) -> Response:
    """Do what a button says; what came of it is told where it was clicked."""
    try:
        click = msgspec.json.decode(payload, type=_Click)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProblemError(422, f"cannot read the click: {error}") from error
    replies: Replies = request.app.state.replies
    for action in click.actions if click.type == "block_actions" else ():
        if action.action_id.startswith(OPEN):
            continue
        try:
            says = await _do(request, desk, app, click.user.id, action)
        except _RefusedError as error:
            replies.whisper(app, click.response_url, str(error))
        else:
            replies.show(app, click.response_url, says, below=click.message, without=action.action_id)
    return Response()


async def _do(request: Request, desk: Desk, app: App, user: str, action: _Action) -> str:
    """Return what was done, in a sentence.

    Raises:
        _RefusedError: it was not.

    """
    try:
        value = msgspec.json.decode(action.value, type=_Value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _RefusedError("This button is not one of mine.") from error
    now = desk.parts.clock.now()
    notify = desk.parts.settings().notify

    def work(rows: Rows) -> str:
        name = _account(rows, app, user, scope="operate")
        by = f"slack:{name}"
        with events.asked_from(f"{address_of(request)} (Slack {user})"):
            if action.action_id in _ANSWERS:
                return _answer(rows, value, _ANSWERS[action.action_id], by=by, name=name, now=now)
            if action.action_id == ACKNOWLEDGE:
                escalation.acknowledge(rows, value.incident, by=by, comment="in Slack", now=now)
                return f"{name} has taken {value.incident}."
            if action.action_id == MUTE:
                until = now + timedelta(minutes=min(max(value.minutes, 1), _MUTE_MOST))
                escalation.mute(rows, incident=value.incident, by=by, until=until, notify=notify, now=now)
                return f"{name} muted {value.incident} until {until:%H:%M} UTC."
        raise _RefusedError("I do not know this button.")

    return await _counted(desk, user, lambda: desk.parts.store.write(work, tell=_TOPICS))


def _answer(rows: Rows, value: _Value, given: Answer, *, by: str, name: str, now: datetime) -> str:
    check_digest(rows, value.approval, value.digest)
    commands.answer(rows, value.approval, given, by=by, comment="in Slack", now=now)
    return f"{name} {given.value} {value.approval}."


async def _commanded(desk: Desk, app: App, form: dict[str, str]) -> Response:
    """Answer `/devops-agent …`, to whoever asked alone."""
    word, _, rest = form.get("text", "").strip().partition(" ")
    user = form.get("user_id", "")
    now = desk.parts.clock.now()

    def work(rows: Rows) -> dict[str, Any]:
        _account(rows, app, user, scope="operate" if word == "approve" else "read")
        match word:
            case "status" | "":
                return {"text": escape(overview(rows, now=now), most=_LONGEST)}
            case "incidents":
                return {"text": escape(standing(rows), most=_LONGEST)}
            case "approve":
                return asked_for(rows, rest.strip().upper(), now=now)
            case _:
                return {"text": _HELP}

    try:
        said = await _counted(desk, user, lambda: desk.read(work))
    except _RefusedError as error:
        said = {"text": escape(str(error), most=_LONGEST)}
    content = msgspec.json.encode({"response_type": "ephemeral", **said})
    return Response(content, media_type="application/json")


async def _counted(desk: Desk, user: str, work: Callable[[], Awaitable[T]]) -> T:
    """Do it for a user who does not ask too often, and tell every refusal as one that they can read."""
    try:
        desk.count(f"slack:{user}")
        return await work()
    except (ProblemError, RefusedError, IllegalMoveError, StoreError) as error:
        problem = as_problem(error)
        says = problem.detail if problem else str(error)
        log.info("not done for Slack", extra={"user": user, "why": says})
        raise _RefusedError(says) from error


def _account(rows: Rows, app: App, user: str, *, scope: str) -> str:
    """Return the account of a Slack user, if it may do what `scope` names.

    Raises:
        _RefusedError: they have none, or it may not.

    """
    name = app.users.get(user)
    if name is None:
        way_out = f"add `{user}: NAME` to `users` of this channel in agent.yaml"
        raise _RefusedError(f"I do not know who you are here; an administrator has to {way_out}.")
    account = accounts.get(rows, name)
    if account is None or account.disabled:
        raise _RefusedError(f"There is no account {name} that may sign in; an administrator has to make it.")
    if not includes(account.role.scope, scope):
        raise _RefusedError(f"{name} is {account.role.value}; this takes an operator.")
    return account.name
