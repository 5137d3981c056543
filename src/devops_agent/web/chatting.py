"""What `/devops-agent` answers in Slack: how things stand, and a plan with the buttons that answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devops_agent.kit.blocks import ANSWERS, answers, escape, plain
from devops_agent.kit.telling import asks, one_line
from devops_agent.model.decision import Answer
from devops_agent.model.notice import Question
from devops_agent.store import approvals, controls, incidents

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows

_LISTED = 15
_TITLE = 120
_TEXT = 3_000


def overview(rows: Rows, *, now: datetime) -> str:
    """Return how things stand in a few lines."""
    counts = incidents.count_by_status(rows)
    open_ = sum(number for status, number in counts.items() if status != "resolved")
    waiting = [one.id for one in approvals.pending(rows) if one.expires_at > now]
    paused = [pause.target or "everything" for pause in controls.pauses(rows, now=now)]
    lines = [f"{open_} incidents are open, {counts.get('escalated', 0)} of them need a person."]
    lines += [f"Waiting for a yes or no: {', '.join(waiting[:_LISTED])}."] if waiting else []
    lines += [f"Paused: {', '.join(paused[:_LISTED])}."] if paused else []
    return "\n".join(lines)


def standing(rows: Rows) -> str:
    """Return the open incidents, the newest first."""
    found = incidents.open_ones(rows, limit=_LISTED + 1)
    if not found:
        return "No incident is open."
    lines = [
        f"{one.id} {one.target}: {one_line(one.title, most=_TITLE)} ({one.status.value.replace('_', ' ')})"
        for one in found[:_LISTED]
    ]
    return "\n".join([*lines, *(["… and more"] if len(found) > _LISTED else [])])


def asked_for(rows: Rows, id_: str, *, now: datetime) -> dict[str, Any]:
    """Return a question with its buttons: who approves by id sees the plan first, and answers for that plan."""
    asked = approvals.get(rows, id_)
    if asked is None:
        waiting = ", ".join(one.id for one in approvals.pending(rows)[:_LISTED]) or "none"
        return {"text": escape(f"There is no approval {one_line(id_, most=40)}; waiting: {waiting}.", most=_TEXT)}
    if asked.answer is not Answer.PENDING or asked.expires_at <= now:
        word = asked.answer.value if asked.answer is not Answer.PENDING else "expired"
        return {"text": escape(f"{asked.id} is {word}" + (f" (by {asked.by})." if asked.by else "."), most=_TEXT)}
    question = Question(
        approval=asked.id, digest=asked.digest, summary=one_line(asked.summary, most=300), expires_at=asked.expires_at
    )
    says = f"{asks(question)}\n{question.summary}"
    return {
        "text": escape(says, most=_TEXT),
        "blocks": [
            {"type": "section", "text": plain(says, most=_TEXT)},
            {"type": "actions", "block_id": ANSWERS, "elements": answers(question)},
        ],
    }
