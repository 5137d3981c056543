"""What happens in between: at every point of a response something else is written, as another process may.

The points are those at which a kill could fall too; they are collected from an undisturbed response.
"""

from collections.abc import Callable

import pytest

from devops_agent.engine import commands
from devops_agent.engine.receive import receive
from devops_agent.model.alert import Alert, AlertStatus
from devops_agent.model.decision import Answer
from devops_agent.model.incident import Status
from devops_agent.store import approvals, incidents
from devops_agent.store.rows import Rows
from tests.effort import sampled
from tests.engine.conftest import Set
from tests.engine.site import RESTART, Scene, alert, runbook

Meanwhile = Callable[[Scene, Rows, Alert], None]
ASKING = runbook("new", "fake.deploy", args={"image": "shop/app:3"})
POINTS = (
    "record begin", "recorded begin", "end look", "ended look", "record keep evidence", "recorded keep evidence",
    "record diagnose", "recorded diagnose", "record choose", "recorded choose", "end decide: identify",
    "ended decide: identify", "record decide", "recorded decide", "record 1 restart: begins",
    "recorded 1 restart: begins", "begin 1 restart", "begun 1 restart", "did 1 restart", "end 1 restart",
    "ended 1 restart", "end 1 restart: proof", "ended 1 restart: proof", "record 1 restart: recorded",
    "recorded 1 restart: recorded", "record verify", "recorded verify", "end verified", "ended verified",
    "record healthy", "recorded healthy", "record conclude", "recorded conclude",
)  # fmt: skip


def resolved(scene: Scene, rows: Rows, firing: Alert) -> None:
    now = scene.clock.now()
    scene.world.services["api"].running = scene.world.services["api"].healthy = True
    over = firing.with_(status=AlertStatus.RESOLVED, ends_at=now)
    receive(rows, [over], ground=scene.ground, now=now)


def closed(scene: Scene, rows: Rows, firing: Alert) -> None:
    commands.resolve(rows, "INC-1", by="alice", comment="mended", now=scene.clock.now())


def repeated(scene: Scene, rows: Rows, firing: Alert) -> None:
    receive(rows, [alert("AnotherDown", source="poller", at=scene.clock)], ground=scene.ground, now=scene.clock.now())


def guided(scene: Scene, rows: Rows, firing: Alert) -> None:
    commands.guide(rows, "INC-1", runbook="restart", by="alice", comment="", now=scene.clock.now())


def paused(scene: Scene, rows: Rows, firing: Alert) -> None:
    now = scene.clock.now()
    commands.pause(rows, target="", reason="a release", by="alice", ends_at=None, now=now)


async def disturbed(scene: Scene, point: str, meanwhile: Meanwhile) -> tuple[list[str], bool]:
    """Run a response in which `meanwhile` happens at `point`; return all points, and whether it was refused."""
    points: list[str] = []
    refused = False
    firing = alert(source="alertmanager")

    def reach(name: str) -> None:
        nonlocal refused
        if name == point and name not in points:
            try:
                scene.store.write_now(lambda rows: meanwhile(scene, rows, firing), tell=commands.TOPICS)
            except commands.RefusedError:
                refused = True
        points.append(name)

    scene.boundary = reach
    scene.world.kill("api")
    await scene.deliver(firing)
    await scene.run(60)
    if not (await scene.incident()).closed:
        await scene.resolve(firing)
        await scene.run(10)
    return points, refused


async def test_the_points_are_all_there_are(set_scene: Set) -> None:
    async with set_scene() as scene:
        points, _ = await disturbed(scene, "", closed)
        assert tuple(dict.fromkeys(points)) == POINTS


@pytest.mark.parametrize("point", sampled(POINTS, every=4))
async def test_whenever_the_alert_is_resolved_the_incident_ends_and_nothing_is_begun_after_it_is_closed(
    set_scene: Set, point: str
) -> None:
    async with set_scene() as scene:
        await disturbed(scene, point, resolved)
        assert (await scene.incident()).status is Status.RESOLVED
        decided = POINTS.index(point) > POINTS.index("record decide")
        assert len(scene.done) == (1 if decided else 0)
        assert await scene.store.read(approvals.pending) == []


@pytest.mark.parametrize("point", sampled(POINTS, every=4))
async def test_whenever_a_person_closes_it_nothing_is_begun_afterwards(set_scene: Set, point: str) -> None:
    async with set_scene() as scene:
        _, refused = await disturbed(scene, point, closed)
        assert (await scene.incident()).status is Status.RESOLVED
        if POINTS.index(point) <= POINTS.index("record decide"):
            assert (scene.done, refused) == ([], False)
        else:
            assert scene.done == [("fake.restart", "api")]
        told = await scene.events()
        assert told[-1].kind in ("resolved", "healthy")
        assert all(one.ended_at for one in await scene.attempts() if one.started_at)


@pytest.mark.parametrize("point", sampled(POINTS, every=4))
@pytest.mark.parametrize("meanwhile", [repeated, guided, paused])
async def test_whatever_else_happens_it_is_healed_once_or_held_back(
    set_scene: Set, point: str, meanwhile: Meanwhile
) -> None:
    async with set_scene() as scene:
        await disturbed(scene, point, meanwhile)
        await scene.run(70)
        incident = await scene.incident()
        if meanwhile is paused and POINTS.index(point) <= POINTS.index("record decide"):
            assert scene.done == []
        else:
            assert scene.done == [("fake.restart", "api")]
            assert incident.status is Status.RESOLVED


@pytest.mark.parametrize("point", ["record ask", "recorded ask"])
@pytest.mark.parametrize("meanwhile", [closed, resolved])
async def test_no_question_outlives_its_incident(set_scene: Set, point: str, meanwhile: Meanwhile) -> None:
    async with set_scene(runbooks=[ASKING]) as scene:
        await disturbed(scene, point, meanwhile)
        assert (await scene.incident()).status is Status.RESOLVED
        assert (scene.done, await scene.store.read(approvals.pending)) == ([], [])


async def test_an_answer_that_comes_before_the_response_waits_for_it_is_heard(set_scene: Set) -> None:
    def approve(scene: Scene, rows: Rows, firing: Alert) -> None:
        commands.answer(rows, "APR-1", Answer.APPROVED, by="alice", comment="", now=scene.clock.now())

    async with set_scene(runbooks=[ASKING]) as scene:
        await disturbed(scene, "recorded ask", approve)
        assert scene.done == [("fake.deploy", "api")]


async def test_an_incident_that_vanished_ends_its_response(set_scene: Set) -> None:
    async with set_scene(runbooks=[RESTART]) as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.command(lambda rows: rows.run("DELETE FROM incidents"))
        await scene.run()
        assert (scene.done, await scene.store.read(incidents.open_ones)) == ([], [])
