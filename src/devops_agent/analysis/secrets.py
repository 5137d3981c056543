"""What must not leave the machine: where in a text secrets, mail addresses, card numbers and addresses stand."""

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple


class Hidden(StrEnum):
    """What is hidden, in the word that stands in its place."""

    SECRET = "SECRET"  # noqa: S105 — a word, no password
    CARD = "CARD"
    MAIL = "MAIL"
    ADDRESS = "ADDRESS"


class Found(NamedTuple):
    """A part of a text that is to be hidden."""

    begin: int
    end: int
    kind: Hidden


_WORD = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token(?!s|iz|_(?:count|limit|type|usage))|api[_.-]?key|access[_.-]?key"
    r"|account[_.-]?key|private[_.-]?key|encryption[_.-]?key|signing[_.-]?key|client[_.-]?secret|credentials?"
    r"|auth(?:orization)?(?!or)|session[_.-]?(?:id|key)|jsessionid|signature|connection[_.-]?string|dsn)"
)
"""Words in the names of settings, fields and flags whose values are secret."""
_VALUE = (
    r"(?:\"(?P<double>(?:[^\"\\]|\\.)*+)(?:\"|\\?$)|'(?P<single>(?:[^'\\]|\\.)*+)(?:'|\\?$)"
    r"|\\+\"(?P<escaped>.*?)(?:\\+\"|$)|(?P<bare>[^\s\"'\\]\S*))"
)

_SECRETS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern)
    for pattern in (
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z)",
        # URLs: a password, or a token in a user's place.
        r"://[^\s/:@\"']{0,200}:(?P<value>[^\s/\"']{1,400})@",
        r"://(?P<value>[^\s/:@\"']{8,400})@",
        # Keys that are known by their form; shorter than they are issued, for a line may have been cut.
        r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{8,}",
        r"\bAIza[\w-]{8,}|\bya29\.[\w-]{16,}|\bGOCSPX-[\w-]{20,}",
        r"\bgh[pousr]_[A-Za-z0-9]{8,}|\bgithub_pat_\w{8,}|\bglpat-[\w-]{8,}",
        r"\bxox[a-z]-[\w-]{8,}|\bxapp-[\w-]{8,}|hooks\.slack\.com/services/(?P<value>[\w/]{8,})",
        r"\bsk-[\w-]{12,}|\b[rsp]k_(?:live|test)_\w{8,}|\bwhsec_\w{16,}",
        r"\bSG\.[\w-]{12,}\.[\w-]{12,}|\bSK[0-9a-f]{32}\b|\bnpm_\w{30,}|\bpypi-\w{16,}|\bdop_v1_\w{32,}|\bhf_\w{20,}",
        r"\bhvs\.[\w-]{20,}|\bdckr_pat_[\w-]{16,}|\b\d{8,10}:AA[\w-]{30,}|\bAGE-SECRET-KEY-1\w{20,}",
        r"\beyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?",
        # Headers.
        r"(?i)\b(?:bearer|basic|digest|negotiate)\s+(?P<value>[\w.~+/=-]{6,})",
        r"(?i)\b(?:set-)?cookie\\*[\"']?\s*[:=]\s*(?P<value>[^\r\n]{4,})",
        r"(?i)\bauthorization\\*[\"']?\s*[:=]\s*(?P<value>[^\r\n\"']{4,})",
        # name=value, "name": "value", name: value, --name value, name%3Dvalue; names may go on after the word.
        rf"(?i){_WORD}[\w.-]{{0,30}}\\*[\"']?\s{{0,4}}(?:[:=]|%3[AD])>?\s{{0,4}}{_VALUE}",
        rf"(?i)(?<!\S)--?[\w-]{{0,30}}{_WORD}[\w-]{{0,30}}\s+{_VALUE}",
        r"(?i)\b(?:mysql|mysqldump|mysqladmin)\b[^\n]{0,200}?\s-p(?P<value>[^\s-]\S*)",
    )
)
_SPOKEN = re.compile(
    rf"(?i)(?:{_WORD}|\bkey|\bpin)s?\W{{1,4}}(?:(?:is|was|to|of|for)\W{{1,3}})?(?P<value>[\w.~+/=-]{{8,}})"
)
"""`using key 8f3k…`: what follows a secret's word is one when it looks random."""
_RUN = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
_MAIL = re.compile(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z][\w-]{1,62}")
_CARD = re.compile(r"(?<![\d.])[2-6]\d{3}(?:[ -]?\d{2,6}){2,4}(?![\d.])")
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:]))"
)

_NO_SECRETS = frozenset(
    word
    for line in (
        "true false null none nil yes no ok error failed failure expired invalid missing required rejected denied",
        "incorrect wrong empty unset unknown disabled enabled refresh is was not the for",
    )
    for word in line.split()
)
"""Words that logs put after `password:` and the like."""
_CARD_DIGITS = range(13, 20)
_SHORT_GROUP = 2
_RANDOM_BITS, _SPOKEN_BITS = 4.3, 2.8
"""Bits for each character (Shannon) from which a run is taken for random: English has about 4, base64 over 4.5."""


def find(text: str) -> list[Found]:
    """Return the parts of a text that are to be hidden, in order, none overlapping another.

    It would rather hide a word too many than one too few: where two finds overlap, all of both is hidden.
    """
    merged: list[Found] = []
    for found in sorted(_all(text)):
        if merged and found.begin < merged[-1].end:
            last = merged.pop()
            kind = last.kind if Hidden.SECRET not in (last.kind, found.kind) else Hidden.SECRET
            merged.append(Found(last.begin, max(last.end, found.end), kind))
        else:
            merged.append(found)
    return merged


def secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret, whatever its value looks like."""
    return re.search(rf"(?i){_WORD}|cookie", name) is not None


def _all(text: str) -> Iterator[Found]:
    yield from _by_form(text)
    yield from _by_randomness(text)
    for kind, pattern, holds in _CHECKED:
        for match in pattern.finditer(text):
            if holds(match[0]):
                yield Found(*match.span(), kind)


def _by_form(text: str) -> Iterator[Found]:
    for pattern in _SECRETS:
        for match in pattern.finditer(text):
            begin, end = _value(match)
            if end > begin and text[begin:end].strip(" .,;:<>*'\"").lower() not in _NO_SECRETS:
                yield Found(begin, end, Hidden.SECRET)


def _by_randomness(text: str) -> Iterator[Found]:
    for match in _SPOKEN.finditer(text):
        if _mixed(match["value"]) and _bits(match["value"]) >= _SPOKEN_BITS:
            yield Found(*match.span("value"), Hidden.SECRET)
    for match in _RUN.finditer(text):
        if _mixed(match[0]) and _in_both_cases(match[0]) and _bits(match[0]) >= _RANDOM_BITS:
            yield Found(*match.span(), Hidden.SECRET)


def _value(match: re.Match[str]) -> tuple[int, int]:
    """Return where in a match the secret itself stands: its named group, else all of it."""
    if match.lastgroup is None:
        return match.span()
    return match.span(match.lastgroup)


def _mixed(run: str) -> bool:
    return any(char.isdigit() for char in run) and any(char.isalpha() for char in run)


def _in_both_cases(run: str) -> bool:
    """Whether it is no digest of an image or a commit, no path and no pod's name: those are in small letters."""
    return run != run.lower() and run != run.upper()


def _bits(run: str) -> float:
    """Return Shannon's entropy of a run's characters, in bits each."""
    return -sum(count / len(run) * math.log2(count / len(run)) for count in Counter(run).values())


def _is_card(run: str) -> bool:
    """Whether the digits are those of a payment card: right in number, and Luhn's check (ISO/IEC 7812-1) holds."""
    digits = [int(char) for char in run if char.isdigit()]
    if len(digits) not in _CARD_DIGITS:
        return False
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _names_a_machine(run: str) -> bool:
    """Whether it is an address of another machine, and no time of day or `name::name` of a program."""
    if ":" in run and not (any(char.isdigit() for char in run) and max(map(len, run.split(":"))) > _SHORT_GROUP):
        return False
    try:
        address = ipaddress.ip_address(run)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


_CHECKED: tuple[tuple[Hidden, re.Pattern[str], Callable[[str], bool]], ...] = (
    (Hidden.MAIL, _MAIL, bool),
    (Hidden.CARD, _CARD, _is_card),
    (Hidden.ADDRESS, _ADDRESS, _names_a_machine),
)
