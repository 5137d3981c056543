from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import FakeClock, tools
from devops_agent.kit.tools import Tools
from tests.plugins.asked import Server, serving
from tests.plugins.prometheus.fake import FakePrometheus


@pytest.fixture
def fake() -> FakePrometheus:
    return FakePrometheus()


@pytest.fixture
async def server(fake: FakePrometheus) -> AsyncIterator[Server]:
    async with serving(fake.answer) as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def given_tools(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Tools]:
    http = Http()
    yield tools(tmp_path, clock=clock, http=http, secrets={"/run/token": "t0ken", "/run/password": "pass"})
    await http.close()
