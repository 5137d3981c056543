"""Words of alerts and runbooks: names taken apart, endings taken off."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 200_000
"""Characters of one text that are read."""

_LINK = re.compile(r"https?://\S+")
_WORD = re.compile(r"[^\W_]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+")
_ENDINGS = (
    *(("ies", "y"), ("sses", "ss"), ("ings", ""), ("ing", ""), ("edly", "")),
    *(("ed", ""), ("ly", ""), ("es", "e"), ("s", "")),
)
_NO_PLURAL = ("ss", "us", "is")
_SHORT = 4  # letters of a word that has no ending to take off
_STEM = 3  # letters that have to be left

_COMMON = """
a an the and or of to in on at by for from with is are was were be been being it its this that these those as has
have had will would can could may might must should do does did than then most when which who whom what where how
why if so such there their they you your we our i but into about during between also only just
"""

COMMON = frozenset(_COMMON.split())
"""Words that say nothing about what a text is about; "no", "not", "without", "over" and "under" do."""


def parts(name: str) -> list[str]:
    """Return the words that a name is made of: `KubeAPIDown` → Kube, API, Down; `node_load1` → node, load, 1."""
    return _PART.findall(name)


def words(text: str) -> Iterator[str]:
    """Yield the words of a text in lower case, compound names as their parts; links and bare numbers are left out."""
    for found in _WORD.finditer(_LINK.sub(" ", text[:LONGEST])):
        for part in parts(found.group()):
            if not part.isdigit():
                yield part.lower()


def stems(text: str) -> list[str]:
    """Return what words mean, in their order: endings taken off, common words left out."""
    return [stem(word) for word in words(text) if word not in COMMON]


def stem(word: str) -> str:
    """Take the ending of an English word off, roughly: failing, failed, fails → fail (a light form of Porter's)."""
    if len(word) <= _SHORT:
        return word
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM:
            if ending != "s" or not word.endswith(_NO_PLURAL):
                word = word[: -len(ending)] + instead
            break
    if len(word) > _SHORT and word.endswith("e"):
        word = word[:-1]
    if len(word) > _STEM and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word
