"""What is said over the WebSocket: JSON objects, told apart by `type`; docs/how-to/channels.md has them all.

Anything else is passed over, so that either side may learn new words first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from devops_agent.kit.telling import one_line, plain
from devops_agent.model.fact import to_json

if TYPE_CHECKING:
    from devops_agent.model.notice import Message

_LONGEST_QUESTION = 2_000
_LONGEST_ANSWER = 8_000


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What PAM says."""

    type: str
    id: str = ""
    reason: str = ""
    text: str = ""
    incident: str = ""

    @property
    def question(self) -> str:
        """The words of a question; the incident that it is about stands among them."""
        return one_line(f"{self.text} {self.incident}", most=_LONGEST_QUESTION)


def read(frame: str | bytes) -> Said | None:
    """Return what a frame says; None when it is nothing that this protocol knows."""
    try:
        return msgspec.json.decode(frame, type=Said)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def notification(message: Message) -> str:
    """Return the frame that tells a message, which is harmless already."""
    question = message.question
    said: dict[str, Any] = {
        "type": "notification",
        "id": message.key,
        "kind": message.kind,
        "severity": message.severity.value,
        "title": message.title,
        "text": plain(message),
        "incident": message.thread,
        "target": message.target,
        "next_steps": list(message.next_steps),
        "links": dict(message.links),
        "question": question
        and {
            "approval": question.approval,
            "summary": question.summary,
            "expires_at": question.expires_at.isoformat(),
        },
        "closes": message.closes,
        "at": message.at.isoformat(),
    }
    return to_json(said)


def answer(id_: str, text: str) -> str:
    """Return the frame that answers a question."""
    return to_json({"type": "answer", "id": id_, "text": text[:_LONGEST_ANSWER]})
