"""Actions that a person orders: what they go through, what stops them, and how they end."""

from devops_agent.engine import commands
from devops_agent.kit.testing import StrictGuardian, Trouble
from devops_agent.model.action import Proof
from devops_agent.model.attempt import Outcome
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.incident import Status
from tests.engine.conftest import Set
from tests.engine.people import fall, order, pause, switch
from tests.engine.site import runbook, target


async def test_an_order_is_carried_out_on_a_healthy_service_proven_and_closed(set_scene: Set) -> None:
    async with set_scene() as scene:
        ordered = await order(scene)
        await scene.run()
        assert scene.done == [("fake.restart", "api")]
        incident = await scene.incident(ordered.id)
        assert incident.status is Status.RESOLVED
        assert incident.reason == "done as ordered: every step was proven"
        [attempt] = await scene.attempts(ordered.id)
        assert (attempt.outcome, attempt.ordered) == (Outcome.HEALED, True)


async def test_an_order_that_fails_is_told_and_not_tried_again(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.actuator.will(Trouble(fails="no permission", times=3))
        ordered = await order(scene)
        await scene.run(600)
        incident = await scene.incident(ordered.id)
        assert (scene.done, incident.status) == ([], Status.ESCALATED)
        assert "no permission" in incident.reason
        assert len(await scene.attempts(ordered.id)) == 1


async def test_an_order_goes_through_pause_and_monitoring_only_but_not_through_opt_out(set_scene: Set) -> None:
    async with set_scene(target(), target("out", managed=False)) as scene:
        await pause(scene)
        await switch(scene, on=False)
        await order(scene)
        refused = await order(scene, name="out")
        await scene.run()
        assert scene.done == [("fake.restart", "api")]
        assert "out is opted out" in (await scene.incident(refused.id)).reason


async def test_an_order_never_touches_what_is_protected(set_scene: Set) -> None:
    guardian = StrictGuardian(Protected(what="its database", why="test", is_=Identity(names=frozenset({"api"}))))
    async with set_scene(guardian=guardian) as scene:
        ordered = await order(scene)
        await scene.run()
        assert (scene.done, (await scene.incident(ordered.id)).status) == ([], Status.ESCALATED)
        assert "never touched: its database (test)" in (await scene.incident(ordered.id)).reason


async def test_an_order_for_an_unknown_target_is_told(set_scene: Set) -> None:
    async with set_scene() as scene:
        ordered = await order(scene, name="nobody")
        await scene.run()
        assert "no target is known as 'nobody'" in (await scene.incident(ordered.id)).reason


async def test_an_order_waits_while_a_response_acts_on_the_same_target(set_scene: Set) -> None:
    async with set_scene(runbooks=[runbook("restart", "fake.restart")]) as scene:
        scene.actuator.will(Trouble(hangs=True, after=True))
        await fall(scene)
        await scene.run(5)
        await order(scene, "fake.stop")
        await scene.run(20)
        assert scene.done == [("fake.restart", "api")]
        await scene.run()
        assert scene.done[-1] == ("fake.stop", "api")


async def test_what_was_stopped_by_order_stays_stopped_until_it_is_resumed(set_scene: Set) -> None:
    async with set_scene(runbooks=[runbook("restart", "fake.restart")]) as scene:
        ordered = await order(scene, "fake.stop", proof=Proof(state="stopped"))
        await scene.run()
        assert (await scene.incident(ordered.id)).status is Status.RESOLVED
        await fall(scene)
        await scene.run(60)
        assert scene.done == [("fake.stop", "api")]
        await scene.command(lambda rows: commands.resume(rows, target="api", by="alice", now=scene.clock.now()))
        await scene.run()
        assert scene.done[1:] == [("fake.restart", "api")]
