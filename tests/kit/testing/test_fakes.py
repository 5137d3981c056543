from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.kit.testing import (
    ActuatorContract,
    FakeActuator,
    FakeClock,
    FakeInventory,
    FakeProbe,
    FakeWatcher,
    FakeWorld,
    Killed,
    StrictGuardian,
    Trouble,
    tools,
)
from devops_agent.kit.testing.contract import Make
from devops_agent.model.action import Effect, Result, Step
from devops_agent.model.alert import Alert, AlertStatus
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.target import Target
from devops_agent.ports import PluginError, Untouchable

SHOP = Target(name="shop", via="fake")
RESTART = Step(name="restart", action="fake.restart")


@pytest.fixture
def world() -> FakeWorld:
    world = FakeWorld(clock=FakeClock())
    world.add("shop").readings = {"disk_percent": 91.0}
    return world


class TestFakeActuator(ActuatorContract):
    @pytest.fixture
    def make(self, world: FakeWorld) -> Make:
        return lambda guardian: FakeActuator(world, guardian=guardian)

    @pytest.fixture
    def target(self) -> Target:
        return SHOP

    @pytest.fixture
    def unknown_target(self) -> Target:
        return Target(name="nowhere", via="fake")

    @pytest.fixture
    def safe_step(self) -> Step:
        return RESTART

    @pytest.fixture
    def slow_step(self, world: FakeWorld, make: Make) -> Step | None:
        return None


async def test_a_restart_heals_a_dead_service_and_the_probe_sees_it(world: FakeWorld) -> None:
    probe, actuator = FakeProbe(world), FakeActuator(world)
    world.kill("shop")
    seen = {each.name: each.value for each in await probe.look(SHOP, window=timedelta(minutes=1))}
    assert seen == {"state": "stopped", "health": False, "disk_percent": 91.0}
    await actuator.execute(RESTART, target=SHOP, key="k")
    seen = {each.name: each.value for each in await probe.look(SHOP, window=timedelta(minutes=1))}
    assert seen["health"] is True
    assert [(done.action, done.key) for done in world.done] == [("fake.restart", "k")]


async def test_what_cannot_be_reached_is_evidence(world: FakeWorld) -> None:
    probe = FakeProbe(world)
    probe.unreachable.add("shop")
    (seen,) = await probe.look(SHOP, window=timedelta(minutes=1))
    assert (seen.value, seen.says) == (False, "cannot reach shop")


async def test_troubles_come_in_order_and_end(world: FakeWorld) -> None:
    actuator = FakeActuator(world)
    actuator.will(Trouble(fails="no disk", retryable=False))
    actuator.will(Trouble(action="fake.restart", hangs=True))
    with pytest.raises(PluginError, match="no disk"):
        await actuator.execute(RESTART, target=SHOP, key="k")
    with pytest.raises(PluginError, match="no answer within 60 s"):
        await actuator.execute(RESTART, target=SHOP, key="k")
    assert world.clock.monotonic() == 60
    assert world.done == []
    assert (await actuator.execute(RESTART, target=SHOP, key="k")).ok


@pytest.mark.parametrize(("after", "effect"), [(False, Effect.ABSENT), (True, Effect.DONE)])
async def test_a_kill_before_or_after_the_effect_can_be_told_apart(
    world: FakeWorld, *, after: bool, effect: Effect
) -> None:
    actuator = FakeActuator(world)
    actuator.will(Trouble(crashes=Killed(), after=after))
    before = await actuator.observe(SHOP)
    with pytest.raises(Killed):
        await actuator.execute(RESTART, target=SHOP, key="k")
    reborn = FakeActuator(world)
    assert reborn.effect(RESTART, before=before, after=await reborn.observe(SHOP)) is effect


async def test_a_rollback_is_undone_with_its_own_arguments(world: FakeWorld) -> None:
    actuator = FakeActuator(world)
    result = await actuator.execute(Step(name="back", action="fake.rollback"), target=SHOP, key="1")
    assert (await actuator.observe(SHOP)).image == "shop/app:1"
    undo = Step(name="undo", action="fake.deploy", args=result.undo)
    await actuator.execute(undo, target=SHOP, key="2")
    assert (await actuator.observe(SHOP)).image == "shop/app:2"


async def test_other_actions_change_the_world_as_they_say(world: FakeWorld) -> None:
    actuator = FakeActuator(world)

    async def do(verb: str) -> Result:
        return await actuator.execute(Step(name=verb, action=f"fake.{verb}"), target=SHOP, key=verb)

    await do("stop")
    assert not world.services["shop"].running
    await do("start")
    assert world.services["shop"].running
    await do("clean")
    assert (await do("read")).data == {"disk_percent": 51.0}
    await do("erase")
    assert not (await actuator.observe(SHOP)).exists
    assert [done.action for done in world.done] == ["fake.stop", "fake.start", "fake.clean", "fake.erase"]


async def test_a_strict_guardian_tells_what_and_why() -> None:
    guardian = StrictGuardian(Protected(what="store", why="its database", is_=Identity(ports=frozenset({5432}))))
    with pytest.raises(Untouchable, match=r"store \(its database\)"):
        guardian.refuse(Identity(ports=frozenset({80, 5432})))
    guardian.refuse(Identity(ports=frozenset({80})))


async def test_inventory_and_watcher_say_what_they_are_told() -> None:
    inventory, watcher = FakeInventory([SHOP]), FakeWatcher()
    assert await inventory.discover() == [SHOP]
    inventory.trouble = PluginError("gone")
    with pytest.raises(PluginError, match="gone"):
        await inventory.discover()
    alert = Alert(fingerprint="1", status=AlertStatus.FIRING, labels={}, starts_at=FakeClock().now(), source="fake")
    watcher.follow([SHOP])
    watcher.tell(alert)
    watcher.lose("socket closed")
    said: list[Alert] = []
    with pytest.raises(PluginError, match="socket closed"):  # noqa: PT012 — the last word comes after the others
        async for change in watcher.changes():
            said.append(change)  # noqa: PERF401
    assert said == [alert]
    assert watcher.followed == (SHOP,)


def test_tools_hold_the_secrets_that_a_test_gives(tmp_path: Path) -> None:
    given = tools(tmp_path, secrets={"/run/secrets/x": "s3cret"})
    assert given.secret("/run/secrets/x") == "s3cret"
    with pytest.raises(PluginError, match="/nowhere"):
        given.secret("/nowhere")
