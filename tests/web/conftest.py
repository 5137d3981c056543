"""The web application, running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.web.serving import Running, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Running]:
    """Serve the application with an empty store until the test ends."""
    async with running(tmp_path) as web:
        yield web
