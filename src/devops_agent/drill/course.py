"""The course of a fault: what the agent did about it, read from its timeline, event by event."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devops_agent.model.action import Risk
from devops_agent.model.event import diagnosis_of
from devops_agent.model.incident import Status
from devops_agent.store import catalogue, events, incidents

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from devops_agent.model.event import Event
    from devops_agent.model.incident import Incident
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows

_LOOK_AGAIN = 0.25
"""Seconds; the store rings when something is written, this is for a ring that was lost."""
_QUIET = 0.4
"""Seconds without an open incident after which a course is over: a victim's incident may end just after its cause's."""
_ACTION = re.compile(r": ([a-z]+\.[a-z_]+)(?: |$)")


@dataclass(kw_only=True)
class Course:
    """What happened since a fault was switched on; times are seconds since then."""

    began: datetime
    reading: frozenset[str]
    """Actions that only read."""
    noticed: float | None = None
    acted: float | None = None
    well: float | None = None
    """When the agent saw its last action proven."""
    over: float | None = None
    acted_on: dict[str, list[str]] = field(default_factory=dict)
    """Target → the actions that changed it, in order."""
    incidents: dict[str, Incident] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @property
    def escalated(self) -> list[Incident]:
        """The incidents that were handed to a person."""
        return [one for one in self.incidents.values() if one.status is Status.ESCALATED]

    @property
    def settled(self) -> bool:
        """Whether something was noticed and all of it is resolved or a person's."""
        ends = (Status.RESOLVED, Status.ESCALATED)
        return bool(self.incidents) and all(one.status in ends for one in self.incidents.values())

    def named(self, target: str) -> tuple[str, float]:
        """Return the fault class that was first named on a target after it was opened, and how sure that was."""
        for event in self.events:
            if event.target == target and (found := diagnosis_of(event)) is not None:
                return found.kind, found.confidence
        return "", 0.0

    def seconds(self, at: datetime) -> float:
        """Return how long after the beginning that was."""
        return (at - self.began).total_seconds()

    def take(self, event: Event) -> None:
        """Take note of an event."""
        self.events.append(event)
        at = self.seconds(event.at)
        if event.kind in ("opened", "open"):
            self.noticed = at if self.noticed is None else self.noticed
        elif event.kind == "step" and (action := changing(event, self.reading)):
            self.acted = at if self.acted is None else self.acted
            self.acted_on.setdefault(event.target, []).append(action)
        elif event.kind == "proven" and event.data.get("action") not in self.reading:
            self.well = at
        elif event.kind in ("resolved", "escalated"):
            self.over = at


def changing(event: Event, reading: frozenset[str]) -> str:
    """Return the action that a step begins; empty when it only reads."""
    found = _ACTION.search(event.says)
    return found.group(1) if found and found.group(1) not in reading else ""


async def begin(store: Store, at: datetime) -> tuple[Course, int]:
    """Return a course that begins at that moment, and the number of the last event that is older."""
    actions = await store.read(catalogue.actions)
    reading = frozenset(action.name for action in actions if action.risk is Risk.READ)
    head, _ = await store.read(events.head)
    return Course(began=at, reading=reading), head


async def follow(
    store: Store,
    course: Course,
    *,
    after: int,
    within: float,
    tell: Callable[[Event], None] = lambda _: None,
    settle: bool = True,
) -> int:
    """Read along until everything that was noticed is settled, at most `within` seconds; all of them without `settle`.

    `tell` hears of each event as it is read. Returns the last event's number.
    """
    rung = store.bell.on("events")
    deadline = time.monotonic() + within
    settled_since: float | None = None
    try:
        while time.monotonic() < deadline:
            rung.clear()
            fresh, known = await store.read(lambda rows: _news(rows, after, course.began))  # noqa: B023
            course.incidents.update(known)
            for event in fresh:
                after = event.seq
                course.take(event)
                tell(event)
            if fresh or not (settle and course.settled):
                settled_since = None
            elif settled_since is None:
                settled_since = time.monotonic()
            elif time.monotonic() - settled_since >= _QUIET:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(rung.wait(), _LOOK_AGAIN)
    finally:
        store.bell.off(rung)
    return after


def _news(rows: Rows, after: int, began: datetime) -> tuple[list[Event], dict[str, Incident]]:
    fresh = events.after(rows, after, limit=500)
    return fresh, {one.id: one for one in incidents.page(rows, limit=50) if one.changed_at >= began}
