"""Investigate: look at the target, keep what was seen with the incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.view import View
from devops_agent.store import evidence as kept

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from devops_agent.model.target import Target
    from devops_agent.store.rows import Rows


class Findings(Fact, kw_only=True):
    """What an investigation found."""

    view: View
    ailing_parents: tuple[str, ...] = ()
    """What the target depends on and is not well."""


async def look_into(
    target: Target,
    *,
    look: Callable[[Target], Awaitable[View]],
    sightings: Mapping[str, Sighting],
    ancestors: Sequence[str],
) -> Findings:
    """Look at the target now, and at what is known of everything that it depends on."""
    view = await look(target)
    bad = (Health.DOWN, Health.UNREACHABLE)
    ailing = tuple(name for name in ancestors if name in sightings and sightings[name].health in bad)
    return Findings(view=view, ailing_parents=ailing)


def keep(rows: Rows, incident: str, findings: Findings) -> Findings:
    """Write the evidence; return the findings with the ids by which it can be cited."""
    seen = kept.keep(rows, incident, findings.view.evidence)
    return findings.with_(view=findings.view.with_(evidence=tuple(seen)))
