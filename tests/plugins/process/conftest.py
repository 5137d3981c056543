import os
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import OpenGuardian, tools
from devops_agent.kit.tools import Tools
from devops_agent.model.target import Target
from devops_agent.plugins.process.actuator import ProcessActuator, build
from devops_agent.plugins.process.find import marked
from devops_agent.ports import Guardian

Build = Callable[[Guardian], ProcessActuator]


@pytest.fixture
async def given(tmp_path: Path) -> AsyncIterator[Tools]:
    http = Http()
    yield tools(tmp_path, http=http)
    await http.close()


@pytest.fixture
def name() -> Iterator[str]:
    """Return a name that no other test uses, and end what still carries it."""
    name = f"sleeper-{uuid.uuid4().hex[:8]}"
    yield name
    for process in marked(name):
        os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def idle(name: str, tmp_path: Path) -> Target:
    """Return a target that does not run yet."""
    options: dict[str, object] = {"command": ["sleep", "600"], "cwd": str(tmp_path), "stop_timeout": 5}
    return Target(name=name, via="process", options=options)


@pytest.fixture
async def make(tmp_path: Path, given: Tools) -> AsyncIterator[Build]:
    built: list[ProcessActuator] = []

    def make(guardian: Guardian) -> ProcessActuator:
        own = tools(tmp_path, guardian=guardian, http=given.http)
        built.append(build({}, tools=own))
        return built[-1]

    yield make
    for actuator in built:
        await actuator.close()


@pytest.fixture
def actuator(make: Build) -> ProcessActuator:
    return make(OpenGuardian())
