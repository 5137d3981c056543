"""Messages that put several notices together: when they are told, and what they say; pure."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from devops_agent.model.alert import Severity
from devops_agent.model.fact import Fact
from devops_agent.model.routing import FRESH, common_cause

_EDITS = timedelta(seconds=15)
"""A message in place is changed no more often."""
_MOST_LINES = 40
_WAITING = ("digest", "overflow")
_HELD_BACK = {
    "digest": ("{count} {things} that could wait", "held back because nothing here was urgent"),
    "overflow": ("{count} more", "put together because of the limit of messages in an hour (notify.per_hour)"),
}
_NO_CAUSE = "no common cause is known: look for what they share, such as network, storage, a database, this machine"


class Gathering(Fact, kw_only=True):
    """One message to one recipient, about several incidents."""

    id: str
    """`GRP-4`; also the thread of its messages."""
    kind: str
    """`cause`, `storm`: told at once and then kept up to date; `digest`, `overflow`: told once, later."""
    channel: str
    person: str = ""
    cause: str = ""
    """What its incidents have in common; for kind `cause`."""
    severity: Severity
    """The worst for which a person was needed when it last called people."""
    opened_at: datetime
    due_at: datetime | None = None
    """When it is told, or told anew; None: nothing new."""
    told_at: datetime | None = None
    """When it last was."""
    rung_at: datetime | None = None
    """When it last was in a message that calls people, and not in a change of an earlier one."""
    needs_told: bool = False
    """Whether a message of it has said that a person is needed."""
    messages: int = 0
    closed_at: datetime | None = None


class Line(Fact, kw_only=True):
    """What a message of several says of one incident; or, without one, of a notice."""

    incident: str = ""
    target: str = ""
    title: str
    says: str
    severity: Severity
    over: bool = False
    waits: bool = False
    """Whether a person is waited for."""


def takes_more(gathering: Gathering, *, now: datetime) -> bool:
    """Whether further incidents join it: those that wait take all; the others only while they are fresh."""
    return gathering.kind in _WAITING or now - gathering.opened_at < FRESH


def when_told(  # noqa: PLR0913 — what it depends on
    gathering: Gathering,
    *,
    updates: bool,
    needs: bool,
    severity: Severity,
    over: bool,
    now: datetime,
    remind_every: timedelta,
) -> datetime | None:
    """Return when it is told (anew) after a line has changed; None: not for this.

    A channel that changes messages in place gets each change, some put together. Others get a message when a person
    is needed for the first time or for something worse, again after `remind_every` while one is, and when all is over.
    """
    told = gathering.told_at
    if gathering.kind in _WAITING:
        return gathering.due_at
    if told is None or over or (needs and severity.rank > gathering.severity.rank):
        wanted: datetime | None = now
    elif updates:
        wanted = max(now, told + _EDITS)
    elif needs:
        wanted = max(now, told + remind_every) if gathering.needs_told else now
    else:
        wanted = None
    return min((at for at in (gathering.due_at, wanted) if at is not None), default=None)


def calls(gathering: Gathering, lines: Sequence[Line], *, now: datetime, remind_every: timedelta) -> bool:
    """Return whether people are called beside a change of the message in place, which nobody notices.

    They are when a person is needed for the first time or for something worse, and again after `remind_every` while
    one is.
    """
    if not any(line.waits for line in lines):
        return False
    rested = gathering.rung_at is None or now - gathering.rung_at >= remind_every
    return rested or not gathering.needs_told or is_worse(gathering, lines)


def is_worse(gathering: Gathering, lines: Sequence[Line]) -> bool:
    """Return whether a person is needed for something worse than what people were last called for."""
    return worst([line for line in lines if line.waits]).rank > gathering.severity.rank


def compose(
    gathering: Gathering, lines: Sequence[Line], *, ancestors: Callable[[str], Sequence[str]], link: str
) -> dict[str, Any]:
    """Return the notice's message: what they have in common first, then a line for each."""
    open_ones = [line for line in lines if not line.over]
    over = bool(lines) and not open_ones and gathering.kind not in _WAITING
    waiting = sum(line.waits for line in open_ones)
    title, says = _heading(gathering, lines, over=over, ancestors=ancestors)
    parts = [says, f"{waiting} of them need a person" if waiting else "", _left_out(lines)]
    return {
        "title": title,
        "says": ". ".join(part for part in parts if part),
        "next_steps": [],
        "links": {"incidents": link},
        "lines": [_said(line) for line in _in_order(lines)[:_MOST_LINES]],
        "closes": over,
    }


def worst(lines: Sequence[Line]) -> Severity:
    """Return the highest severity."""
    return max((line.severity for line in lines), key=lambda severity: severity.rank, default=Severity.INFO)


def _heading(
    gathering: Gathering, lines: Sequence[Line], *, over: bool, ancestors: Callable[[str], Sequence[str]]
) -> tuple[str, str]:
    count = sum(1 for line in lines if line.incident) if gathering.kind == "storm" else len(lines)
    if gathering.kind in _HELD_BACK:
        title, says = _HELD_BACK[gathering.kind]
        return title.format(count=count, things="thing" if count == 1 else "things"), says
    cause, effects = common_cause([line.target for line in lines if line.target], ancestors)
    behind = cause or gathering.cause
    if over:
        around = f" around {behind}" if behind else ""
        at_once = f"{_incidents(count)}{around}, all over"
        title = f"over: all {count} incidents{around}" if gathering.messages else at_once
        return title, "nothing of it is open any more"
    if cause:
        says = f"{effects} of {len({line.target for line in lines if line.target})} targets are or depend on {cause}"
        return f"{_incidents(count)}, common cause {cause}", says
    if gathering.kind == "cause":
        return f"{_incidents(count)} with one cause: {behind}", f"all of them come from {behind}"
    if count == 1:
        return f"one more of many: {lines[0].title}", _NO_CAUSE
    return f"storm: {count} incidents at once" if count else "storm: many targets in trouble at once", _NO_CAUSE


def _in_order(lines: Sequence[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (line.over, not line.waits, -line.severity.rank))


def _said(line: Line) -> str:
    state = "over: " if line.over else "needs a person: " if line.waits else ""
    return f"{line.title} — {state}{line.says}" if line.says else line.title


def _left_out(lines: Sequence[Line]) -> str:
    left = len(lines) - _MOST_LINES
    return f"{left} more are not listed here" if left > 0 else ""


def _incidents(count: int) -> str:
    return f"{count} incident{'' if count == 1 else 's'}"
