"""A message in two text messages at most: what, where, what to do, and the link."""

import unicodedata
from collections.abc import Mapping
from itertools import accumulate, takewhile

from devops_agent.kit.telling import clip
from devops_agent.model.notice import Message

MOST = 306
"""Septets of two joined text messages (3GPP TS 23.040, 9.2.3.24.1: 153 each); more would cost another."""
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet (3GPP TS 23.038, 6.2.1); one character outside of it would double the cost of the whole."""
_EXTENDED = frozenset("^{}\\[~]|€")
"""Those that take two septets."""
_SPELLED: Mapping[str, str] = {
    "…": "...", "–": "-", "—": "-", "\u2018": "'", "’": "'", "“": '"', "”": '"', "·": "-", "•": "*", "×": "x",
    "→": "->", "≥": ">=", "≤": "<=", "`": "'", "µ": "u",
}  # fmt: skip
_TITLE = 110
_STEP = 90
_TARGET = 60


def text(message: Message) -> str:
    """Return what is sent: never more than MOST septets, and the link whole or not at all."""
    question = message.question
    what = f"{'OVER' if message.closes else message.severity.value.upper()} {clip(message.title, _TITLE)}"
    if message.target and message.target not in message.title:
        what += f" ({clip(message.target, _TARGET)})"
    todo = [f"Approve? {question.approval}: {clip(question.summary, _STEP)}"] if question else []
    todo += [f"Do: {clip(step, _STEP)}" for step in message.next_steps[:1] if not question]
    link = _link(message)
    ending = [gsm(one) for one in (*todo, *([link] if link else []))]
    left = MOST - sum(septets(one) + 1 for one in ending)
    opening = fit(gsm(what), left)
    left -= septets(opening) + 1
    saying = message.says or "; ".join(message.lines) or message.body_text.partition("\n")[0]
    middle = fit(gsm(saying), left)
    return "\n".join(one for one in (opening, middle, *ending) if one)


def gsm(value: str) -> str:
    """Return `value` in the default alphabet: what it lacks is spelled, without its accents, or a question mark."""
    return "".join(_letter(character) for character in value)


def septets(value: str) -> int:
    """Return how many septets `value`, in the default alphabet, takes."""
    return len(value) + sum(character in _EXTENDED for character in value)


def fit(value: str, most: int) -> str:
    """Return as much of `value` as fits into `most` septets; cut, it ends in three dots. Too little room: nothing."""
    if septets(value) <= most:
        return value
    if most < len("......"):
        return ""
    taken = takewhile(lambda one: one <= most - 3, accumulate(map(septets, value)))
    return value[: sum(1 for _ in taken)].rstrip() + "..."


def _link(message: Message) -> str:
    link = message.links.get("approve") if message.question else ""
    link = link or message.links.get("incident") or message.links.get("incidents") or ""
    spelled = all(character in _BASIC or character in _EXTENDED for character in link)
    return link if spelled and septets(link) <= MOST // 2 else ""


def _letter(character: str) -> str:
    if character in _BASIC or character in _EXTENDED:
        return character
    if character in _SPELLED:
        return _SPELLED[character]
    plain = "".join(one for one in unicodedata.normalize("NFKD", character) if not unicodedata.combining(one))
    return plain if plain and all(one in _BASIC or one in _EXTENDED for one in plain) else "?"
