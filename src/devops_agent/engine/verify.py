"""Verify: watch until the proof is seen and stays; hope is no proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.action import Proof, Proven

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from devops_agent.model.view import View
    from devops_agent.ports import Clock

_FIRST_LOOK = 0.05  # seconds; then a little longer each time
_SLOWEST_LOOK = 2.0
_STAYS_DEAD = 3.0
"""Seconds; what ran and has been dead for so long is brought back by nobody else, such as a restart policy."""


async def prove(proof: Proof, *, look: Callable[[], Awaitable[View]], clock: Clock, ran: bool = False) -> Proven:
    """Look until the proof is seen and has stayed for its settling time, at most `proof.within` for it to be seen.

    A relapse while it settles begins the settling anew, within the same bound. What dies in the meantime and stays dead
    ends the watch: waiting longer would only delay what helps. `ran`: it ran just before, so that its death
    counts even when this watch never sees it alive.
    """
    begun = clock.monotonic()
    first_seen: float | None = None
    last_alive = begun if ran else None
    pause = _FIRST_LOOK
    while True:
        view = await look()
        missing = lacks(proof, view)
        now = clock.monotonic()
        if view.state is not None and view.state.running is True:
            last_alive = now
        if missing:
            first_seen = None
        elif first_seen is None:
            first_seen = now
        if first_seen is not None and now - first_seen >= proof.settle.total_seconds():
            settled = now - first_seen
            stays = f" and has stayed so for {settled:.0f} s" if settled >= 1 else ""
            return Proven(ok=True, says=f"{_seen(proof)}{stays}", seconds=first_seen - begun, settled=settled)
        if _died(view, proof) and last_alive is not None and now - last_alive >= _STAYS_DEAD:
            return Proven(ok=False, says=f"it came back and died again: {_gone(view)}", seconds=now - begun)
        if first_seen is None and now - begun >= proof.within.total_seconds():
            return Proven(ok=False, says=f"not within {now - begun:.0f} s: {missing}", seconds=now - begun)
        await clock.sleep(pause)
        pause = min(pause * 1.3, _SLOWEST_LOOK)


def lacks(proof: Proof, view: View) -> str:
    """Return what is missing for the proof in this view; empty when nothing is."""
    state = view.state
    if proof.state == "running" and (state is None or state.running is not True):
        return f"it does not run ({state.says if state else 'its state cannot be seen'})"
    if proof.state == "stopped" and (state is None or state.running is not False):
        return "it still runs"
    if proof.healthy and (lack := _ill(view)):
        return lack
    for reading, limit in proof.below.items():
        value = view.readings.get(reading)
        if value is None:
            return f"{reading} cannot be read"
        if value > limit:
            return f"{reading} is {value:g}, should be under {limit:g}"
    return ""


def _ill(view: View) -> str:  # noqa: PLR0911 — each return names one lack
    if view.network:
        return view.network
    if view.failing:
        return "; ".join(view.failing)
    state = view.state
    if state is not None and (state.running is False or not state.exists):
        return state.says or "it does not run"
    if state is not None and state.healthy is False:
        return state.says or "it is unhealthy"
    if view.checked:
        return ""
    if state is None or state.running is not True:
        return "nothing tells whether it is well"
    # No check of ours: the engine's own health word, once it has left its start period, or that it runs.
    return "it is still starting" if state.starting else ""


def _died(view: View, proof: Proof) -> bool:
    return proof.state != "stopped" and view.state is not None and view.state.running is False


def _gone(view: View) -> str:
    return (view.state.says if view.state else "") or "it does not run"


def _seen(proof: Proof) -> str:
    parts = []
    if proof.healthy:
        parts.append("healthy")
    if proof.state:
        parts.append(proof.state)
    parts += [f"{reading} under {limit:g}" for reading, limit in proof.below.items()]
    return ", ".join(parts) or "nothing had to be proven"
