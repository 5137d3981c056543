from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import ActuatorContract, OpenGuardian, tools
from devops_agent.model.action import Step
from devops_agent.model.target import Target
from devops_agent.plugins.supervisord.actuator import SupervisordActuator, build
from devops_agent.ports import Guardian, PluginError
from tests.plugins.supervisord.fake import FakeSupervisord

WEB = Target(name="web", via="supervisord", ref="shop:web")
RESTART = Step(name="restart", action="supervisord.restart")
Make = Callable[[Guardian], SupervisordActuator]


@pytest.fixture
def supervisord() -> Iterator[FakeSupervisord]:
    fake = FakeSupervisord()
    yield fake
    fake.close()


@pytest.fixture
async def make(supervisord: FakeSupervisord, tmp_path: Path) -> AsyncIterator[Make]:
    http = Http()
    yield lambda guardian: build({"url": supervisord.url}, tools=tools(tmp_path, guardian=guardian, http=http))
    await http.close()


@pytest.fixture
def actuator(make: Make) -> SupervisordActuator:
    return make(OpenGuardian())


class TestSupervisordActuator(ActuatorContract):
    @pytest.fixture
    def target(self) -> Target:
        return WEB

    @pytest.fixture
    def unknown_target(self) -> Target:
        return Target(name="nowhere", via="supervisord")

    @pytest.fixture
    def safe_step(self) -> Step:
        return RESTART

    @pytest.fixture
    def slow_step(self, supervisord: FakeSupervisord) -> Step | None:
        supervisord.programs.stopping.clear()
        return RESTART.with_(timeout=timedelta(seconds=0.2))


async def test_a_dead_program_is_started_by_a_restart(
    supervisord: FakeSupervisord, actuator: SupervisordActuator
) -> None:
    supervisord.programs.states["shop:web"] = "EXITED"
    assert (await actuator.observe(WEB)).running is False
    result = await actuator.execute(RESTART, target=WEB, key="1")
    assert "EXITED before" in result.says
    assert (await actuator.observe(WEB)).running is True


async def test_a_program_that_does_not_spawn_is_told(
    supervisord: FakeSupervisord, actuator: SupervisordActuator
) -> None:
    supervisord.programs.fails_to_spawn = True
    with pytest.raises(PluginError, match=r"cannot restart shop:web: SPAWN_ERROR"):
        await actuator.execute(RESTART, target=WEB, key="1")
    state = await actuator.observe(WEB)
    assert (state.running, state.healthy, state.extra["state"]) == (False, False, "FATAL")


async def test_stop_and_start_do_nothing_when_it_is_so_already(
    supervisord: FakeSupervisord, actuator: SupervisordActuator
) -> None:
    start, stop = (Step(name=verb, action=f"supervisord.{verb}") for verb in ("start", "stop"))
    assert not (await actuator.execute(start, target=WEB, key="1")).changed
    assert (await actuator.execute(stop, target=WEB, key="2")).changed
    assert not (await actuator.execute(stop, target=WEB, key="3")).changed
    assert (await actuator.execute(start, target=WEB, key="4")).changed


async def test_a_whole_group_is_never_acted_on(supervisord: FakeSupervisord, actuator: SupervisordActuator) -> None:
    everything = Target(name="all", via="supervisord", ref="shop:*")
    with pytest.raises(PluginError, match="knows no program"):
        await actuator.execute(RESTART, target=everything, key="1")
    assert set(supervisord.programs.calls) == {"supervisor.getProcessInfo"}


async def test_the_end_of_its_log_can_be_read(actuator: SupervisordActuator) -> None:
    step = Step(name="logs", action="supervisord.logs", args={"bytes": 1000})
    assert (await actuator.execute(step, target=WEB, key="1")).data == {"lines": ["one", "two"]}
    with pytest.raises(PluginError, match="known: stdout, stderr"):
        await actuator.execute(step.with_(args={"channel": "syslog"}), target=WEB, key="2")


async def test_a_supervisord_that_is_away_is_told(tmp_path: Path) -> None:
    http = Http()
    away = build({"url": f"unix://{tmp_path}/none.sock"}, tools=tools(tmp_path, http=http))
    with pytest.raises(PluginError, match=r"cannot ask supervisord at unix://.*none\.sock"):
        await away.observe(WEB)
    await http.close()
