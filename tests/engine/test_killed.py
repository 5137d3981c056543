"""A kill at every point where one could fall between two writes: it always finishes, and nothing is done twice."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as searching
from hypothesis import strategies as st

from devops_agent.engine import commands
from devops_agent.kit.testing import FakeActuator
from devops_agent.model.action import Effect, Proof, Step
from devops_agent.model.attempt import Outcome
from devops_agent.model.decision import Answer
from devops_agent.model.evidence import State
from devops_agent.model.incident import Status
from devops_agent.model.runbook import Runbook
from devops_agent.store import attempts, events, outbox
from tests.effort import examples
from tests.engine.conftest import Set
from tests.engine.site import HEALTHY, RESTART, TRUST_ALL, Scene, alert, runbook, target

AT_ONCE = target(start_period=timedelta(0))
KILLS = 80
"""More than any of the plans below has boundaries; a kill that is never reached shows that the last one was."""


async def die_down(scene: Scene) -> None:
    scene.world.kill("api")
    await scene.deliver(alert())


async def fill_up(scene: Scene) -> None:
    scene.world.services["api"].readings["disk_percent"] = 91.0
    await scene.deliver(alert("DiskFilling"))


async def hang(scene: Scene) -> None:
    scene.world.services["api"].healthy = False
    await scene.deliver(alert("TargetUnhealthy"))


async def die_for_good(scene: Scene) -> None:
    scene.world.services["api"].starts_healthy = False
    await die_down(scene)


@dataclass(frozen=True)
class Plot:
    """A response and how it has to end, however often the agent is killed on the way."""

    runbook: Runbook
    begin: Callable[[Scene], Awaitable[None]]
    done: tuple[str, ...]
    ends: Status = Status.RESOLVED
    twice: bool = False
    """Whether an action that may be done twice leaves no trace by which to tell that it was done."""


DISK = HEALTHY.with_(in_band=("disk_cleanup_percent",))
CLEAN = runbook("tidy", "fake.clean", kinds=("disk_filling",), proof=DISK)
READ_FIRST = Step(name="look", action="fake.read", go_on=True)
SOON = Proof(healthy=True, within=timedelta(seconds=3))
NEW = runbook("new", "fake.deploy", args={"image": "shop/app:3"}, undo=True, proof=SOON)
PLOTS = {
    "restart": Plot(RESTART.with_(steps=(READ_FIRST, *RESTART.steps)), die_down, ("fake.restart",)),
    "clean": Plot(CLEAN, fill_up, ("fake.clean",), twice=True),
    "stop and start": Plot(
        RESTART.with_(
            steps=(Step(name="stop", action="fake.stop"), Step(name="go", action="fake.start", proof=HEALTHY))
        ),
        hang,
        ("fake.stop", "fake.start"),
    ),
    "undo": Plot(
        NEW,
        die_for_good,
        ("fake.deploy", "fake.deploy"),
        ends=Status.ESCALATED,
    ),
}


async def play(scene: Scene, plot: Plot) -> None:
    """Play to the end, starting the agent anew whenever it was killed."""
    await plot.begin(scene)
    for _ in range(10):
        await scene.run(100)
        if not scene.store.dead:
            return
        await scene.die()


async def told(scene: Scene) -> list[tuple[str, str]]:
    """Return the timeline without what a crash may change: figures, and how a result became known."""
    return [(event.kind, event.says.split(":")[0]) for event in await scene.events()]


async def check(scene: Scene, plot: Plot, undisturbed: list[tuple[str, str]]) -> None:
    """Everything was finished, once, and told once."""
    incident = await scene.incident()
    assert incident.status is plot.ends
    did = [action for action, _ in scene.done]
    assert did == list(plot.done) or (plot.twice and did == list(plot.done) * 2)
    assert await told(scene) == undisturbed
    assert await scene.store.read(events.broken_link) is None
    [attempt, *_] = await scene.attempts()
    assert attempt.outcome in (Outcome.HEALED, Outcome.UNDONE)
    assert sum(one.done for one in await scene.store.read(attempts.success)) >= 1
    assert len(await scene.store.read(outbox.latest)) == 1


@pytest.fixture
async def undisturbed(set_scene: Set, name: str) -> tuple[list[tuple[str, str]], int]:
    """The timeline of a plot without kills, and how many boundaries it has."""
    async with set_scene(AT_ONCE, runbooks=[PLOTS[name].runbook], **TRUST_ALL) as scene:
        names = scene.kill_at()
        await play(scene, PLOTS[name])
        timeline = await told(scene)
        await check(scene, PLOTS[name], timeline)
        return timeline, len(names)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
async def test_wherever_the_agent_is_killed_it_finishes_and_does_nothing_twice(
    set_scene: Set, name: str, undisturbed: tuple[list[tuple[str, str]], int]
) -> None:
    timeline, boundaries = undisturbed
    for moment in range(boundaries):
        async with set_scene(AT_ONCE, runbooks=[PLOTS[name].runbook], **TRUST_ALL) as scene:
            names = scene.kill_at(moment)
            await play(scene, PLOTS[name])
            assert names[moment], f"killed at {names[moment]}"
            await check(scene, PLOTS[name], timeline)


@pytest.mark.parametrize("name", PLOTS)
@searching(max_examples=examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=st.lists(st.integers(0, KILLS), min_size=2, max_size=4))
async def test_killed_again_in_its_next_lives_it_finishes_all_the_same(
    set_scene: Set, name: str, undisturbed: tuple[list[tuple[str, str]], int], moments: list[int]
) -> None:
    timeline, boundaries = undisturbed
    plot = PLOTS[name]
    async with set_scene(AT_ONCE, runbooks=[plot.runbook], **TRUST_ALL) as scene:
        scene.kill_at(*(moment % boundaries for moment in moments))
        await play(scene, plot)
        if plot.twice:
            assert {action for action, _ in scene.done} == set(plot.done)
            assert (await scene.incident()).status is plot.ends
            assert await told(scene) == timeline
        else:
            await check(scene, plot, timeline)


async def test_killed_while_it_waits_for_an_answer_it_hears_the_answer(set_scene: Set) -> None:
    async with set_scene(AT_ONCE, runbooks=[NEW]) as scene:
        await die_down(scene)
        await scene.run()
        await scene.die()
        now = scene.clock.now()
        await scene.command(
            lambda rows: commands.answer(rows, "APR-1", Answer.APPROVED, by="alice", comment="", now=now)
        )
        await scene.run()
        assert scene.done == [("fake.deploy", "api")]
        assert len(await scene.asked()) == 1


async def test_an_agent_that_comes_back_after_the_deadline_still_finds_out_what_became_of_its_step(
    set_scene: Set,
) -> None:
    plot = PLOTS["stop and start"]
    async with set_scene(AT_ONCE, runbooks=[plot.runbook], **TRUST_ALL) as scene:
        names = scene.kill_at()
        await play(scene, plot)
        moment = names.index("did 1 stop")
    async with set_scene(AT_ONCE, runbooks=[plot.runbook], **TRUST_ALL) as scene:
        scene.kill_at(moment)
        await plot.begin(scene)
        await scene.run(10)
        scene.clock.jump(3600)
        await scene.die()
        await scene.run(400)
        first = (await scene.attempts())[0]
        assert "step 'go' did not help: no time was left for it" in first.says
        assert scene.done[0] == ("fake.stop", "api")
        assert "stop" in next(event.says for event in await scene.events() if event.kind == "proven")


class Traceless(FakeActuator):
    """Restarts of which nothing can be seen afterwards."""

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        return Effect.UNKNOWN


@pytest.mark.parametrize(("point", "did"), [("begun 1 restart", 0), ("did 1 restart", 1)])
async def test_a_step_that_may_have_been_done_and_must_not_be_done_twice_is_put_before_a_person(
    set_scene: Set, point: str, did: int
) -> None:
    async with set_scene(plugin=Traceless) as scene:
        names = scene.kill_at()
        await die_down(scene)
        await scene.run(100)
        moment = names.index(point)
    async with set_scene(plugin=Traceless) as scene:
        scene.kill_at(moment)
        await die_down(scene)
        await scene.run(100)
        await scene.die()
        await scene.run(100)
        incident = await scene.incident()
        assert (len(scene.done), incident.status) == (did, Status.ESCALATED)
        assert "cannot tell whether 'restart' took place before the crash" in incident.reason
        [attempt] = await scene.attempts()
        assert attempt.outcome is Outcome.UNCLEAR
        assert incident.next_steps
