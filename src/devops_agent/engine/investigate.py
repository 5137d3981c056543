"""Investigate: look at the target, keep what was seen with the incident."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact
from devops_agent.model.sighting import Health
from devops_agent.model.view import View
from devops_agent.store import evidence as kept

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from devops_agent.model.target import Target
    from devops_agent.store.rows import Rows


class Findings(Fact, kw_only=True):
    """What an investigation found."""

    view: View
    ailing_parents: tuple[str, ...] = ()
    """What the target depends on and is not well, or has only just been started: its users need a moment too."""


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
    return Findings(view=view, ailing_parents=tuple(one.target for one in others if _ails(one)))


def _ails(parent: View) -> bool:
    since = parent.state.since if parent.state is not None and parent.state.running else None
    return parent.health in _AILING or (since is not None and parent.at - since < _JUST_STARTED)


def keep(rows: Rows, incident: str, findings: Findings) -> Findings:
    """Write the evidence; return the findings with the ids by which it can be cited."""
    seen = kept.keep(rows, incident, findings.view.evidence)
    return findings.with_(view=findings.view.with_(evidence=tuple(seen)))
