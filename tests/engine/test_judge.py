"""What is kept of decisions while incidents are responded to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.engine import judge
from devops_agent.engine.lifecycle import REMEMBER
from devops_agent.engine.replay import Policy, replay
from devops_agent.kit.testing import START
from devops_agent.store import judgements, runs
from tests.engine.site import ACTIONS, Scene, alert

if TYPE_CHECKING:
    from devops_agent.model.judgement import Judgement
    from tests.engine.conftest import Set


async def kept(scene: Scene) -> list[Judgement]:
    return await scene.store.read(lambda rows: judgements.since(rows, START))


def policy(scene: Scene) -> Policy:
    return Policy(
        settings=scene.settings,
        directory=scene.ground.directory,
        runbooks=scene.runbooks,
        actions=ACTIONS,
        switched={},
    )


async def break_and_heal(scene: Scene) -> None:
    scene.world.kill("api")
    await scene.deliver(alert(at=scene.clock))
    await scene.run()


async def test_every_decision_of_a_response_is_kept_and_is_made_again_the_same(set_scene: Set) -> None:
    async with set_scene() as scene:
        await break_and_heal(scene)
        found = await kept(scene)
        assert [one.step for one in found] == ["diagnose", "choose", "decide"]
        assert {one.incident for one in found} == {"INC-1"}
        assert [judge.again(one) for one in found] == [one.result_json for one in found]


async def test_after_a_change_of_policy_replay_tells_what_would_have_been_done(set_scene: Set) -> None:
    async with set_scene() as scene:
        await break_and_heal(scene)
        assert replay(await kept(scene), policy=policy(scene)).policy == ()
        scene.change(actions_per_hour=0)
        (found,) = replay(await kept(scene), policy=policy(scene)).policy
        assert (found.step, found.now) == ("decide", "deny by rate_limit: 0 of 0 plans in the last hour")


async def test_a_response_that_only_waits_keeps_its_decisions_once(set_scene: Set) -> None:
    async with set_scene() as scene:
        await scene.deliver(alert("HighLatency", source="alertmanager", at=scene.clock))
        await scene.run(120)
        steps = [one.step for one in await kept(scene)]
        assert len(steps) == len(set(steps))


async def test_an_incident_that_closes_is_to_be_remembered_and_one_that_is_open_is_not(set_scene: Set) -> None:
    async with set_scene() as scene:
        await scene.deliver(alert("SomethingOdd", "stranger", at=scene.clock))
        await scene.run()
        assert await scene.store.read(lambda rows: runs.next_due(rows, REMEMBER)) is None
        await break_and_heal(scene)
        later = scene.clock.now() + timedelta(minutes=1)
        claim = await scene.store.write(
            lambda rows: runs.claim(rows, REMEMBER, owner="worker", now=later, lease=START - START)
        )
        assert claim is not None
        assert (claim.job, claim.key) == ("incident", "INC-2")
