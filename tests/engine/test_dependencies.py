"""Parents and children: what depends on something that is in trouble waits for it, and is looked at again after it."""

from datetime import timedelta

from devops_agent.engine import commands
from devops_agent.model.incident import Status
from devops_agent.store import incidents, outbox
from tests.engine.conftest import Set
from tests.engine.site import RESTART, Scene, alert, runbook, target

SHOP = (target("db"), target("api", depends_on=("db",)))


async def fall(scene: Scene, name: str, source: str = "poller") -> None:
    scene.world.kill(name)
    await scene.deliver(alert(target=name, source=source, at=scene.clock))


async def test_a_childs_alert_joins_the_incident_of_its_parent(set_scene: Set) -> None:
    async with set_scene(*SHOP) as scene:
        await fall(scene, "db")
        scene.world.services["api"].healthy = False
        await scene.deliver(alert("TargetUnhealthy", "api"))
        assert [one.target for one in await scene.incidents()] == ["db"]
        scene.world.services["api"].healthy = True
        await scene.run()
        assert scene.done == [("fake.restart", "db")]
        assert (await scene.incident()).status is Status.RESOLVED


async def test_a_childs_alert_that_outlives_its_parents_trouble_is_not_held_against_the_parent(set_scene: Set) -> None:
    async with set_scene(*SHOP) as scene:
        await fall(scene, "db")
        await fall(scene, "api", source="alertmanager")
        await scene.run()
        assert scene.done == [("fake.restart", "db"), ("fake.restart", "api")]
        parent, child = await scene.incidents()
        assert (parent.status, child.target, child.status) == (Status.RESOLVED, "api", Status.VERIFYING)
        assert parent.attempts == 1


async def test_the_placeholders_and_claims_of_a_plan_come_from_the_targets_own_alerts(set_scene: Set) -> None:
    book = runbook("new", "fake.deploy", args={"image": "{labels.image}"})
    async with set_scene(*SHOP, runbooks=[book]) as scene:
        scene.world.kill("db")
        await scene.deliver(alert("TargetDown", "db", image="db:2"))
        await scene.deliver(alert("ApiDown", "api", image="api:7", at=scene.clock))
        await scene.run()
        [attempt] = await scene.attempts()
        assert attempt.plan.steps[0].args == {"image": "db:2"}


async def test_a_child_whose_incident_came_first_waits_and_is_looked_at_after_the_parent(set_scene: Set) -> None:
    async with set_scene(*SHOP) as scene:
        scene.world.services["api"].healthy = False
        await scene.deliver(alert("TargetUnhealthy", "api"))
        await fall(scene, "db")
        await scene.run(30)
        child, parent = await scene.incidents()
        assert (child.parent, parent.status) == (parent.id, Status.RESOLVED)
        assert scene.done[0] == ("fake.restart", "db")
        await scene.run()
        assert scene.done == [("fake.restart", "db"), ("fake.restart", "api")]
        assert (await scene.incident(child.id)).status is Status.RESOLVED


async def test_a_child_that_recovers_with_its_parent_is_left_alone(set_scene: Set) -> None:
    async with set_scene(*SHOP) as scene:
        scene.world.services["api"].healthy = False
        await scene.deliver(alert("TargetUnhealthy", "api"))
        await fall(scene, "db")
        await scene.run(2)
        scene.world.services["api"].healthy = True
        await scene.run()
        assert scene.done == [("fake.restart", "db")]
        assert all(one.closed for one in await scene.incidents())


async def test_a_child_is_not_told_to_people_before_its_parents_trouble_is_known(set_scene: Set) -> None:
    async with set_scene(*SHOP) as scene:
        scene.world.kill("db")
        scene.world.services["api"].healthy = False
        await scene.deliver(alert("TargetUnhealthy", "api"))
        await scene.run(20)
        assert (scene.done, await scene.store.read(outbox.latest)) == ([], [])
        await scene.deliver(alert(target="db", at=scene.clock))
        await scene.run(40)
        assert scene.done[0] == ("fake.restart", "db")
        assert "escalated" not in [notice.kind for notice in await scene.store.read(outbox.latest)]


async def test_a_child_of_a_parent_that_nobody_mends_is_told_to_people_in_the_end(set_scene: Set) -> None:
    async with set_scene(*SHOP) as scene:
        scene.world.kill("db")
        scene.world.services["api"].healthy = False
        await scene.deliver(alert("TargetUnhealthy", "api"))
        await scene.run(80)
        incident = await scene.incident()
        assert (scene.done, incident.status) == ([], Status.ESCALATED)
        assert "it depends on db, which is in trouble" in incident.reason


async def test_a_child_that_was_told_to_people_is_taken_up_again_after_the_parent(set_scene: Set) -> None:
    async with set_scene(*SHOP) as scene:
        scene.world.kill("db")
        scene.world.services["api"].healthy = False
        await scene.deliver(alert("TargetUnhealthy", "api"))
        await scene.run(80)
        await scene.deliver(alert(target="db", at=scene.clock))
        await scene.run()
        assert scene.done == [("fake.restart", "db"), ("fake.restart", "api")]
        assert all(one.closed for one in await scene.incidents())


async def test_when_a_person_closes_the_parent_the_child_is_looked_at_again(set_scene: Set) -> None:
    async with set_scene(*SHOP, runbooks=[RESTART.with_(match=RESTART.match.with_(targets=("api",)))]) as scene:
        scene.world.services["api"].healthy = False
        await scene.deliver(alert("TargetUnhealthy", "api"))
        await fall(scene, "db")
        await scene.run(10)
        assert (await scene.incident("INC-2")).status is Status.ESCALATED
        service = scene.world.services["db"]
        service.running = service.healthy = True
        now = scene.clock.now()
        await scene.command(lambda rows: commands.resolve(rows, "INC-2", by="alice", comment="mended", now=now))
        await scene.run()
        assert scene.done == [("fake.restart", "api")]


async def test_a_dead_child_is_restarted_though_its_parent_ails(set_scene: Set) -> None:
    async with set_scene(*SHOP) as scene:
        scene.world.services["db"].healthy = False
        await fall(scene, "api")
        await scene.run(10)
        assert scene.done == [("fake.restart", "api")]


async def test_the_alerts_of_a_group_of_children_open_an_incident_each_when_the_parent_is_closed(
    set_scene: Set,
) -> None:
    shop = (target("db"), *(target(f"s{number}", depends_on=("db",)) for number in range(3)))
    async with set_scene(*shop, storm_count=9, concurrent=9) as scene:
        await fall(scene, "db")
        for number in range(3):
            await fall(scene, f"s{number}", source="alertmanager")
        await scene.run()
        assert sorted(one.target for one in await scene.store.read(incidents.open_ones)) == ["s0", "s1", "s2"]
        assert len(scene.done) == 4
        assert scene.world.done[1].at - scene.world.done[0].at < timedelta(seconds=10)
