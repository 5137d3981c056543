"""A message as Slack's blocks (Block Kit).

Everything that others wrote stands in `plain_text`, where Slack reads no markup, and is escaped besides: `<!channel>`
calls nobody, and no label becomes a link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devops_agent.kit.telling import asks, clip, label, link_word
from devops_agent.model.alert import Severity
from devops_agent.model.fact import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devops_agent.model.notice import Message, Question

_HEADER = 150
_SECTION = 3_000
_CONFIRM = 300
_FIELDS = 10
_VALUE = 2_000
_TEXT = 3_000
_SIGNS = {Severity.CRITICAL: "🔴", Severity.WARNING: "🟠", Severity.INFO: "🔵", Severity.NONE: "⚪"}
_OVER = "✅"
_HOUR = 60


def text(message: Message) -> str:
    """Return what notifications and old programs show: sign, title and what it says."""
    return escape(f"{_sign(message)} {label(message)}: {message.title}\n{message.says}".strip(), most=_TEXT)


def blocks(message: Message, *, buttons: bool) -> list[dict[str, Any]]:
    """Return the blocks of a message that is harmless already.

    Args:
        message: what is told.
        buttons: whether clicks would be understood; links are there in any case.

    """
    return list(_blocks(message, buttons=buttons))


def escape(value: str, *, most: int) -> str:
    """Escape the three characters with which Slack's markup begins, and bound what comes of it."""
    room = clip(value, most)
    while len(escaped := room.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")) > most:
        room = clip(room, len(room) - (len(escaped) - most + 4) // 5 - 1)
    return escaped


def _blocks(message: Message, *, buttons: bool) -> Iterator[dict[str, Any]]:
    yield {"type": "header", "text": _plain(f"{_sign(message)} {message.title}", most=_HEADER)}
    about = " · ".join(one for one in (label(message), message.target, f"{message.at:%Y-%m-%d %H:%M} UTC") if one)
    yield {"type": "context", "elements": [_plain(about, most=_SECTION)]}
    if message.says or message.body_text:
        yield {"type": "section", "text": _plain(message.says or message.body_text, most=_SECTION)}
    if message.lines:
        yield {"type": "section", "text": _plain("\n".join(f"• {line}" for line in message.lines), most=_SECTION)}
    if message.facts:
        fields = [_plain(f"{name}: {value}", most=_VALUE) for name, value in list(message.facts.items())[:_FIELDS]]
        yield {"type": "section", "fields": fields}
    if message.next_steps:
        steps = "\n".join(f"• {step}" for step in message.next_steps)
        yield {"type": "section", "text": _plain(f"What to do:\n{steps}", most=_SECTION)}
    if message.question:
        asked = f"{asks(message.question)}\n{message.question.summary}"
        yield {"type": "section", "text": _plain(asked, most=_SECTION)}
    if buttons and message.question:
        yield {"type": "actions", "block_id": "answer", "elements": list(_answers(message.question))}
    if elements := [*(_holds(message) if buttons else ()), *_links(message.links)]:
        yield {"type": "actions", "block_id": "more", "elements": elements[:25]}


def _answers(question: Question) -> Iterator[dict[str, Any]]:
    value = to_json({"approval": question.approval, "digest": question.digest})
    for action, word, style, about in (
        ("approve", "Approve", "primary", "It is carried out at once."),
        ("deny", "Deny", "danger", "Nothing is done; a person has to look after it."),
    ):
        yield {
            "type": "button",
            "action_id": action,
            "text": _plain(word, most=75),
            "style": style,
            "value": value,
            "confirm": {
                "title": _plain(f"{word} {question.approval}?", most=100),
                "text": _plain(f"{clip(question.summary, 200)} — {about}", most=_CONFIRM),
                "confirm": _plain(word, most=30),
                "deny": _plain("Not now", most=30),
            },
        }


def _holds(message: Message) -> Iterator[dict[str, Any]]:
    if not message.thread or message.closes:
        return
    value = {"incident": message.thread}
    for action, word, extra in (("acknowledge", "Acknowledge", {}), ("mute", "Mute 1 h", {"minutes": _HOUR})):
        yield {
            "type": "button",
            "action_id": action,
            "text": _plain(word, most=75),
            "value": to_json({**value, **extra}),
        }


def _links(links: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name, url in links.items():
        if name not in {"acknowledge", "mute"}:
            yield {"type": "button", "action_id": f"open-{name}", "text": _plain(link_word(name), most=75), "url": url}


def _plain(value: str, *, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": escape(value, most=most) or "–", "emoji": False}


def _sign(message: Message) -> str:
    return _OVER if message.closes else _SIGNS[message.severity]
