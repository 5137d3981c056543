"""Carrying out a plan: steps, tries, what is taken back, and what goes wrong on the way."""

from datetime import timedelta

import pytest

from devops_agent.kit.testing import FakeActuator, Trouble
from devops_agent.model.action import Effect, Proof, Step
from devops_agent.model.attempt import Outcome
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity
from devops_agent.model.incident import Status
from devops_agent.model.runbook import Runbook
from devops_agent.model.target import Target
from devops_agent.ports import PluginError
from devops_agent.store import attempts, incidents, learning, runs
from devops_agent.store.rows import StoreBusyError
from tests.engine.conftest import Set
from tests.engine.site import RESTART, TRUST_ALL, Scene, alert, runbook, target

SOON = Proof(healthy=True, within=timedelta(seconds=3))
AT_ONCE = target(start_period=timedelta(0))
STOP = Step(name="stop", action="fake.stop", undo=True)
NEW = Step(name="new", action="fake.deploy", args={"image": "shop/app:3"}, undo=True)
IN_VAIN = Step(name="in vain", action="fake.read", proof=SOON)


def book(*steps: Step) -> Runbook:
    return RESTART.with_(steps=steps)


async def hang(scene: Scene) -> None:
    """Let a service hang that no restart heals, and be responded to."""
    scene.world.services["api"].healthy = False
    scene.world.services["api"].starts_healthy = False
    await scene.deliver(alert("TargetUnhealthy"))
    await scene.run(30)


async def fail(scene: Scene) -> str:
    """Let a hanging service be responded to; return what came of the first attempt."""
    await hang(scene)
    return (await scene.attempts())[0].says


async def test_what_takes_no_arguments_to_be_taken_back_is_taken_back(set_scene: Set) -> None:
    async with set_scene(AT_ONCE, runbooks=[book(STOP, IN_VAIN)], **TRUST_ALL) as scene:
        says = await fail(scene)
        assert scene.done == [("fake.stop", "api"), ("fake.start", "api")]
        assert says.endswith("; took back: stop")


async def test_the_last_step_is_taken_back_first(set_scene: Set) -> None:
    async with set_scene(AT_ONCE, runbooks=[book(NEW, STOP, IN_VAIN)], **TRUST_ALL) as scene:
        says = await fail(scene)
        assert [action for action, _ in scene.done] == ["fake.deploy", "fake.stop", "fake.start", "fake.deploy"]
        assert says.endswith("; took back: stop, new")
        assert scene.world.services["api"].image == "shop/app:2"


async def test_what_changed_nothing_and_what_does_not_say_so_is_not_taken_back(set_scene: Set) -> None:
    start = Step(name="start", action="fake.start", undo=True)
    kept = NEW.with_(undo=False)
    async with set_scene(AT_ONCE, runbooks=[book(start, kept, IN_VAIN)], **TRUST_ALL) as scene:
        await fail(scene)
        assert scene.done == [("fake.deploy", "api")]
        assert (await scene.attempts())[0].outcome is Outcome.FAILED


async def test_what_cannot_be_taken_back_is_said(set_scene: Set) -> None:
    async with set_scene(AT_ONCE, runbooks=[book(STOP, IN_VAIN)], **TRUST_ALL) as scene:
        scene.actuator.will(Trouble(action="fake.start", fails="no memory left"))
        await fail(scene)
        undos = [event.says for event in await scene.events() if event.kind == "undo"]
        assert undos == ["cannot take back stop: no memory left"]
        assert (await scene.attempts())[0].outcome is Outcome.FAILED


async def test_the_try_that_worked_is_the_one_that_counts_as_taken_back(set_scene: Set) -> None:
    retried = NEW.with_(retries=1)
    async with set_scene(AT_ONCE, runbooks=[book(retried, IN_VAIN)], **TRUST_ALL) as scene:
        scene.actuator.will(Trouble(action="fake.deploy", fails="busy"))
        await fail(scene)
        rows = await scene.store.read(lambda rows: rows.all("SELECT key, ok, undone FROM actions ORDER BY started_at"))
        assert [(row["key"], row["ok"], row["undone"]) for row in rows][:2] == [
            ("ATT-1/1 new", 0, 0),
            ("ATT-1/1 new (try 2)", 1, 1),
        ]


async def test_a_step_may_fail_and_the_plan_go_on(set_scene: Set) -> None:
    first = Step(name="look", action="fake.read", go_on=True)
    async with set_scene(runbooks=[book(first, *RESTART.steps)]) as scene:
        scene.actuator.will(Trouble(action="fake.read", fails="no figures"))
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        assert (scene.done, (await scene.incident()).status) == ([("fake.restart", "api")], Status.RESOLVED)
        [read, restart] = await scene.store.read(attempts.success)
        assert (read.ok, restart.ok) == (0, 1)


class Traceless(FakeActuator):
    """Leaves nothing by which to tell that something was done."""

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        return Effect.UNKNOWN


async def test_a_taking_back_that_may_have_been_done_is_put_before_a_person(set_scene: Set) -> None:
    async def lived(scene: Scene, *moments: int) -> list[str]:
        names = scene.kill_at(*moments)
        await hang(scene)
        return names

    how = {"runbooks": [book(NEW, IN_VAIN)], "plugin": Traceless, **TRUST_ALL}
    async with set_scene(AT_ONCE, **how) as scene:
        moment = (await lived(scene)).index("did 1 new: undo")
    async with set_scene(AT_ONCE, **how) as scene:
        await lived(scene, moment)
        await scene.die()
        await scene.run(60)
        assert len(scene.done) == 2
        assert "cannot tell whether 'undo new' took place" in (await scene.incident()).reason
        assert (await scene.attempts())[0].outcome is Outcome.UNCLEAR


class Forgetful(FakeActuator):
    """Cannot see the state of anything for a while after a new start."""

    blind = 0

    async def observe(self, target: Target) -> State:
        if Forgetful.blind:
            Forgetful.blind -= 1
            raise PluginError("the socket is away")
        return await super().observe(target)


async def test_after_a_crash_it_is_looked_again_until_it_is_seen_what_became_of_the_step(set_scene: Set) -> None:
    async with set_scene(plugin=Forgetful) as scene:
        names = scene.kill_at()
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        moment = names.index("did 1 restart")
    async with set_scene(plugin=Forgetful) as scene:
        scene.kill_at(moment)
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        await scene.die()
        Forgetful.blind = 3
        await scene.run()
        assert (scene.done, (await scene.incident()).status) == ([("fake.restart", "api")], Status.RESOLVED)


@pytest.mark.parametrize("point", ["record decide", "begin 1 restart", "end 1 restart", "record conclude"])
async def test_a_store_that_is_busy_for_a_while_loses_and_repeats_nothing(set_scene: Set, point: str) -> None:
    async with set_scene() as scene:
        waits = iter([True])

        def lock(name: str) -> None:
            if name == point and next(waits, False):
                scene.store.trouble = StoreBusyError("the disk is full")

        scene.boundary = lock
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run(20)
        scene.store.trouble = None
        await scene.run(60)
        assert (scene.done, (await scene.incident()).status) == ([("fake.restart", "api")], Status.RESOLVED)
        kinds = [event.kind for event in await scene.events()]
        assert len(kinds) == len(set(kinds))


class Faulty(FakeActuator):
    """Has a mistake in its code."""

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        raise ZeroDivisionError("a mistake")


async def test_a_response_that_keeps_failing_is_handed_to_a_person(set_scene: Set) -> None:
    async with set_scene(plugin=Faulty) as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run(120)
        incident = await scene.incident()
        assert (scene.done, incident.status) == ([], Status.ESCALATED)
        assert incident.reason == "the agent cannot go on by itself: ZeroDivisionError: a mistake"
        assert incident.next_steps[0] == "read the agent's log"
        assert await scene.store.read(lambda rows: runs.next_due(rows, "respond")) is None


class Mistaken(FakeActuator):
    """Has a mistake in what it does."""

    async def execute(self, step: Step, *, target: Target, key: str) -> object:  # type: ignore[override]
        raise ZeroDivisionError("a mistake")


async def test_a_plan_whose_response_was_given_up_does_not_count_as_under_way(set_scene: Set) -> None:
    async with set_scene(plugin=Mistaken) as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run(120)
        [attempt] = await scene.attempts()
        assert (attempt.outcome, attempt.ended_at is not None) == (Outcome.UNCLEAR, True)
        since = attempt.decided_at
        [trial] = await scene.store.read(lambda rows: learning.all_trials(rows, since=since))
        assert (trial.incident, trial.harmed) == ("INC-1", True)
        assert (await scene.incident()).status is Status.ESCALATED
        assert len(await scene.store.read(incidents.open_ones)) == 1


async def test_a_result_may_hold_any_names(set_scene: Set) -> None:
    read = runbook("look", "fake.read", kinds=("unhealthy",), proof=Proof())
    async with set_scene(AT_ONCE, runbooks=[read]) as scene:
        scene.world.services["api"].readings.update(ok=1.0, at=2.0, target=3.0, seconds=4.0)
        await fail(scene)
        told = next(event for event in await scene.events() if event.kind == "proven")
        assert told.data["result"] == {"ok": 1.0, "at": 2.0, "target": 3.0, "seconds": 4.0}
        assert told.data["ok"] is True
