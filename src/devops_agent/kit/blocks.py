"""Slack's blocks (Block Kit) as both sides of a button know them: who posts it, and who takes its clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devops_agent.kit.telling import clip
from devops_agent.model.fact import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.model.notice import Question

APPROVE, DENY, ACKNOWLEDGE, MUTE = "approve", "deny", "acknowledge", "mute"
"""What a click means; a button's `action_id`."""
OPEN = "open-"
"""How the `action_id` of a link begins: its clicks are told, too, and mean nothing."""
ANSWERS = "answer"
"""The block with yes and no."""
HOOKS = "https://hooks.slack.com/"
"""Below it Slack takes what is said to a click."""
_WORD = 75
_VALUE = 2_000
_CONFIRM = 300
_SUMMARY = 200


def answers(question: Question) -> list[dict[str, Any]]:
    """Return the buttons that answer a question; each asks once more, and holds which plan it is about."""
    about = {"approval": question.approval, "digest": question.digest}
    made = []
    for action, word, style, means in (
        (APPROVE, "Approve", "primary", "It is carried out at once."),
        (DENY, "Deny", "danger", "Nothing is done; a person has to look after it."),
    ):
        sure = {
            "title": plain(f"{word} {question.approval}?", most=100),
            "text": plain(f"{clip(question.summary, _SUMMARY)} – {means}", most=_CONFIRM),
            "confirm": plain(word, most=30),
            "deny": plain("Not now", most=30),
        }
        made.append({**button(action, word, about), "style": style, "confirm": sure})
    return made


def button(action: str, word: str, about: Mapping[str, object]) -> dict[str, Any]:
    """Return a button; `about` comes back with its click.

    Raises:
        ValueError: `about` is longer than Slack takes.

    """
    value = to_json(about)
    if len(value) > _VALUE:
        raise ValueError(f"a button's value has {len(value)} characters; Slack takes {_VALUE}")
    return {"type": "button", "action_id": action, "text": plain(word, most=_WORD), "value": value}


def plain(value: str, *, most: int) -> dict[str, Any]:
    """Return a text in which Slack reads no markup; `most` characters of it, escaped."""
    return {"type": "plain_text", "text": escape(value, most=most) or "–", "emoji": False}


def escape(value: str, *, most: int) -> str:
    """Escape the three characters with which Slack's markup begins, and bound what comes of it."""
    room = clip(value, most)
    while (excess := len(escaped := _escaped(room)) - most) > 0:
        room = clip(room, len(room) - excess // len("&amp;") - 1)
    return escaped


def _escaped(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
