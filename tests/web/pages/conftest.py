"""A store that looks like a working week into which somebody has looked closely, and a browser that is logged in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.web import richer, seed
from tests.web.serving import Answer, Running

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows


@dataclass(frozen=True)
class Browser:
    """Somebody with a session."""

    web: Running
    headers: dict[str, str]

    async def get(self, path: str) -> Answer:
        return await self.web.get(path, scope="", headers=self.headers)

    async def post(self, path: str, **fields: str) -> Answer:
        """Post a form as the page would."""
        found = re.search(r'name="form_key" value="(\w+)"', (await self.get("/")).text)
        assert found
        data = {**fields, "form_key": found[1]}
        return await self.web.post(path, data=data, headers=self.headers, scope="")


@pytest.fixture
async def full(web: Running) -> Running:
    def fill(rows: Rows) -> None:
        seed.fill(rows, web.clock.now())
        richer.deepen(rows, web.clock.now())

    await web.store.write(fill, tell=("events",))
    return web


@pytest.fixture
async def operator(full: Running) -> Browser:
    return Browser(full, await full.log_in())


@pytest.fixture
async def admin(full: Running) -> Browser:
    return Browser(full, await full.log_in("admin"))


@pytest.fixture
async def reader(full: Running) -> Browser:
    return Browser(full, await full.log_in("read"))
