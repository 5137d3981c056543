"""What every channel says of a message, and what none of them passes on.

Titles, labels and lines of logs come from whoever can make a service fail: `harmless` takes out of them what could
change how a text is shown, and each channel then escapes what has a meaning in its own form.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from devops_agent.model.notice import Message, Question

_TITLE = 200
_SAYS = 2_000
_LINE = 300
_STEPS = 10
_LINES = 50
_FACTS = 10
_LINK = 2_000
_SPACE = re.compile(r"\s+")
_WEB = re.compile(r"https?://[A-Za-z0-9.\-_~:/?#\[\]@!$&'()*+,;=%]+")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Categories of characters without a shape: controls, changes of direction, halves of pairs, private ones."""
_JOINER = "\u200d"
"""Holds the parts of one sign together."""

LINK_WORDS: Mapping[str, str] = {
    "approve": "Approve or deny",
    "incident": "Open the incident",
    "incidents": "Open the incidents",
    "acknowledge": "Acknowledge",
    "mute": "Mute",
    "silence": "Silence",
    "runbook": "Open the runbook",
    "query": "Show the query",
}
"""Name of a link → what it is called where people follow it, in this order; others are called by their name."""
KIND_WORDS: Mapping[str, str] = {
    "escalated": "needs a person",
    "approval": "asks for approval",
    "found": "more is known",
    "climbed": "nobody has answered yet",
    "reminder": "still waits for a person",
    "handed_over": "handed over",
    "acknowledged": "somebody has taken it",
    "unmuted": "no longer muted",
    "acted": "acted",
    "healed": "healed",
    "resolved": "over",
    "storm": "many at once",
    "group": "several of one cause",
    "digest": "digest",
    "frozen": "nothing is repaired automatically",
    "thawed": "automatic repair goes on",
    "calendar": "the calendar of duties",
    "undeliverable": "a channel does not work",
    "report": "report",
    "slo": "service level",
}
"""Kind of a notice → the few words in which it is put."""


def harmless(message: Message) -> Message:
    """Return the message with every text bounded and free of controls, and with links that lead to a web page only."""
    return message.with_(
        title=one_line(message.title, most=_TITLE),
        says=paragraphs(message.says, most=_SAYS),
        target=one_line(message.target, most=_TITLE),
        next_steps=tuple(one_line(step, most=_LINE) for step in message.next_steps[:_STEPS]),
        links={one_line(name, most=40): url for name, url in _in_order(message.links) if is_link(url)},
        facts={
            one_line(name, most=40): one_line(value, most=_LINE) for name, value in list(message.facts.items())[:_FACTS]
        },
        lines=_bounded_lines(message.lines),
        question=_harmless_question(message.question),
        body_text=paragraphs(message.body_text, most=0),
        body_html=visible(message.body_html),
    )


def one_line(text: str, *, most: int) -> str:
    """Return `text` in one line, without characters that have no shape, and at most `most` characters of it."""
    return clip(_SPACE.sub(" ", visible(text)).strip(), most)


def paragraphs(text: str, *, most: int) -> str:
    """Return `text` with its lines kept, without characters that have no shape; `most` 0: all of it."""
    lines = [line.rstrip() for line in visible(text).split("\n")]
    return clip("\n".join(lines).strip(), most)


def visible(text: str) -> str:
    """Leave out every character without a shape but the end of a line, and make each kind of space a plain one."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(text.replace("\r\n", "\n").replace("\r", "\n")))


def clip(text: str, most: int) -> str:
    """Return at most `most` characters of `text`; what is left out is marked. `most` 0: everything."""
    return text if not most or len(text) <= most else text[: most - 1].rstrip() + "…"


def is_link(url: str) -> bool:
    """Whether `url` leads to a web page and holds nothing that could end a link early."""
    return len(url) <= _LINK and _WEB.fullmatch(url) is not None


def label(message: Message) -> str:
    """Return what it is about in a few words: `critical · needs a person`."""
    kind = KIND_WORDS.get(message.kind, one_line(message.kind, most=40))
    return kind if message.closes else f"{message.severity.value} · {kind}"


def link_word(name: str) -> str:
    """Return what a link is called."""
    return LINK_WORDS.get(name, name)


def plain(message: Message) -> str:
    """Return the whole message but its title as plain text; a report is its own text."""
    if message.body_text:
        return message.body_text
    return "\n\n".join(_parts(message))


def _parts(message: Message) -> Iterator[str]:
    if message.says:
        yield message.says
    if message.lines:
        yield "\n".join(f"- {line}" for line in message.lines)
    if message.facts:
        yield "\n".join(f"{name}: {value}" for name, value in message.facts.items())
    if message.next_steps:
        yield "What to do:\n" + "\n".join(f"- {step}" for step in message.next_steps)
    if message.question:
        yield f"{asks(message.question)}\n{message.question.summary}"
    if message.links:
        yield "\n".join(f"{link_word(name)}: {url}" for name, url in message.links.items())


def asks(question: Question) -> str:
    """Return what is asked, and until when."""
    return f"{question.approval} waits for a yes or no until {question.expires_at:%Y-%m-%d %H:%M} UTC:"


def _in_order(links: Mapping[str, str]) -> list[tuple[str, str]]:
    places = {name: place for place, name in enumerate(LINK_WORDS)}
    return sorted(links.items(), key=lambda link: places.get(link[0], len(places)))


def _harmless_question(question: Question | None) -> Question | None:
    return question and question.with_(summary=one_line(question.summary, most=_LINE))


def _bounded_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    kept = tuple(one_line(line, most=_LINE) for line in lines[:_LINES])
    return (*kept, f"… and {len(lines) - _LINES} more") if len(lines) > _LINES else kept


def _visible(text: str) -> Iterator[str]:
    for character in text:
        category = unicodedata.category(character)
        if character == "\n" or category in {"Zl", "Zp"}:
            yield "\n"
        elif category == "Zs" or character == "\t":
            yield " "
        elif category not in _UNSEEN or character == _JOINER:
            yield character
