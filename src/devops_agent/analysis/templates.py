"""Finds the templates that messages were made from.

First, what is plainly a value is masked: numbers, ids, addresses, times, quoted text. Messages that are then alike are
one. What is left to find are varying words. A position varies when messages that agree everywhere else hold several
words there; where many templates with one beginning remain, the most similar are joined, as Drain does (He, Zhu, Zheng,
Lyu: "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017, which likewise compares only messages of
equal length).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

ANY = "<*>"

_TOKENS = 40
"""Words of a message that a template looks at."""
_LONGEST_TOKEN = 64
"""A longer word is an id, a token or encoded bytes."""
_CACHED = 50_000
_VARIES = 3
"""A position holds a variable when so many words are seen there, the rest of the message being alike …"""
_VARIES_SHORT = 5
"""… and so many in a short message, in which one word says much: `service started`, `service stopped`."""
_SHORT = 5
_VARIES_PATH = 30
"""A path beside an HTTP status is an endpoint of its own, until there are very many."""
_COMPARED = 20_000
"""So many distinct messages are compared position by position; the others only by similarity."""
_CROWDED = 12
"""Templates with one beginning that may stay side by side before the similar ones are joined."""
_FULL = 50
_BEGINNINGS = 400
"""Beginnings for one kind and length; the others share one."""
_ALIKE = 0.6
"""Drain's similarity: the share of positions with the same word."""

_QUOTED = re.compile(r"\"[^\"]*\"|`[^`]{1,300}`|(?<!\w)'[^']{1,300}'(?!\w)")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_PIECE = re.compile(r"[^\W_]+")
_NUMBERED = re.compile(r"([^\W\d]{0,16})\d+[^\W\d]{0,4}")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{6,}")
_IPV6 = re.compile(r"(?<![\w:])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:])")
_MAIL = re.compile(r"[\w.+%-]{1,64}@[\w.-]{1,190}")
_JOINED = re.compile(r"(?:(?<!\w)[+-])?<\*>(?:[.:,+_/@x%-]{1,3}<\*>)*%?")
_KEPT = re.compile(r"HTTP-\d{3}")

Words = tuple[str, ...]


def mask(message: str) -> Words:
    """Return the words of a message with values replaced by `<*>`; at most 40, the last one for all that follow."""
    if '"' in message or "'" in message or "`" in message:
        message = _QUOTED.sub(ANY, message)
    words = message.split(None, _TOKENS)
    if len(words) > _TOKENS:
        words[_TOKENS:] = ["…"]
    return tuple(map(_masked, words))


class _Masked(dict[str, str]):
    """Words to their masked forms: logs repeat themselves, so most words are masked only once."""

    def __missing__(self, word: str) -> str:
        if len(self) >= _CACHED:
            self.clear()
        masked = self[word] = _mask_word(word)
        return masked


def _mask_word(word: str) -> str:
    if _KEPT.fullmatch(word):
        return word
    if len(word) > _LONGEST_TOKEN:
        return ANY
    if "@" in word:
        word = _MAIL.sub(ANY, word)
    if not any(map(str.isdecimal, word)):
        return word
    if "-" in word:
        word = _UUID.sub(ANY, word)
    if ":" in word:
        word = _IPV6.sub(ANY, word)
    masked = _JOINED.sub(ANY, _PIECE.sub(_mask_piece, word))
    if masked.count(ANY) > 1 and "/" not in masked and "=" not in masked:
        # Several values in one word, such as a version, are one.
        opened, closed = len(masked) - len(masked.lstrip("([{")), len(masked.rstrip(")]},;:.!"))
        return f"{masked[:opened]}{ANY}{masked[closed:]}"
    return masked


def _mask_piece(piece: re.Match[str]) -> str:
    text = piece[0]
    if not any(map(str.isdecimal, text)):
        return text
    numbered = None if _HEX.fullmatch(text) else _NUMBERED.fullmatch(text)
    return f"{numbered[1]}{ANY}" if numbered else ANY


def settle(messages: Iterable[tuple[str, Words]]) -> dict[tuple[str, Words], Words]:
    """Return the template of each distinct masked message.

    Messages of different kinds (levels, HTTP statuses) never share a template. The result depends on the order of the
    messages only where similarity decides.
    """
    template = {message: message for message in messages}
    compared = list(template)[:_COMPARED]
    for _ in range(3):
        joined = _join_where_one_word_varies({template[message] for message in compared})
        if not joined:
            break
        for message in compared:
            before = template[message]
            template[message] = joined.get(before, before)
    leaves = _Leaves()
    found = {one: leaves.place(*one) for one in dict.fromkeys(template.values())}
    return {message: found[one].words for message, one in template.items()}


def _join_where_one_word_varies(templates: Iterable[tuple[str, Words]]) -> dict[tuple[str, Words], tuple[str, Words]]:
    joined: dict[tuple[str, Words], tuple[str, Words]] = {}
    by_length: dict[tuple[str, int], list[Words]] = defaultdict(list)
    for kind, words in sorted(templates):
        by_length[kind, len(words)].append(words)
    for (kind, length), group in by_length.items():
        for place in range(length):
            alike: dict[tuple[Words, Words], list[Words]] = defaultdict(list)
            for words in group:
                alike[words[:place], words[place + 1 :]].append(words)
            for (before, after), several in alike.items():
                if len(several) >= _needed(several[0], place):
                    word = _join_words([words[place] for words in several])
                    joined.update(((kind, words), (kind, (*before, word, *after))) for words in several)
    return joined


def _needed(words: Words, place: int) -> int:
    if words[place].startswith("/") and _KEPT.fullmatch(words[-1]):
        return _VARIES_PATH
    return _VARIES_SHORT if len(words) < _SHORT else _VARIES


def _join_words(words: Sequence[str]) -> str:
    """Return what words at one position have in common: the key of `key=value`, else nothing."""
    if len(set(words)) == 1:
        return words[0]
    keys = {word.partition("=")[0] if "=" in word else "" for word in words}
    key = keys.pop()
    return f"{key}={ANY}" if key and not keys else ANY


class _Template:
    __slots__ = ("words",)

    def __init__(self, words: Words) -> None:
        self.words = words


class _Leaves:
    """Templates by kind, length and first word, as in Drain's tree; each leaf is bounded, whatever is thrown at it."""

    def __init__(self) -> None:
        self._leaves: dict[tuple[str, int, str], list[_Template]] = defaultdict(list)
        self._beginnings: dict[tuple[str, int], int] = defaultdict(int)

    def place(self, kind: str, words: Words) -> _Template:
        """Return the template for `words`, widened where it has to be."""
        leaf = self._leaf(kind, words)
        if len(leaf) >= _CROWDED:
            score, nearest = max(((_similarity(one.words, words), one) for one in leaf), key=lambda pair: pair[0])
            if score >= _ALIKE or len(leaf) >= _FULL:
                pairs = zip(nearest.words, words, strict=True)
                nearest.words = tuple(one if one == other else _join_words((one, other)) for one, other in pairs)
                return nearest
        leaf.append(made := _Template(words))
        return made

    def _leaf(self, kind: str, words: Words) -> list[_Template]:
        first = words[0] if words else ""
        key = kind, len(words), first
        if key not in self._leaves:
            if self._beginnings[key[:2]] >= _BEGINNINGS:
                return self._leaves[kind, len(words), ANY]
            self._beginnings[key[:2]] += 1
        return self._leaves[key]


def _similarity(one: Words, other: Words) -> float:
    return sum(map(str.__eq__, one, other)) / len(one) if one else 1.0


_masked = _Masked().__getitem__
