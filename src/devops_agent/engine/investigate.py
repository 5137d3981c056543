"""Investigate: look at the target, keep what was seen with the incident, ask for a closer look at its causes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from devops_agent.model.evidence import Evidence
from devops_agent.model.fact import Fact
from devops_agent.model.sighting import Health
from devops_agent.model.view import View
from devops_agent.store import evidence as kept
from devops_agent.store import insights, runs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from devops_agent.config.settings import Investigation
    from devops_agent.model.incident import Incident
    from devops_agent.model.target import Target
    from devops_agent.store.rows import Rows

QUEUE = "investigate"
"""The queue of closer looks; a worker process takes them."""
JOB = "investigate"
_FRESH = timedelta(minutes=10)
"""How long a closer look counts, unless something was tried since."""
_UNHURRIED = timedelta(seconds=15)
"""A closer look that nobody waits for leaves the machine to the repair first."""


class Findings(Fact, kw_only=True):
    """What an investigation found."""

    view: View
    ailing_parents: tuple[str, ...] = ()
    """What the target depends on and is not well, or has only just been started: its users need a moment too."""
    wait_until: datetime | None = None
    """Until when the response waits for a closer look; None: it goes on at once."""


_AILING = (Health.DOWN, Health.UNREACHABLE, Health.STARTING)
"""What is being started is no better for those that need it than what is down."""
_JUST_STARTED = timedelta(seconds=10)


async def look_into(
    target: Target, *, look: Callable[[Target], Awaitable[View]], ancestors: Sequence[Target]
) -> Findings:
    """Look at the target now, and at everything that it depends on.

    What the last poll saw of those is too old: it may have been made before the cause that this target suffers from.
    """
    view, *others = await asyncio.gather(look(target), *(look(ancestor) for ancestor in ancestors))
    states = tuple(_state(one) for one in (view, *others))
    return Findings(
        view=view.with_(evidence=(*view.evidence, *states)),
        ailing_parents=tuple(one.target for one in others if _ails(one)),
    )


def _state(view: View) -> Evidence:
    """Sum a look up as evidence: the closer look rests on it too."""
    health = view.health.value
    running = view.state is not None and view.state.running is True
    word = "unhealthy" if running and view.health is Health.DOWN else health
    says = f"{view.target} is {word}: {view.says}" if view.says != health else f"{view.target} is {health}"
    return Evidence(source="look", target=view.target, name="state", value=word, at=view.at, says=says)


def _ails(parent: View) -> bool:
    since = parent.state.since if parent.state is not None and parent.state.running else None
    return parent.health in _AILING or (since is not None and parent.at - since < _JUST_STARTED)


def keep(rows: Rows, incident: str, findings: Findings) -> Findings:
    """Write the evidence; return the findings with the ids by which it can be cited."""
    seen = kept.keep(rows, incident, findings.view.evidence)
    return findings.with_(view=findings.view.with_(evidence=tuple(seen)))


def ask(
    rows: Rows, incident: Incident, *, sure: bool, settings: Investigation, version: str, now: datetime
) -> datetime | None:
    """Have a closer look made, unless a fresh one is there or under way; return until when to wait for it.

    When the quick look is `sure`, healing does not wait, and the closer look begins a little later.
    """
    if insights.ask(rows, incident.id, attempts=incident.attempts, now=now, fresh=_FRESH):
        due = now + _UNHURRIED if sure else now
        runs.enqueue(rows, QUEUE, JOB, key=incident.id, now=now, not_before=due, version=version)
    elif not sure:  # it may have been put off; now somebody waits
        runs.wake(rows, QUEUE, incident.id, now=now)
    asked = insights.asked_at(rows, incident.id)
    return None if sure or asked is None else asked + settings.patience
