import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from devops_agent.kit.tools import Tools
from devops_agent.model.action import Step
from devops_agent.model.alert import Alert, AlertStatus
from devops_agent.model.target import Target
from devops_agent.plugins.process.actuator import ProcessActuator
from devops_agent.plugins.process.watcher import build

START = Step(name="s", action="process.start")


@pytest.mark.parametrize("told", [True, False])
async def test_a_death_is_told_at_once_and_the_return_too(
    idle: Target, actuator: ProcessActuator, given: Tools, *, told: bool
) -> None:
    await actuator.execute(START, target=idle, key="1")
    watcher = build({"look_again": 0.05}, tools=given)
    watcher.follow([idle, Target(name="other", via="docker")])
    changes = watcher.changes()
    waiting = asyncio.create_task(_next(changes))
    await asyncio.sleep(0)
    pid = (await actuator.observe(idle)).pid or 0
    os.kill(pid, signal.SIGKILL)
    died = await waiting
    assert (died.name, died.status, died.source) == ("ProcessDied", AlertStatus.FIRING, "process")
    assert died.labels["devops_agent_target"] == idle.name
    await actuator.execute(START, target=idle, key="2")
    if told:
        watcher.follow([idle])
    back = await anext(changes)
    assert back.status is AlertStatus.RESOLVED
    assert (back.fingerprint, back.starts_at) == (died.fingerprint, died.starts_at)
    await changes.aclose()  # type: ignore[attr-defined]


async def test_a_new_instance_is_watched_as_well(idle: Target, actuator: ProcessActuator, given: Tools) -> None:
    await actuator.execute(START, target=idle, key="1")
    watcher = build({}, tools=given)
    watcher.follow([idle])
    changes = watcher.changes()
    waiting = asyncio.create_task(_next(changes))
    await asyncio.sleep(0)
    statuses = []
    for number in (2, 3):
        await actuator.execute(Step(name="r", action="process.restart"), target=idle, key=str(number))
        watcher.follow([idle])
        statuses += [(await waiting).status, (await anext(changes)).status]
        waiting = asyncio.create_task(_next(changes))
        await asyncio.sleep(0)
    assert statuses == [AlertStatus.FIRING, AlertStatus.RESOLVED] * 2
    waiting.cancel()


async def _next(changes: AsyncIterator[Alert]) -> Alert:
    return await anext(changes)
