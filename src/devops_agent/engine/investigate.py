"""Investigate: look at the target, keep what was seen with the incident."""

from __future__ import annotations

import asyncio
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
    """What the target depends on and is not well."""


_AILING = (Health.DOWN, Health.UNREACHABLE, Health.STARTING)
"""What is being started is no better for those that need it than what is down."""


async def look_into(
    target: Target, *, look: Callable[[Target], Awaitable[View]], ancestors: Sequence[Target]
) -> Findings:
    """Look at the target now, and at everything that it depends on.

    What the last poll saw of those is too old: it may have been made before the cause that this target suffers from.
    """
    view, *others = await asyncio.gather(look(target), *(look(ancestor) for ancestor in ancestors))
    return Findings(view=view, ailing_parents=tuple(one.target for one in others if one.health in _AILING))


def keep(rows: Rows, incident: str, findings: Findings) -> Findings:
    """Write the evidence; return the findings with the ids by which it can be cited."""
    seen = kept.keep(rows, incident, findings.view.evidence)
    return findings.with_(view=findings.view.with_(evidence=tuple(seen)))
