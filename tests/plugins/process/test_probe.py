from datetime import timedelta

from devops_agent.kit.testing import FakeClock, tools
from devops_agent.kit.tools import Tools
from devops_agent.model.action import Step
from devops_agent.model.target import Target
from devops_agent.plugins.process.actuator import ProcessActuator
from devops_agent.plugins.process.probe import ProcessProbe, build

MINUTE = timedelta(minutes=1)


async def look(probe: ProcessProbe, target: Target) -> dict[str, object]:
    return {seen.name: seen.value for seen in await probe.look(target, window=MINUTE)}


async def test_a_running_process_gives_state_and_readings(
    idle: Target, actuator: ProcessActuator, given: Tools
) -> None:
    clock = FakeClock()
    probe = build({}, tools=tools(given.state_dir, clock=clock, http=given.http))
    target = idle.with_(options={**idle.options, "memory_limit_mb": 1000})
    await actuator.execute(Step(name="s", action="process.start"), target=target, key="1")
    first = await look(probe, target)
    assert first["state"] == "running"
    assert isinstance(first["rss_mb"], float)
    assert first["memory_percent"] == round(first["rss_mb"] / 10, 1)
    assert first["open_files"] == 3
    assert "cpu_percent" not in first
    await clock.advance(0.01)
    assert "cpu_percent" not in await look(probe, target), "two looks in the same instant say nothing of a share"
    await clock.advance(10)
    assert (await look(probe, target))["cpu_percent"] == 0


async def test_a_dead_process_and_wrong_options_are_evidence(idle: Target, given: Tools) -> None:
    probe = build({}, tools=given)
    assert await look(probe, idle) == {"state": "dead"}
    assert await look(probe, idle.with_(options={"comand": []})) == {"state": "unknown"}
