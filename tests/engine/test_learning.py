"""What comes of plans, of waiting and of diagnoses is learnt from, as seen from outside the engine."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.config.settings import Settings
from devops_agent.engine.lessons import Lessons, lessons
from devops_agent.kit.testing import FakeActuator
from devops_agent.model.decision import Answer, Permission
from devops_agent.model.incident import Status
from devops_agent.model.learning import Tried
from devops_agent.model.target import Trust
from devops_agent.store import learning
from tests.engine.people import answer, close, fall, order, switch
from tests.engine.site import ACTIONS, RESTART, Scene, alert, runbook, target

if TYPE_CHECKING:
    from devops_agent.model.action import Result, Step
    from devops_agent.model.prediction import Prediction
    from devops_agent.model.target import Target
    from tests.engine.conftest import Set

DEPLOY = runbook("deploy", "fake.deploy", args={"image": "shop/app:3"})
BETTER, WORSE = runbook("better", "fake.restart"), runbook("worse", "fake.start")
WORTH = {"fake.restart": 0.9, "fake.start": 0.2}


class Unsure(FakeActuator):
    """Acts on a world in which one action heals mostly and the other rarely."""

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        chance = random.Random(key).random()  # noqa: S311 — the same world each time
        self.world.services[target.name].starts_healthy = chance < WORTH[step.action]
        return await super().execute(step, target=target, key=key)


async def told(scene: Scene) -> Lessons:
    now, settings = scene.clock.now(), scene.settings
    return await scene.store.read(
        lambda rows: lessons(rows, settings=settings, actions=ACTIONS.values(), targets=settings.targets, now=now)
    )


async def trials(scene: Scene) -> list[Tried]:
    since = scene.clock.now() - timedelta(days=365)
    return await scene.store.read(lambda rows: learning.all_trials(rows, since=since))


async def predictions(scene: Scene, id_: str = "INC-1") -> list[Prediction]:
    return await scene.store.read(lambda rows: learning.predictions(rows, id_))


async def waits(scene: Scene) -> dict[tuple[str, str], tuple[int, int]]:
    since = scene.clock.now() - timedelta(days=365)
    return await scene.store.read(lambda rows: learning.waits(rows, since=since))


async def mend(scene: Scene, name: str = "api") -> None:
    """Let a service be well again without the agent's doing."""
    service = scene.world.services[name]
    service.running = service.healthy = True
    service.since = scene.clock.now() - timedelta(hours=1)


async def recover(scene: Scene) -> None:
    """Let the service fall, and be well again after 20 seconds in which nothing was done."""
    down = alert(at=scene.clock)
    scene.world.kill("api")
    await scene.deliver(down)
    await scene.run(20)
    await mend(scene)
    await scene.resolve(down)
    await scene.run()


async def one_more(scene: Scene, number: int) -> str:
    """Let the service fall anew, hours later, and return the runbook that was tried first."""
    scene.clock.jump(7200)
    await mend(scene)
    await fall(scene)
    await scene.run()
    incident = await scene.incident(f"INC-{number}")
    if incident.status is not Status.RESOLVED:
        await mend(scene)
        await close(scene, incident.id)
        await scene.run()
    return (await scene.attempts(incident.id))[0].plan.runbook


async def test_of_two_strategies_the_better_one_is_chosen_ever_more_often(set_scene: Set) -> None:
    async with set_scene(runbooks=[WORSE, BETTER], plugin=Unsure) as scene:
        chosen = [await one_more(scene, number) for number in range(1, 31)]
        assert chosen[0] == "worse"
        assert chosen[-15:].count("better") >= 13
        last = await told(scene)
        tried_ = {one.runbook: (one.healed, one.tried) for one in last.runbooks if one.kind == "down"}
        assert tried_["better"][1] > 3 * tried_["worse"][1]
        why = next(event.says for event in await scene.events("INC-30") if event.kind == "plan")
        assert why.startswith("better is for down; it healed ")
        assert "here before; chosen over worse (" in why


async def test_a_choice_is_the_same_after_a_crash(set_scene: Set) -> None:
    async with set_scene(runbooks=[WORSE, BETTER], plugin=Unsure) as scene:
        for number in range(1, 4):
            await one_more(scene, number)
        scene.clock.jump(7200)
        await fall(scene)
        await scene.die()
        await scene.run()
        first = (await scene.attempts("INC-4"))[0].plan.runbook
    async with set_scene(runbooks=[WORSE, BETTER], plugin=Unsure) as scene:
        for number in range(1, 4):
            await one_more(scene, number)
        assert await one_more(scene, 4) == first


async def test_what_came_of_a_plan_is_kept_with_what_it_was_for_and_the_image_it_was_done_to(set_scene: Set) -> None:
    async with set_scene() as scene:
        await fall(scene)
        await scene.run()
        [trial] = await trials(scene)
        assert (trial.incident, trial.target, trial.kind) == ("INC-1", "api", "down")
        assert (trial.runbook, trial.actions) == ("restart", ("fake.restart",))
        assert (trial.version, trial.healed) == ("shop/app:2", True)


async def test_an_order_is_no_answer_to_trouble_and_teaches_nothing(set_scene: Set) -> None:
    async with set_scene() as scene:
        await order(scene)
        await scene.run()
        assert (await scene.incident()).closed
        assert (await trials(scene), await predictions(scene), await waits(scene)) == ([], [], {})


async def test_trouble_that_comes_back_within_minutes_was_not_healed(set_scene: Set) -> None:
    async with set_scene() as scene:
        await fall(scene)
        await scene.run()
        assert [one.verdict for one in await predictions(scene)] == ["right"]
        scene.clock.jump(60)
        await fall(scene)
        assert [one.verdict for one in await predictions(scene)] == ["unknown"]
        await scene.run()
        assert [one.healed for one in await trials(scene)] == [False, True]


async def test_what_came_back_as_something_else_is_judged_by_what_was_done_since(set_scene: Set) -> None:
    async with set_scene() as scene:
        await fall(scene)
        await scene.run()
        scene.clock.jump(60)
        service = scene.world.services["api"]
        service.healthy = service.starts_healthy = False
        await scene.deliver(alert("ServiceUnhealthy", at=scene.clock))
        await scene.run()
        await close(scene)
        said = {one.kind: one.verdict for one in await predictions(scene)}
        assert said == {"down": "unknown", "unhealthy": "unknown"}


async def test_a_diagnosis_was_right_when_its_plan_healed(set_scene: Set) -> None:
    async with set_scene() as scene:
        await fall(scene)
        await scene.run()
        [made] = await predictions(scene)
        assert (made.kind, made.raw, made.published, made.seen) == ("down", 0.98, 0.98, True)
        assert (made.verdict, made.judged_by) == ("right", "outcome")


async def test_a_diagnosis_was_wrong_when_a_plan_for_another_one_healed(set_scene: Set) -> None:
    start = runbook("start", "fake.start", kinds=("down",))
    restart = runbook("restart", "fake.restart", kinds=("unhealthy",))
    async with set_scene(runbooks=[start, restart]) as scene:
        scene.world.services["api"].starts_healthy = False
        await fall(scene)
        await scene.run(90)
        scene.world.services["api"].starts_healthy = True
        await scene.run()
        assert (await scene.incident()).closed
        assert {one.kind: one.verdict for one in await predictions(scene)} == {"down": "wrong", "unhealthy": "right"}


async def test_a_false_alarm_makes_what_was_said_wrong(set_scene: Set) -> None:
    async with set_scene(target(checks=(), via="", managed=None)) as scene:
        await scene.deliver(alert(source="alertmanager", at=scene.clock))
        await scene.run()
        [made] = await predictions(scene)
        assert (made.kind, made.seen) == ("down", False)
        scene.settings = scene.settings.with_(targets=(target(),))
        await scene.resolve(alert(source="alertmanager", at=scene.clock))
        await scene.run()
        assert await waits(scene) == {}


async def test_trouble_that_nobody_acted_on_and_that_is_over_soon_heals_by_itself(set_scene: Set) -> None:
    async with set_scene() as scene:
        await switch(scene, on=False)
        await recover(scene)
        assert (await scene.incident()).closed
        assert await waits(scene) == {("down", "api"): (1, 1)}
        assert [one.verdict for one in await predictions(scene) if one.kind == "down"] == ["unknown"]


async def test_trouble_that_was_left_alone_for_minutes_does_not_heal_by_itself(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        scene.clock.jump(600)
        await answer(scene, Answer.APPROVED)
        await scene.run()
        assert (await scene.incident()).closed
        assert await waits(scene) == {("down", "api"): (0, 1)}


async def test_what_was_acted_on_at_once_or_closed_by_a_person_tells_nothing_about_waiting(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        await close(scene)
        await scene.run_later(7200)
        scene.runbooks = [RESTART]
        await fall(scene)
        await scene.run()
        assert await waits(scene) == {}


async def deploy_again(scene: Scene, number: int) -> Permission:
    """Let the service fall anew; return what the guard first said to the deployment, which a person then allows."""
    scene.clock.jump(7200)
    await fall(scene)
    await scene.run()
    id_ = f"INC-{number}"
    said = (await scene.attempts(id_))[0].decision.permission
    if said is Permission.ASK:
        await answer(scene, Answer.APPROVED, (await scene.asked(id_))[0].id)
        await scene.run()
    assert (await scene.incident(id_)).closed
    return said


async def test_what_people_let_happen_often_enough_needs_no_asking_any_more(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        said = [await deploy_again(scene, number) for number in range(1, 8)]
        assert said == [Permission.ASK] * 6 + [Permission.ALLOW]
        [verdict] = [one for one in (await scene.attempts("INC-7"))[0].decision.verdicts if one.rule == "trust"]
        assert verdict.reason == (
            "trust in fake.deploy for this on api is notify, risen: it healed 6 of 6, at least 50% more often than"
            " waiting"
        )


@pytest.mark.parametrize("ceiling", [{"trust": Trust.ASK}, {}])
async def test_nothing_is_earned_above_the_ceiling_that_people_set(set_scene: Set, ceiling: dict[str, Trust]) -> None:
    of_target = {} if ceiling else {"trust": Trust.ASK}
    async with set_scene(target(**of_target), runbooks=[DEPLOY], **ceiling) as scene:
        said = {await deploy_again(scene, number) for number in range(1, 10)}
        assert said == {Permission.ASK}


async def test_where_earned_trust_is_off_it_stays_where_it_starts(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        terms = scene.settings.learning.with_(earned_trust=False)
        scene.settings = scene.settings.with_(learning=terms)
        assert {await deploy_again(scene, number) for number in range(1, 10)} == {Permission.ASK}


async def test_what_never_helps_is_asked_for(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.services["api"].starts_healthy = False
        said = []
        for number in range(1, 20):
            await one_more(scene, number)
            said.append((await scene.attempts(f"INC-{number}"))[0].decision.permission)
        assert said == [Permission.ALLOW] * 18 + [Permission.ASK]
        [learnt] = [one for one in (await told(scene)).actions if one.kind == "down"]
        assert (learnt.action, learnt.healed, learnt.tried) == ("fake.restart", 0, 18)
        assert learnt.standing.level is Trust.ASK
        assert learnt.credit < 0.05


async def test_confidence_is_published_as_it_was_right_so_far(set_scene: Set) -> None:
    async with set_scene() as scene:
        for number in range(1, 4):
            await one_more(scene, number)
        [made] = await predictions(scene, "INC-3")
        assert made.raw == 0.98
        assert made.published > 0.98
        said = [event.says for event in await scene.events("INC-3") if event.kind == "diagnosis"]
        assert said[0].endswith("(98% sure)")
        [table] = (await told(scene)).confidence
        assert (table.source, table.judged_by) == ("rules", {"outcome": 3})
        assert (table.stated.claims, table.stated.bands[0].right) == (3, 1.0)
        scene.settings = scene.settings.with_(learning=scene.settings.learning.with_(calibrate=False))
        await one_more(scene, 4)
        assert [one.published for one in await predictions(scene, "INC-4")] == [0.98]


async def test_however_often_it_was_right_what_a_person_stopped_is_asked_about(set_scene: Set) -> None:
    async with set_scene() as scene:
        for number in range(1, 16):
            scene.clock.jump(7200)
            scene.world.kill("api")
            await scene.deliver(alert(at=scene.clock, stopped_by_person="true"))
            await scene.run()
            [attempt] = await scene.attempts(f"INC-{number}")
            assert (attempt.decision.permission, attempt.decision.rule) == (Permission.ASK, "confidence")
            await answer(scene, Answer.APPROVED, (await scene.asked(f"INC-{number}"))[0].id)
            await scene.run()
            assert (await scene.incident(f"INC-{number}")).closed
        assert (await predictions(scene, "INC-15"))[0].published > 0.5


def test_nothing_learnt_is_told_as_nothing(set_scene: Set) -> None:
    assert Settings().learning.earned_trust
    assert Lessons() == Lessons(confidence=(), runbooks=(), actions=())
