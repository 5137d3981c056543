"""What leaves in an answer: secrets hidden, texts and lists cut to a size that a model's context can hold; pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from devops_agent.analysis.quarantine import clean, cut
from devops_agent.analysis.secrets import Hidden, find, secret_name

TEXT = 1_000
"""Characters of one text."""
ITEMS = 60
"""Items of a list, and members of an object, inside one thing."""
ROOM = 24_000
"""Characters of one list of things, as JSON: some 6,000 tokens."""
_DEPTH = 8
_READ_AT_MOST = 20_000
"""Characters that are searched for secrets before a text is cut: a secret on the cut's edge is then hidden whole."""
_HIDDEN = frozenset({Hidden.SECRET, Hidden.CARD})
"""Addresses stay: whoever asks looks after these machines, and has to know which."""


def presentable(value: Any, *, depth: int = 0) -> Any:  # noqa: ANN401 — JSON may be of any shape
    """Return a JSON value with secrets hidden, nothing that deceives the eye, and no text or list without end."""
    if isinstance(value, str):
        return mask(value)
    if depth >= _DEPTH and isinstance(value, list | dict):
        return type(value)()
    if isinstance(value, Mapping):
        members = list(value.items())[:ITEMS]
        return {mask(name): _member(name, inner, depth=depth + 1) for name, inner in members}
    if isinstance(value, list):
        return [presentable(inner, depth=depth + 1) for inner in thinned(value)]
    return value


def mask(text: str, *, limit: int = TEXT) -> str:
    """Return a text without the secrets in it, cut to `limit` characters."""
    cleaned = clean(text[:_READ_AT_MOST])
    parts: list[str] = []
    begin = 0
    for found in find(cleaned):
        if found.kind in _HIDDEN:
            parts += cleaned[begin : found.begin], f"‹{found.kind}›"
            begin = found.end
    return cut("".join((*parts, cleaned[begin:])), limit=limit)


def thinned(items: Sequence[Any], *, most: int = ITEMS) -> list[Any]:
    """Return at most so many items: of the points of a plot some over the whole of it, of anything else the first."""
    if len(items) <= most:
        return list(items)
    if all(isinstance(one, list) for one in items):
        return [items[place * (len(items) - 1) // (most - 1)] for place in range(most)]
    return list(items[:most])


def fitting(items: Sequence[Any], *, room: int = ROOM) -> list[Any]:
    """Return the first items that together take no more than `room` characters as JSON, made presentable.

    The first one is always among them, for else nobody could page on.
    """
    kept: list[Any] = []
    for item in items:
        shown = presentable(item)
        room -= len(json.dumps(shown, ensure_ascii=False))
        if room < 0 and kept:
            break
        kept.append(shown)
    return kept


def _member(name: str, value: Any, *, depth: int) -> Any:  # noqa: ANN401 — JSON may be of any shape
    if isinstance(value, str) and value and secret_name(name):
        return f"‹{Hidden.SECRET}›"
    return presentable(value, depth=depth)
