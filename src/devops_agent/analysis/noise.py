"""Noise: alerts that fire often, what would make them fire less, and what that would have saved.

A saving is measured, not guessed: the period's own firings are gone through again as if the alert rule had waited
(`for`) or held on (`keep_firing_for`, both as Prometheus has them), and those that would not have been are counted.
What led to something being done is never counted as saved.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from devops_agent.analysis.outcomes import ALONE, BY_ITSELF
from devops_agent.model.report import Firing, Noisy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WAITS = (timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=15))
"""For how long a rule may be proposed to wait before it fires, or to hold on after it ended."""
_WORTH = 0.3
"""Share of the firings that a change has to save to be proposed, ..."""
_AT_LEAST = 3
"""... and how many at the least."""
_NEARLY_ALL = 0.8
"""Share of what the longest wait saves that a shorter one has to save to be proposed instead."""
_MANY_IN_ONE = 5.0
"""Firings in one incident from which on a rule fires once for each of many like things."""


def noisy(
    firings: Iterable[Firing],
    *,
    endings: Mapping[str, str],
    messages: Mapping[str, int],
    limit: int = 10,
) -> tuple[Noisy, ...]:
    """Return the alerts that fired most often, each with what to do about it and what that would have saved.

    Args:
        firings: those of the period.
        endings: incident → who ended it, as `outcomes.ending` says; one that is not over is missing.
        messages: incident → messages sent to people because of it.
        limit: of how many alerts.

    """
    groups: dict[tuple[str, str], list[Firing]] = {}
    for one in firings:
        groups.setdefault((one.alert, one.target), []).append(one)
    often = sorted((key for key in groups if len(groups[key]) > 1), key=lambda key: (-len(groups[key]), key))
    return tuple(_judged(key, groups[key], endings=endings, messages=messages) for key in often[:limit])


def _judged(
    key: tuple[str, str], some: Sequence[Firing], *, endings: Mapping[str, str], messages: Mapping[str, int]
) -> Noisy:
    incidents = {one.incident for one in some if one.incident}
    advice, saved = _advice(some, incidents, endings)
    gone = incidents - {one.incident for one in some if one not in saved} if saved else set()
    return Noisy(
        alert=key[0],
        target=key[1],
        firings=len(some),
        incidents=len(incidents),
        messages=sum(messages.get(incident, 0) for incident in incidents),
        advice=advice,
        saved_firings=len(saved),
        saved_messages=sum(messages.get(incident, 0) for incident in gone),
    )


def _advice(some: Sequence[Firing], incidents: set[str], endings: Mapping[str, str]) -> tuple[str, frozenset[Firing]]:
    """Return what to do, and the firings that would not have been then."""
    if not incidents:
        return "it never opened an incident: drop the rule, or end the silence that hides it", frozenset()
    idle = [one for one in some if not one.incident or endings.get(one.incident) == BY_ITSELF]
    wait, spared = _best({wait: _too_short(idle, wait) for wait in WAITS})
    hold, joined = _best({hold: _repeated(idle, hold) for hold in WAITS})
    enough = max(_AT_LEAST, _WORTH * len(some))
    if len(spared) >= max(enough, len(joined)):
        return f"let the rule wait for {_minutes(wait)} before it fires (for: {_minutes(wait)})", spared
    if len(joined) >= enough:
        return f"let it hold on for {_minutes(hold)} after it ends (keep_firing_for: {_minutes(hold)})", joined
    ended = Counter(endings.get(incident, "") for incident in incidents)
    if ended[ALONE] >= _AT_LEAST and ended[ALONE] == len(incidents):
        return (
            "it was healed alone each time: look for what would end it for good (devops-agent proposals)",
            frozenset(),
        )
    if len(some) / len(incidents) >= _MANY_IN_ONE:
        return "it fires for each of many like things: let the rule sum over them", frozenset()
    return "it led to something each time: look for what would end it for good", frozenset()


def _best(found: Mapping[timedelta, frozenset[Firing]]) -> tuple[timedelta, frozenset[Firing]]:
    """Return the shortest wait that saves nearly as much as the longest."""
    most = max(len(saved) for saved in found.values())
    return next((wait, saved) for wait, saved in found.items() if len(saved) >= _NEARLY_ALL * most)


def _too_short(some: Iterable[Firing], wait: timedelta) -> frozenset[Firing]:
    """Return the firings that were over before the rule would have fired."""
    return frozenset(one for one in some if one.ended_at is not None and one.ended_at - one.began_at < wait)


def _repeated(some: Iterable[Firing], hold: timedelta) -> frozenset[Firing]:
    """Return the firings that began so soon after one of the same thing that they would have been one with it."""
    by_thing: dict[str, list[Firing]] = {}
    for one in sorted(some, key=lambda one: one.began_at):
        by_thing.setdefault(one.fingerprint, []).append(one)
    return frozenset(
        later
        for same in by_thing.values()
        for earlier, later in pairwise(same)
        if earlier.ended_at is not None and later.began_at - earlier.ended_at < hold
    )


def _minutes(span: timedelta) -> str:
    return f"{span // timedelta(minutes=1)}m"
