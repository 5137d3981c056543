"""A message as Slack's blocks (Block Kit).

Everything that others wrote stands in `plain_text`, where Slack reads no markup, and is escaped besides: `<!channel>`
calls nobody, and no label becomes a link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devops_agent.kit.blocks import ACKNOWLEDGE, ANSWERS, MUTE, OPEN, answers, button, escape, plain
from devops_agent.kit.telling import asks, label, link_word
from devops_agent.model.alert import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devops_agent.model.notice import Message

_HEADER = 150
_SECTION = 3_000
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


def _blocks(message: Message, *, buttons: bool) -> Iterator[dict[str, Any]]:
    yield {"type": "header", "text": plain(f"{_sign(message)} {message.title}", most=_HEADER)}
    about = " · ".join(one for one in (label(message), message.target, f"{message.at:%Y-%m-%d %H:%M} UTC") if one)
    yield {"type": "context", "elements": [plain(about, most=_SECTION)]}
    if message.says or message.body_text:
        yield {"type": "section", "text": plain(message.says or message.body_text, most=_SECTION)}
    if message.lines:
        yield {"type": "section", "text": plain("\n".join(f"• {line}" for line in message.lines), most=_SECTION)}
    if message.facts:
        fields = [plain(f"{name}: {value}", most=_VALUE) for name, value in list(message.facts.items())[:_FIELDS]]
        yield {"type": "section", "fields": fields}
    if message.next_steps:
        steps = "\n".join(f"• {step}" for step in message.next_steps)
        yield {"type": "section", "text": plain(f"What to do:\n{steps}", most=_SECTION)}
    if message.question:
        asked = f"{asks(message.question)}\n{message.question.summary}"
        yield {"type": "section", "text": plain(asked, most=_SECTION)}
    if buttons and message.question:
        yield {"type": "actions", "block_id": ANSWERS, "elements": answers(message.question)}
    if elements := [*(_holds(message) if buttons else ()), *_links(message.links, buttons=buttons)]:
        yield {"type": "actions", "block_id": "more", "elements": elements[:25]}


def _holds(message: Message) -> list[dict[str, Any]]:
    if not message.thread or message.closes:
        return []
    about = {"incident": message.thread}
    return [button(ACKNOWLEDGE, "Acknowledge", about), button(MUTE, "Mute 1 h", {**about, "minutes": _HOUR})]


def _links(links: Mapping[str, str], *, buttons: bool) -> Iterator[dict[str, Any]]:
    for name, url in links.items():
        if not (buttons and name in {ACKNOWLEDGE, MUTE}):  # these have buttons of their own
            yield {"type": "button", "action_id": f"{OPEN}{name}", "text": plain(link_word(name), most=75), "url": url}


def _sign(message: Message) -> str:
    return _OVER if message.closes else _SIGNS[message.severity]
