"""Answers questions about incidents in plain words, from the rows alone: no model is asked, nothing is guessed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devops_agent.model.story import tell
from devops_agent.store import approvals, attempts, events, incidents, targets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from devops_agent.model.incident import Incident
    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows

_INCIDENT = re.compile(r"\bINC-(\d{1,12})\b", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"[\w.:/@-]+")
_AT_ONCE = 3
"""Incidents that one answer tells in full."""
_LISTED = 10


def answering(store: Store, *, clock: Clock) -> Callable[[str], Awaitable[str]]:
    """Return what answers a question, for a channel on which people can ask."""

    async def answer_(question: str) -> str:
        return await store.read(lambda rows: answer(rows, question, now=clock.now()))

    return answer_


def answer(rows: Rows, question: str, *, now: datetime) -> str:
    """Return the answer to a question that names incidents (`INC-17`) or targets; without either, what is going on."""
    named = [f"INC-{int(number)}" for number in dict.fromkeys(_INCIDENT.findall(question))][:_AT_ONCE]
    if named:
        return "\n\n".join(_of_incident(rows, id_, now=now) for id_ in named)
    found = _targets(rows, question)[:_AT_ONCE]
    if found:
        return "\n\n".join(_of_target(rows, name, now=now) for name in found)
    return _overall(rows)


def _of_incident(rows: Rows, id_: str, *, now: datetime) -> str:
    incident = incidents.get(rows, id_)
    if incident is None:
        return f"There is no {id_}."
    return _story(rows, incident, now=now)


def _story(rows: Rows, incident: Incident, *, now: datetime) -> str:
    tried = attempts.of_incident(rows, incident.id)
    told = tell(
        incident,
        diagnosis=events.diagnosed(rows, incident.id, tried),
        attempts=tried,
        questions=approvals.of_incident(rows, incident.id),
        now=now,
    )
    further = "; ".join(incident.next_steps[1:])  # the story ends with the first one
    then = f" Then: {further}." if further and not incident.closed else ""
    return f"{incident.id} is {incident.status.value.replace('_', ' ')}. {told.says}{then}"


def _of_target(rows: Rows, name: str, *, now: datetime) -> str:
    open_ = [one for one in incidents.open_ones(rows) if one.target == name]
    if open_:
        return "\n\n".join(_story(rows, incident, now=now) for incident in open_[:_AT_ONCE])
    last = incidents.page(rows, target=name, limit=1)
    if not last:
        return f"{name} has no incident, and had none."
    return f"{name} has no open incident. The last one: {_story(rows, last[0], now=now)}"


def _overall(rows: Rows) -> str:
    open_ = incidents.open_ones(rows, limit=_LISTED + 1)
    if not open_:
        return "No incident is open."
    lines = [f"{one.id} {one.target}: {one.title} ({one.status.value.replace('_', ' ')})" for one in open_[:_LISTED]]
    more = "\n… and more" if len(open_) > _LISTED else ""
    waiting = approvals.pending(rows)
    asked = f"\nWaiting for a yes or no: {', '.join(one.id for one in waiting[:_LISTED])}." if waiting else ""
    return "Open incidents:\n" + "\n".join(lines) + more + asked + "\nAsk about one by its id, or by a target's name."


def _targets(rows: Rows, question: str) -> list[str]:
    """Return the targets that are named, in the order of the question; a name counts as a whole word only."""
    known = {one.target.name.lower(): one.target.name for one in targets.all_(rows)}
    words = (word.lower() for word in _WORD.findall(question))
    spoken = (known.get(word) or known.get(word.rstrip(".:/-@")) for word in words)
    return list(dict.fromkeys(name for name in spoken if name))
