"""Conditions of steps: comparisons joined by `and`, read once into a checked form and decided without `eval`."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from devops_agent.model.evidence import State

Value = str | float | bool

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<operator>==|!=|<=|>=|<|>)
      | (?P<quoted>'[^']*'|"[^"]*")
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_.-]))
      | (?P<word>[A-Za-z_][A-Za-z0-9_./:-]*)
    )""",
    re.VERBOSE,
)
_ORDERING: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_YES_NO = frozenset({"exists", "running", "healthy", "starting", "oom_killed"})
_NUMBERS = frozenset({"exit_code", "restarts", "replicas", "pid"})
_TEXTS = frozenset({"image", "instance", "says"})
STATE_WORDS = tuple(sorted(_YES_NO | _NUMBERS | _TEXTS))
"""What may follow `state.`"""
SUBJECTS = "state.X, readings.X, labels.X, target, via"


class ConditionError(ValueError):
    """A text that is no condition; says what was found and what may stand there."""


class Comparison(NamedTuple):
    """One part of a condition."""

    subject: str
    operator: str
    value: Value

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return f"{self.subject} {self.operator} {str(self.value).lower()}"
        if isinstance(self.value, str):
            quote = '"' if "'" in self.value else "'"
            return f"{self.subject} {self.operator} {quote}{self.value}{quote}"
        return f"{self.subject} {self.operator} {Decimal(repr(self.value)):f}"


def parse_condition(text: str) -> tuple[Comparison, ...]:
    """Read a condition such as `state.running == false and readings.memory_percent > 80`; empty text: no parts.

    A subject alone (`state.oom_killed`) means that it is true.

    Raises:
        ConditionError: the text is of another form, or asks about something that there is not.

    """
    tokens = _tokens(text)
    parts: list[Comparison] = []
    while tokens:
        parts.append(_comparison(tokens))
        if tokens:
            kind, word = tokens.pop(0)
            if (kind, word) != ("word", "and") or not tokens:
                raise ConditionError(f"{word!r} cannot stand here; comparisons are joined by `and`")
    return tuple(parts)


def holds(condition: tuple[Comparison, ...], facts: Mapping[str, object]) -> bool:
    """Return whether every part is true; a part about something that is not known is never true."""
    return all(_true(part, facts.get(part.subject)) for part in condition)


def facts_of(state: State | None, readings: Mapping[str, float]) -> dict[str, object]:
    """Return what conditions on a state and on readings ask about, by the names that they use."""
    seen = {} if state is None else {f"state.{word}": getattr(state, word) for word in STATE_WORDS}
    return {**seen, **{f"readings.{name}": value for name, value in readings.items()}}


def write_condition(condition: tuple[Comparison, ...]) -> str:
    """Return the text that `parse_condition` reads as `condition`."""
    return " and ".join(str(part) for part in condition)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None:
            raise ConditionError(f"{text[position:].strip()!r} cannot be read; write `state.running == false`")
        kind = str(found.lastgroup)
        tokens.append((kind, found.group(kind)))
        position = found.end()
    return tokens


def _comparison(tokens: list[tuple[str, str]]) -> Comparison:
    kind, subject = tokens.pop(0)
    if kind != "word":
        raise ConditionError(f"{subject} cannot begin a comparison; it begins with {SUBJECTS}")
    _check_subject(subject)
    if not tokens or tokens[0][0] != "operator":
        return _checked(Comparison(subject, "==", value=True), "true")
    operator = tokens.pop(0)[1]
    if not tokens:
        raise ConditionError(f"nothing follows `{subject} {operator}`")
    kind, text = tokens.pop(0)
    return _checked(Comparison(subject, operator, _value(kind, text)), text)


def _check_subject(subject: str) -> None:
    head, dot, name = subject.partition(".")
    if head == "state" and name not in STATE_WORDS:
        raise ConditionError(f"a state has no {name!r}; it has: {', '.join(STATE_WORDS)}")
    if not (name if head in ("state", "readings", "labels") else subject in ("target", "via") and not dot):
        raise ConditionError(f"nothing is known by {subject!r}; known: {SUBJECTS}")


def _value(kind: str, text: str) -> Value:
    if kind == "operator":
        raise ConditionError(f"{text!r} cannot follow another operator")
    if kind == "number":
        return float(text)
    if kind == "quoted":
        return text[1:-1]
    return {"true": True, "false": False}.get(text, text)


def _checked(part: Comparison, written: str) -> Comparison:
    """Refuse comparisons that can never be true; `written` is the value as it stands there."""
    name = part.subject.removeprefix("state.")
    if part.subject.startswith("readings."):
        wanted: type = float
    elif part.subject.startswith("state.") and name in _YES_NO:
        wanted = bool
    elif part.subject.startswith("state.") and name in _NUMBERS:
        wanted = float
    else:
        wanted = str
    # A text may look like a number: labels.version == 1.50
    value = written if wanted is str and isinstance(part.value, float) else part.value
    if type(value) is not wanted:
        kinds = {float: "a number, such as 80", bool: "true or false", str: "a text, such as 'web'"}
        raise ConditionError(f"{part.subject} is compared with {kinds[wanted]}, not with {_shown(part.value)}")
    if part.operator in _ORDERING and wanted is not float:
        raise ConditionError(f"{part.subject} has no order; compare it with == or !=")
    return part._replace(value=value)


def _shown(value: Value) -> str:
    return msgspec.json.encode(value).decode()


def _true(part: Comparison, seen: object) -> bool:
    if seen is None:
        return False
    if isinstance(part.value, float) and isinstance(seen, int | float) and part.operator in _ORDERING:
        return _ORDERING[part.operator](float(seen), part.value)
    return (seen == part.value) is (part.operator == "==")
