"""The poller: what it says of a target from one start of the agent to the next."""

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.config.settings import Polling
from devops_agent.engine.ground import Ground
from devops_agent.engine.look import Eyes
from devops_agent.engine.receive import Received, receive
from devops_agent.kit.testing import START, FakeActuator, FakeClock, FakeProbe, FakeWorld
from devops_agent.loops.poller import Poller
from devops_agent.model.alert import Alert
from devops_agent.model.evidence import Evidence
from devops_agent.model.incident import Status
from devops_agent.model.sighting import Health
from devops_agent.model.target import Check, Target
from devops_agent.model.watch import SOURCE
from devops_agent.store import Store, alerts, incidents, open_store
from tests.engine.taking_in import ground
from tests.engine.views import API


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as opened:
        yield opened


@pytest.fixture
def world() -> FakeWorld:
    made = FakeWorld(clock=FakeClock())
    made.add("api").since = START - timedelta(hours=1)
    return made


def start(world: FakeWorld, store: Store) -> Poller:
    """Return a poller that knows nothing yet, as after a start."""
    here: Ground = ground((API,))

    async def take_in(batch: Sequence[Alert]) -> Received:
        return await store.write(lambda rows: receive(rows, batch, ground=here, now=world.clock.now()))

    actuators, probes = {"fake": FakeActuator(world)}, {"fake": FakeProbe(world)}
    eyes = Eyes(actuators=actuators, probes=probes, fallback=None, clock=world.clock)
    return Poller(
        eyes=eyes,
        receive=take_in,
        polling=lambda: Polling(rise=1, fall=1),
        directory=lambda: here.directory,
        clock=world.clock,
    )


async def firing(store: Store) -> list[Alert]:
    return await store.read(lambda rows: alerts.firing_from(rows, SOURCE))


@pytest.mark.parametrize("looks", [0, 1], ids=["mended at once", "still down at first"])
async def test_what_fired_before_a_start_goes_on_and_ends_as_the_same_firing(
    world: FakeWorld, store: Store, looks: int
) -> None:
    world.services["api"].running = False
    await start(world, store).look_at(API)
    (before,) = await firing(store)
    poller = start(world, store)
    poller.recall(await firing(store))
    for _ in range(looks):
        await poller.look_at(API)
        assert await firing(store) == [before]
    world.services["api"].running = True
    await poller.look_at(API)
    assert await firing(store) == []
    (incident,) = await store.read(incidents.page)
    assert incident.status is Status.RESOLVED


async def test_a_target_that_goes_while_it_is_looked_at_is_not_remembered_as_one_in_trouble(world: FakeWorld) -> None:
    here = [ground((API,))]
    taken: list[Alert] = []

    class Going(FakeProbe):
        async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
            here[0] = ground(())
            return await super().look(target, window=window)

    async def take_in(batch: Sequence[Alert]) -> Received:
        taken.extend(batch)
        raise AssertionError(batch)

    world.services["api"].running = False
    eyes = Eyes(actuators={}, probes={"fake": Going(world)}, fallback=None, clock=world.clock)
    poller = Poller(
        eyes=eyes,
        receive=take_in,
        polling=lambda: Polling(rise=1, fall=1),
        directory=lambda: here[0].directory,
        clock=world.clock,
    )
    await poller.look_at(API)
    assert (poller.sightings, taken) == ({}, [])


async def test_a_change_of_health_is_told_once_to_who_asked(world: FakeWorld, store: Store) -> None:
    poller, told = start(world, store), list[Health]()
    poller.changed = lambda seen: told.append(seen.health)
    for running in (True, False, False, True):
        world.services["api"].running = running
        await poller.look_at(API)
    assert told == [Health.DOWN, Health.WELL]


async def test_what_each_check_found_last_is_remembered(world: FakeWorld, store: Store) -> None:
    poller, said = start(world, store), list[dict[str, str]]()
    watched = API.with_(checks=(Check(name="health", url="http://api/health"), Check(name="slow", every=2)))
    for healthy in (True, False):
        world.services["api"].healthy = healthy
        await poller.look_at(watched)
        said.append(poller.sightings["api"].results)
    assert said[0].get("health") == ""
    assert said[1]["health"]


async def test_that_checks_go_on_is_logged_for_all_targets_at_once(
    world: FakeWorld, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "devops_agent.poller")
    poller = start(world, store)
    await poller.tell(world.clock.now())
    assert not caplog.records
    await poller.look_at(API)
    await poller.tell(world.clock.now())
    (line,) = caplog.records
    assert line.message == "health checks"
    assert {name: vars(line)[name] for name in ("targets", "well", "polls")} == {"targets": 1, "well": 1, "polls": 1}
