"""The demo: break two services and a worker one way after another, and tell what the agent makes of it."""

from __future__ import annotations

import asyncio
import contextlib
import http
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devops_agent.drill import course, tell
from devops_agent.drill.course import Course
from devops_agent.drill.figures import outcome_of
from devops_agent.drill.stage import DATA, PREDICTOR, WORKER, Pace, Stage, StageError, build_stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WITHIN = 60.0
"""Seconds that a scene may take."""
_GRACE = 3.2
"""Seconds after a start in which failures do not count; a fault in there would be noticed late, and rightly so."""
_PERSON = "handed to a person"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One way to break, and what is right to do about it."""

    title: str
    says: str
    actor: str
    fault: str
    params: Mapping[str, float | str] = field(default_factory=dict)
    to_a_person: bool = False
    """Whether it is right to stop trying and to call somebody."""

    @property
    def expected(self) -> str:
        """The right outcome in words."""
        return _PERSON if self.to_a_person else "healed"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a scene."""

    scene: Scene
    course: Course
    as_expected: bool
    outcome: str


SCENES = (
    Scene(
        title=f"{PREDICTOR} crashes",
        says="It exits with status 1. Nobody restarts it but the agent.",
        actor=PREDICTOR,
        fault="crash",
    ),
    Scene(
        title=f"{WORKER} hangs",
        says="The worker is stopped in mid-air (SIGSTOP): the process is there and does nothing.",
        actor=WORKER,
        fault="hang",
    ),
    Scene(
        title=f"{PREDICTOR} fills its disk",
        says="Its cache grows to 95 % of the quota. A restart would not help: the files would still be there.",
        actor=PREDICTOR,
        fault="disk_fill",
    ),
    Scene(
        title=f"{PREDICTOR} answers, but is unwell",
        says='The process runs and answers 200; only the words in its answer say "unhealthy".',
        actor=PREDICTOR,
        fault="wrong_health",
    ),
    Scene(
        title=f"{DATA} hangs, {PREDICTOR} suffers",
        says=f"{PREDICTOR} depends on {DATA}. Both look ill, but only one of them is the cause.",
        actor=DATA,
        fault="hang",
    ),
    Scene(
        title=f"{WORKER} leaks memory",
        says="It grows to 95 % of its memory limit. Better a restart now than a kill by the kernel later.",
        actor=WORKER,
        fault="memory_leak",
    ),
    Scene(
        title=f"{PREDICTOR} crashes again and again",
        says="Each start dies after a moment. Restarting for ever would only hide that: a person has to look.",
        actor=PREDICTOR,
        fault="crash_loop",
        params={"times": 10.0},
        to_a_person=True,
    ),
)


def run_demo(*, once: bool, port: int = 0, scenes: Sequence[Scene] = SCENES) -> int:
    """Play the demo on standard output; return the exit status: 0 when all came out as expected.

    With `once` it ends by itself, else the page stays open until Ctrl-C. `port` is the page's; 0 takes a free one.
    """
    say = tell.Speaker(sys.stdout)
    try:
        return asyncio.run(_until_told(_play(say, scenes, once=once, port=port)))
    except StageError as error:
        say.line(f"cannot play the demo: {error}")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        say.line("\nStopped; everything that was started has been ended.")
        return 130


async def _until_told(work: object) -> int:
    """Run to the end, or until SIGTERM: whoever asks us to end expects nothing to be left behind."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return int(await task)


async def _play(say: tell.Speaker, scenes: Sequence[Scene], *, once: bool, port: int) -> int:
    begun = time.monotonic()
    pace = Pace(memory=20.0)
    say.line("Two services, a worker and an agent that looks after them are started: no Docker, no other server.")
    async with build_stage(pace=pace, port=port) as stage:
        say.line(f"All are well after {time.monotonic() - begun:.1f} s; they are {pace.says}.")
        say.line(f"The agent's page: {await stage.login_link()}")
        say.line("(this link opens it once, without a password)")
        seen = [await _scene(stage, scene, number, say) for number, scene in enumerate(scenes, 1)]
        whole = await _mend(stage, seen, say)
        _sum_up(seen, say, seconds=time.monotonic() - begun, whole=whole)
        if not once:
            say.line(f"\nLook around: {await stage.login_link()}")
            say.line("Ctrl-C ends the agent and all services, and removes what they wrote.")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            say.line("")
        return 0 if whole and all(one.as_expected for one in seen) else 1


async def _scene(stage: Stage, scene: Scene, number: int, say: tell.Speaker) -> Seen:
    await stage.until_grown_up(_GRACE)
    say.title(f"{number}. {scene.title}")
    say.text(scene.says)
    at = await stage.break_(scene.actor, scene.fault, **scene.params)
    seen, after = await course.begin(stage.store, at)
    story = tell.Story(say, seen, actor=scene.actor)
    await course.follow(stage.store, seen, after=after, within=_WITHIN, tell=story.tell)
    outcome = outcome_of(seen)
    strangers = [name for name in seen.acted_on if name != scene.actor]
    for name in strangers:
        say.text(f"It acted on {name}, which was not the cause.")
    right = outcome == scene.expected and not strangers
    return Seen(scene=scene, course=seen, outcome=outcome, as_expected=right)


async def _mend(stage: Stage, seen: Sequence[Seen], say: tell.Speaker) -> bool:
    """Play the person whom the agent called; return whether everything is well in the end."""
    for one in seen:
        if not one.course.escalated:
            continue
        actor = one.scene.actor
        say.title(f"Now you are the person: mend {actor}")
        say.text(f"The cause is removed, and a restart is ordered: POST /actions/restart with target={actor}.")
        await stage.mend(actor)
        at = await stage.order_restart(actor, reason="the cause is mended")
        ordered, after = await course.begin(stage.store, at)
        await course.follow(
            stage.store, ordered, after=after, within=_WITHIN, tell=tell.Story(say, ordered, actor=actor).tell
        )
    try:
        await stage.until_well()
    except StageError as error:
        say.line(f"\n{error}")
        return False
    answers = [await stage.ask(name) for name, actor in stage.actors.items() if actor.port]
    return all(answer == http.HTTPStatus.OK for answer in answers)


def _sum_up(seen: Sequence[Seen], say: tell.Speaker, *, seconds: float, whole: bool) -> None:
    say.title("What happened")
    rows: list[tuple[str, ...]] = [("what broke", "noticed", "acted", "well again", "outcome")]
    for one in seen:
        got = one.course
        told = one.outcome if one.as_expected else f"{one.outcome}, expected: {one.scene.expected}"
        well = None if got.escalated else got.well
        rows.append((one.scene.title, *(tell.seconds(value) for value in (got.noticed, got.acted, well)), told))
    say.table(rows)
    right = sum(one.as_expected for one in seen)
    others = sum(name != one.scene.actor for one in seen for name in one.course.acted_on)
    say.line(
        f"\n{right} of {len(seen)} as expected, {others} actions on anything that was well, {seconds:.0f} s in all."
    )
    say.line("Everything is well now." if whole else "Not everything is well now.")
