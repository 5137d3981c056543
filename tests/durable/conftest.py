"""A store file for each test, without threads, and a clock that moves only when nothing else can go on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.inline import InlineStore, SteppedClock, new_database


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("template") / "agent.db"


@pytest.fixture
async def path(tmp_path: Path, template: Path) -> Path:
    await new_database(tmp_path / "agent.db", template=template)
    return tmp_path / "agent.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[InlineStore]:
    made = InlineStore(path)
    yield made
    await made.close()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()
