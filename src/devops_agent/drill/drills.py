"""Drills: break on purpose and by number, as often leave everything well, and measure what the agent makes of it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from devops_agent.drill import course, figures, tell
from devops_agent.drill.figures import Control, Round
from devops_agent.drill.stage import DATA, PREDICTOR, WORKER, Pace, Stage, StageError, build_stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devops_agent.drill.course import Course

LIMIT = 60.0
"""Seconds after which a round is given up; times that are longer are censored there."""
_GRACE = 3.2
_EYES_EVERY = 0.05
_QUIET_AFTER = 2.5
"""Seconds to go on looking after a control, in which a late false action would show."""


class Right(StrEnum):
    """What is right to do about a fault."""

    RESTART = "healed by a restart"
    CLEAN = "healed by a clean-up"
    PERSON = "handed to a person"
    PARENT = "healed by a restart of what it depends on"


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One fault and its right outcome."""

    fault: str
    switch: str = ""
    """The switch of the demo service that brings it about, if it is not called the same."""
    actor: str = PREDICTOR
    params: Mapping[str, float | str] = field(default_factory=dict)
    right: Right = Right.RESTART
    suffers: str = ""
    """Who is seen to suffer, if not the actor itself."""
    causes: frozenset[str]
    """Fault classes that name what is wrong, as the actor shows it: a check that fails with 500 is `unhealthy` too."""


_RESTARTS = frozenset({"process.restart", "process.start"})
_CLEANS = frozenset({"host.clean", "host.compress_logs"})
RIGHT_ACTIONS: Mapping[Right, tuple[frozenset[str], int]] = {
    Right.RESTART: (_RESTARTS, 1),
    Right.PARENT: (_RESTARTS, 1),
    Right.CLEAN: (_CLEANS, 2),
    Right.PERSON: (_RESTARTS, 3),
}
"""Which actions may be done to the cause, and how many; any more are false."""

DRILLS: Mapping[str, Drill] = {
    drill.fault: drill
    for drill in (
        Drill(fault="crash", causes=frozenset({"down"})),
        Drill(fault="hang", causes=frozenset({"unhealthy"})),
        Drill(fault="slow_start", causes=frozenset({"down"}), params={"seconds": 2.0}),
        Drill(fault="crash_loop", causes=frozenset({"down", "crash_loop"}), params={"times": 20.0}, right=Right.PERSON),
        Drill(fault="memory_leak", causes=frozenset({"memory_pressure"})),
        Drill(fault="error_burst", causes=frozenset({"high_error_rate", "code_error", "unhealthy"})),
        Drill(fault="latency", causes=frozenset({"high_latency", "unhealthy"})),
        Drill(fault="disk_fill", causes=frozenset({"disk_filling"}), right=Right.CLEAN),
        Drill(fault="log_flood", causes=frozenset({"disk_filling", "log_growth"}), right=Right.CLEAN),
        # What another service depends on hangs: the switch of that name only pretends it and leaves nothing to mend.
        Drill(
            fault="dependency_down",
            causes=frozenset({"unhealthy"}),
            switch="hang",
            actor=DATA,
            right=Right.PARENT,
            suffers=PREDICTOR,
        ),
        Drill(fault="wrong_health", causes=frozenset({"unhealthy"})),
        Drill(fault="port_lost", causes=frozenset({"unhealthy"})),
    )
}


def run_drill(*, faults: list[str], rounds: int, controls: int | None, as_json: bool) -> int:
    """Drill the named faults (all, when none is named) and print the figures; return the exit status.

    `controls` is how many rounds without a fault there are: as many as with one when it is None. The status is 0 when
    every outcome was right and nothing was done without need, 1 when not, 2 when a fault is unknown.
    """
    unknown = [name for name in faults if name not in DRILLS]
    if unknown:
        sys.stderr.write(f"no fault {', '.join(unknown)}; known: {', '.join(DRILLS)}\n")
        return 2
    chosen = [DRILLS[name] for name in faults] or list(DRILLS.values())
    # What is told on the way must not stand in the JSON.
    say = tell.Speaker(sys.stderr if as_json else sys.stdout)
    try:
        done, quiet = asyncio.run(_run(chosen, rounds=rounds, controls=controls, say=say))
    except StageError as error:
        say.line(f"cannot drill: {error}")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        say.line("\nStopped; everything that was started has been ended.")
        return 130
    rows = figures.rows_of(done, quiet)
    if as_json:
        machine = (
            f"{len(os.sched_getaffinity(0))} cores, Linux {platform.release()}, Python {platform.python_version()}"
        )
        sys.stdout.write(json.dumps({"benchmark": "drill", "machine": machine, "rows": rows}) + "\n")
    else:
        figures.print_table(done, quiet, say)
    return 0 if all(one.right for one in done) and figures.false_actions(done, quiet) == 0 else 1


async def measure(
    *, faults: Sequence[str] = (), rounds: int = 1, controls: int | None = None
) -> list[dict[str, object]]:
    """Drill quietly and return the rows that `run_drill` would print as JSON."""
    chosen = [DRILLS[name] for name in faults] or list(DRILLS.values())
    done, quiet = await _run(chosen, rounds=rounds, controls=controls, say=tell.Speaker(sys.stderr))
    return figures.rows_of(done, quiet)


async def _run(
    drills: Sequence[Drill], *, rounds: int, controls: int | None, say: tell.Speaker
) -> tuple[list[Round], list[Control]]:
    """Take faults and controls in turns, so that both see the same machine."""
    pace = Pace(memory=8.0)
    wanted = len(drills) * rounds if controls is None else controls
    say.line(f"{len(drills)} faults × {rounds}, {wanted} controls; targets are {pace.says},")
    say.line("settling times are those of the runbooks.")
    chance = random.Random(rounds)  # noqa: S311 — the same waits every time, nothing to guess
    done: list[Round] = []
    quiet: list[Control] = []
    async with build_stage(pace=pace) as stage:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel_all)
        for number in range(rounds):
            for place, drill in enumerate(drills):
                done.append(await _round(stage, drill))
                say.line(figures.told(done[-1], number=number + 1))
                due = wanted * (number * len(drills) + place + 1) // (rounds * len(drills))
                while len(quiet) < due:
                    quiet.append(await _control(stage, CONTROLS[len(quiet) % len(CONTROLS)], chance))
                    say.line(figures.told_control(quiet[-1]))
        while len(quiet) < wanted:
            quiet.append(await _control(stage, CONTROLS[len(quiet) % len(CONTROLS)], chance))
    return done, quiet


def _cancel_all() -> None:
    for task in asyncio.all_tasks():
        task.cancel()


async def _round(stage: Stage, drill: Drill) -> Round:
    await stage.until_well()
    await stage.until_grown_up(_GRACE)
    at = await stage.break_(drill.actor, drill.switch or drill.fault, **drill.params)
    seen, after = await course.begin(stage.store, at)
    eyes = asyncio.create_task(_watch(stage, drill.suffers or drill.actor))
    await course.follow(stage.store, seen, after=after, within=LIMIT)
    eyes.cancel()
    well_since = await _result(eyes)
    result = judge(drill, seen, mitigated=well_since)
    if not result.right or drill.right is Right.PERSON:
        await _restore(stage, drill)
    return result


def judge(drill: Drill, seen: Course, *, mitigated: float | None) -> Round:
    """Compare what was done with what was right; `mitigated` is when users were served again."""
    allowed, most = RIGHT_ACTIONS[drill.right]
    own = [action for action in seen.acted_on.get(drill.actor, []) if action in allowed]
    false = sum(len(actions) for actions in seen.acted_on.values()) - min(len(own), most)
    outcome = figures.outcome_of(seen)
    to_person = drill.right is Right.PERSON
    cause, confidence = seen.named(drill.actor)
    return Round(
        fault=drill.fault,
        detect=seen.noticed,
        act=seen.acted,
        mitigate=None if to_person else mitigated,
        wants_healing=not to_person,
        healed=outcome == "healed" and mitigated is not None,
        right=outcome == ("handed to a person" if to_person else "healed") and false == 0,
        outcome=outcome,
        false_actions=false,
        limit=LIMIT,
        cause=cause,
        confidence=confidence,
        cause_right=cause in drill.causes,
    )


class _Watched(Exception):  # noqa: N818 — it carries a result, nothing went wrong
    def __init__(self, well_at: float | None) -> None:
        super().__init__()
        self.well_at = well_at


async def _watch(stage: Stage, actor: str) -> None:
    """Look as a user does until cancelled; then raise _Watched with the seconds after which all was well for good."""
    begun = time.monotonic()
    well_at: float | None = None
    was_ill = False
    try:
        while True:
            well = await stage.serves(actor)
            was_ill = was_ill or not well
            if not well:
                well_at = None
            elif was_ill and well_at is None:
                well_at = time.monotonic() - begun
            await asyncio.sleep(_EYES_EVERY)
    except asyncio.CancelledError:
        raise _Watched(well_at) from None


async def _result(eyes: asyncio.Task[None]) -> float | None:
    try:
        await eyes
    except _Watched as watched:
        return watched.well_at
    return None


async def _restore(stage: Stage, drill: Drill) -> None:
    """Do what a person would: remove the cause and order a restart, so that the next round begins well."""
    await stage.mend(drill.actor)
    at = await stage.order_restart(drill.actor, reason="the cause is mended")
    ordered, after = await course.begin(stage.store, at)
    await course.follow(stage.store, ordered, after=after, within=LIMIT)


async def _control(stage: Stage, control: tuple[str, _Doing], chance: random.Random) -> Control:
    """Do something harmless; whatever the agent then does without an order is false."""
    name, do = control
    await stage.until_well()
    await stage.until_grown_up(_GRACE)
    at = stage.now()
    seen, after = await course.begin(stage.store, at)
    await do(stage, chance)
    await course.follow(stage.store, seen, after=after, within=_QUIET_AFTER, settle=False)
    ordered = {event.incident for event in seen.events if event.kind == "ordered"}
    false = tuple(
        f"{event.incident} after {seen.seconds(event.at):.1f} s: {event.says}"
        for event in seen.events
        if event.kind == "step" and event.incident not in ordered and course.changing(event, seen.reading)
    )
    return Control(name=name, false=false, incidents=len(seen.incidents.keys() - ordered))


_Doing = Callable[[Stage, random.Random], Awaitable[None]]


async def _wait(_: Stage, chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(0.5, 3.0))


async def _load(stage: Stage, chance: random.Random) -> None:
    """Send as many requests as the service can easily take."""
    for _ in range(chance.randint(50, 150)):
        await stage.ask(PREDICTOR, "/api/v1/predict", body={"timeframe": "1h"})


async def _hiccup(stage: Stage, chance: random.Random) -> None:
    """Hold the worker for a moment, as a busy machine or a garbage collector does."""
    (pid,) = stage.pids(WORKER)
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(0.02, 0.1))
    os.kill(pid, signal.SIGCONT)


async def _ordered_restart(stage: Stage, chance: random.Random) -> None:
    """Restart by hand, by way of the agent, as a person does after a change."""
    await stage.order_restart(chance.choice((DATA, PREDICTOR, WORKER)), reason="a change by hand")


async def _announced_restart(stage: Stage, chance: random.Random) -> None:
    """Stop a service by hand while its automatic actions are paused, and take a while to start it again."""
    await stage.pause(PREDICTOR, reason="work by hand")
    (pid,) = stage.pids(PREDICTOR)
    os.kill(pid, signal.SIGTERM)
    await asyncio.sleep(chance.uniform(0.5, 2.0))
    await stage.start_by_hand(PREDICTOR)
    await stage.until_well()
    await stage.resume(PREDICTOR)


CONTROLS: tuple[tuple[str, _Doing], ...] = (
    ("nothing happens", _wait),
    ("harmless load", _load),
    ("a hiccup of the worker", _hiccup),
    ("a restart that a person ordered", _ordered_restart),
    ("a restart by hand, slow, while paused", _announced_restart),
)
