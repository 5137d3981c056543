"""Scenes for the tests of workers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.workers import remembering


@pytest.fixture
async def past(tmp_path: Path) -> AsyncIterator[remembering.Past]:
    """A store in which things can have happened."""
    async with remembering.past(tmp_path) as made:
        yield made
