"""The agent killed with -9: what it started lives on, and the same key starts nothing again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devops_agent.kit import proc
from devops_agent.kit.testing import OpenGuardian
from devops_agent.model.action import Step
from devops_agent.model.fact import to_json
from devops_agent.model.target import Target
from devops_agent.plugins.process.find import marked
from tests.plugins.process.conftest import Build

pytestmark = pytest.mark.slow

AGENT = """
import asyncio, os, pathlib, signal, sys
from devops_agent.kit.testing import FakeClock, tools
from devops_agent.model.action import Step
from devops_agent.model.fact import from_json
from devops_agent.model.target import Target
from devops_agent.plugins.process import actuator

class LastClock(FakeClock):
    looks = 0

    def monotonic(self):
        # It is looked at before the old process is ended, and after.
        self.looks += 1
        if sys.argv[2] == "between" and self.looks == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().monotonic()

async def act():
    built = actuator.build({}, tools=tools(pathlib.Path("."), clock=LastClock()))
    target = from_json(sys.argv[1], Target)
    await built.execute(Step(name="restart", action="process.restart"), target=target, key="run-1/restart")
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(act())
"""


@pytest.mark.parametrize("killed", ["between", "after"])
async def test_a_restart_is_finished_once_by_the_next_agent(
    idle: Target, make: Build, tmp_path: Path, killed: str
) -> None:
    restart = Step(name="restart", action="process.restart")
    first = make(OpenGuardian())
    await first.execute(Step(name="start", action="process.start"), target=idle, key="before")
    old = await first.observe(idle)
    agent = subprocess.run([sys.executable, "-c", AGENT, to_json(idle), killed], cwd=tmp_path, check=False)
    assert agent.returncode == -signal.SIGKILL
    left = marked(idle.name)
    assert len(left) == (0 if killed == "between" else 1)
    await make(OpenGuardian()).execute(restart, target=idle, key="run-1/restart")
    (now,) = marked(idle.name)
    assert now.instance != old.instance
    assert proc.environment(now.pid)["DEVOPS_AGENT_KEY"] == "run-1/restart"
    if killed == "after":
        assert now.instance == left[0].instance
