"""Looking: who is asked, and what their answers amount to."""

from datetime import timedelta

import pytest

from devops_agent.engine.look import Eyes
from devops_agent.kit.testing import START, FakeActuator, FakeClock, FakeProbe, FakeWorld
from devops_agent.model.evidence import Evidence, State
from devops_agent.model.sighting import Health
from devops_agent.model.target import Check, Target, Thresholds
from devops_agent.model.view import View
from devops_agent.ports import PluginError, Probe
from tests.engine.views import API, DEAD, HEALTHY, ILL, RUNS, seen, view

OFF = Thresholds(memory_percent=None, disk_percent=None, disk_cleanup_percent=None, latency_ms=None)


class Network:
    """A fallback probe that finds the network between us broken."""

    def __init__(self) -> None:
        self.asked = 0

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        self.asked += 1
        return [seen("verdict", "our own network down")]


class Broken:
    """A probe that fails."""

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        raise PluginError("no permission")


class Mute(FakeActuator):
    """Cannot see any state."""

    async def observe(self, target: Target) -> State:
        raise PluginError("the socket is away")


@pytest.fixture
def world() -> FakeWorld:
    made = FakeWorld(clock=FakeClock())
    made.add("api").since = START - timedelta(hours=1)
    return made


def eyes(world: FakeWorld, *, network: Network | None = None, actuator: FakeActuator | None = None) -> Eyes:
    probes: dict[str, Probe] = {"fake": FakeProbe(world), "broken": Broken()}
    return Eyes(actuators={"fake": actuator or FakeActuator(world)}, probes=probes, fallback=network, clock=world.clock)


async def test_state_and_checks_are_put_together(world: FakeWorld) -> None:
    world.services["api"].readings["memory_percent"] = 41.0
    found = await eyes(world).look(API)
    assert (found.health, found.readings, found.checked) == (Health.WELL, {"memory_percent": 41.0}, True)
    assert found.state is not None
    assert found.state.running is True


async def test_only_probes_that_the_target_has_checks_for_are_asked(world: FakeWorld) -> None:
    found = await eyes(world).look(API.with_(checks=(), via=""))
    assert (found.evidence, found.state, found.health) == ((), None, Health.UNKNOWN)


async def test_a_plugin_that_fails_is_left_out_of_the_look(world: FakeWorld) -> None:
    both = API.with_(checks=(*API.checks, Check(name="more", kind="broken")))
    assert (await eyes(world).look(both)).health is Health.WELL
    blind = await eyes(world, actuator=Mute(world)).look(API)
    assert (blind.state, blind.health) == (None, Health.WELL)


async def test_when_a_check_fails_it_is_asked_whether_the_network_is_to_blame(world: FakeWorld) -> None:
    network = Network()
    world.services["api"].healthy = False
    found = await eyes(world, network=network).look(API)
    assert (found.health, found.network, network.asked) == (Health.UNREACHABLE, "our own network down", 1)


async def test_the_network_is_not_asked_about_what_is_well_surely_down_or_only_glanced_at(world: FakeWorld) -> None:
    network = Network()
    await eyes(world, network=network).look(API)
    world.services["api"].healthy = False
    await eyes(world, network=network).look(API, thoroughly=False)
    world.kill("api")
    assert (await eyes(world, network=network).look(API)).health is Health.DOWN
    assert network.asked == 0


@pytest.mark.parametrize(
    ("seen_", "health", "kinds"),
    [
        (view(), Health.WELL, []),
        (view(DEAD), Health.DOWN, ["down"]),
        (view(State(exists=False)), Health.DOWN, ["down"]),
        (view(DEAD.with_(oom_killed=True)), Health.DOWN, ["out_of_memory"]),
        (view(RUNS, ILL), Health.DOWN, ["unhealthy"]),
        (view(RUNS.with_(healthy=False)), Health.DOWN, ["unhealthy"]),
        (view(None, ILL), Health.DOWN, ["down"]),
        (view(None, ILL, seen("verdict", "name resolution broken")), Health.UNREACHABLE, ["unreachable"]),
        (view(DEAD, ILL, seen("verdict", "our own network down")), Health.UNREACHABLE, ["down"]),
        (view(None, ILL, seen("verdict", "the service is down")), Health.DOWN, ["down"]),
        (view(RUNS.with_(since=START - timedelta(seconds=29)), ILL), Health.STARTING, []),
        (view(RUNS.with_(since=START - timedelta(seconds=30)), ILL), Health.DOWN, ["unhealthy"]),
        (view(RUNS.with_(starting=True), ILL), Health.STARTING, []),
        (view(RUNS.with_(since=START - timedelta(seconds=1))), Health.WELL, []),
        (view(memory_percent=80), Health.WELL, []),
        (view(memory_percent=80.5), Health.DEGRADED, ["memory_pressure"]),
        (view(disk_percent=76), Health.DEGRADED, ["disk_filling"]),
        (view(disk_percent=99), Health.DEGRADED, ["disk_filling"]),
        (view(latency_ms=2001, error_percent=6), Health.DEGRADED, ["high_error_rate", "high_latency"]),
        (view(certificate_days=13.9), Health.DEGRADED, ["certificate_expiry"]),
        (view(certificate_days=14), Health.WELL, []),
        (view(cpu_percent=100), Health.WELL, []),
        (view(log_growth_mb_per_minute=60), Health.DEGRADED, ["log_growth"]),
        (view(of=API.with_(thresholds=OFF), memory_percent=99, latency_ms=1e6), Health.WELL, []),
        (view(None, seen("memory_percent", 5.0)), Health.UNKNOWN, []),
    ],
)
def test_what_is_seen_amounts_to_one_word_and_what_is_wrong(seen_: View, health: Health, kinds: list[str]) -> None:
    assert (seen_.health, sorted(condition.kind for condition in seen_.conditions)) == (health, sorted(kinds))
    assert seen_.says


def test_only_what_the_acting_plugin_reports_as_dead_is_certain_at_first_sight() -> None:
    assert [condition.at_once for condition in view(DEAD).conditions] == [True]
    assert [condition.at_once for condition in view(RUNS, ILL, memory_percent=99).conditions] == [False, False]


def test_a_check_that_is_not_vital_brings_readings_only() -> None:
    lazy = API.with_(checks=(Check(name="health", kind="fake", vital=False),))
    found = view(RUNS, ILL, of=lazy)
    assert (found.failing, found.checked, found.health) == ((), False, Health.WELL)
    assert view(None, HEALTHY, of=lazy).health is Health.UNKNOWN


async def test_what_prometheus_knows_is_asked_for_any_target() -> None:
    shop = Target(name="shop")
    probe = FakeProbe(FakeWorld(clock=FakeClock()))
    probe.world.add("shop").readings = {"error_percent": 1.0}
    eyes = Eyes(actuators={}, probes={"prometheus": probe, "docker": probe}, fallback=None, clock=FakeClock())
    view = await eyes.look(shop)
    assert view.readings == {"error_percent": 1.0}
    assert len(view.evidence) == 3
