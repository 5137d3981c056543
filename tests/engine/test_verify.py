"""Proofs: what is lacking, and how long is looked."""

from datetime import timedelta

import pytest

from devops_agent.engine.verify import lacks, prove
from devops_agent.kit.testing import FakeClock
from devops_agent.model.action import Proof, Proven
from devops_agent.model.evidence import State
from devops_agent.model.view import View
from tests.engine.views import API, DEAD, ILL, RUNS, seen, view

WELL = Proof(healthy=True)
UNCHECKED = API.with_(checks=())
NOTHING = seen("other", value=True)


@pytest.mark.parametrize(
    ("proof", "seen_", "lack"),
    [
        (Proof(), view(DEAD), ""),
        (Proof(state="running"), view(), ""),
        (Proof(state="running"), view(DEAD), "it does not run (api is stopped)"),
        (Proof(state="running"), view(None), "it does not run (its state cannot be seen)"),
        (Proof(state="stopped"), view(DEAD), ""),
        (Proof(state="stopped"), view(), "it still runs"),
        (Proof(state="stopped"), view(None), "it still runs"),
        (WELL, view(), ""),
        (WELL, view(RUNS, ILL), "GET /health: 500"),
        (WELL, view(DEAD, NOTHING), "api is stopped"),
        (WELL, view(RUNS.with_(healthy=False)), "api runs"),
        (WELL, view(None, ILL, seen("verdict", "our own network down")), "our own network down"),
        (WELL, view(None, NOTHING, of=UNCHECKED), "nothing tells whether it is well"),
        (WELL, view(RUNS, NOTHING, of=UNCHECKED), ""),
        (WELL, view(RUNS.with_(starting=True), NOTHING, of=UNCHECKED), "it is still starting"),
        (WELL, view(None), ""),
        (Proof(below={"disk_percent": 75}), view(disk_percent=75), ""),
        (Proof(below={"disk_percent": 75}), view(disk_percent=75.1), "disk_percent is 75.1, should be under 75"),
        (Proof(below={"disk_percent": 75}), view(), "disk_percent cannot be read"),
        (Proof(healthy=True, below={"disk_percent": 75}), view(DEAD, disk_percent=5), "api is stopped"),
    ],
)
def test_what_is_missing_is_said(proof: Proof, seen_: View, lack: str) -> None:
    assert lacks(proof, seen_) == lack


async def watch(proof: Proof, *turns: tuple[float, State | None]) -> tuple[Proven, float]:
    """Prove on a target whose state turns at given seconds; return what came of it, and when."""
    clock = FakeClock()

    async def look() -> View:
        state = next(state for since, state in reversed(turns) if clock.monotonic() >= since)
        return view(state, NOTHING, of=UNCHECKED)

    return await prove(proof, look=look, clock=clock), clock.monotonic()


async def test_what_is_so_already_is_proven_at_once() -> None:
    proven, seconds = await watch(WELL, (0, RUNS))
    assert (proven.ok, proven.says, seconds) == (True, "healthy", 0)


async def test_it_is_looked_until_it_is_so() -> None:
    proven, seconds = await watch(WELL, (0, DEAD), (20, RUNS))
    assert proven.ok
    assert 20 <= proven.seconds <= 22
    assert seconds == proven.seconds


async def test_what_is_not_so_in_time_is_not_proven_and_says_what_is_missing() -> None:
    proven, seconds = await watch(WELL.with_(within=timedelta(seconds=30)), (0, DEAD))
    assert not proven.ok
    assert proven.says.startswith("not within 3")
    assert proven.says.endswith(" s: api is stopped")
    assert 30 <= seconds <= 32


async def test_it_has_to_stay_so_for_its_settling_time() -> None:
    proven, seconds = await watch(WELL.with_(settle=timedelta(seconds=10)), (0, DEAD), (5, RUNS))
    assert proven.ok
    assert proven.settled >= 10
    assert "healthy and has stayed so for 1" in proven.says
    assert 15 <= seconds <= 19


async def test_a_relapse_begins_the_settling_anew() -> None:
    ill = RUNS.with_(healthy=False)
    proof = WELL.with_(settle=timedelta(seconds=10))
    proven, seconds = await watch(proof, (0, RUNS), (5, ill), (8, RUNS))
    assert proven.ok
    assert 18 <= seconds <= 22


async def test_relapses_end_with_the_time_that_there_is() -> None:
    ill = RUNS.with_(healthy=False)
    proof = WELL.with_(settle=timedelta(seconds=10), within=timedelta(seconds=30))
    turns = [(4.0 * number, ill if number % 2 else RUNS) for number in range(30)]
    proven, seconds = await watch(proof, *turns)
    assert not proven.ok
    assert 30 <= seconds <= 38


async def test_what_came_back_and_died_again_is_given_up_soon() -> None:
    proven, seconds = await watch(WELL.with_(settle=timedelta(seconds=30)), (0, RUNS), (5, DEAD))
    assert (proven.ok, proven.says.endswith("died again: api is stopped")) == (False, True)
    assert 8 <= seconds <= 12


async def test_what_ran_before_the_watch_and_is_dead_in_it_is_given_up_soon() -> None:
    clock = FakeClock()

    async def look() -> View:
        return view(DEAD, NOTHING, of=UNCHECKED)

    assert not (await prove(WELL, look=look, clock=clock, ran=True)).ok
    assert 3 <= clock.monotonic() <= 6


async def test_what_a_restart_policy_brings_back_at_once_is_given_its_time() -> None:
    proof = WELL.with_(settle=timedelta(seconds=10))
    proven, _ = await watch(proof, (0, RUNS), (5, DEAD), (6, RUNS))
    assert proven.ok


async def test_even_without_any_time_left_it_is_looked_once() -> None:
    none = WELL.with_(within=timedelta())
    assert (await watch(none, (0, RUNS)))[0].ok
    assert not (await watch(none, (0, DEAD)))[0].ok
