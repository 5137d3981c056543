"""The agent's API with a week's history, and clients of the MCP server on it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client

from devops_agent.kit.http import Http
from devops_agent.mcp.calling import Api, Place
from devops_agent.mcp.server import build
from tests.web import seed
from tests.web.serving import SECRETS, Running, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp_types import CallToolResult, Tool


@dataclass(frozen=True, kw_only=True)
class Assistant:
    """An assistant that uses the server with one token."""

    client: Client

    async def tools(self) -> dict[str, Tool]:
        """Return the tools by name."""
        return {tool.name: tool for tool in (await self.client.list_tools()).tools}

    async def call(self, tool: str, /, **arguments: Any) -> Any:  # noqa: ANN401 — JSON
        """Call a tool that does what it is asked for; return the structured answer."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, text_of(result)
        return result.structured_content

    async def refused(self, tool: str, /, **arguments: Any) -> str:  # noqa: ANN401 — JSON
        """Call a tool that refuses; return what it says."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    """Return what a result says to those who read no structure."""
    return "\n".join(getattr(part, "text", "") for part in result.content)


@dataclass(frozen=True, kw_only=True)
class Site:
    """The running API, and its assistants."""

    web: Running
    http: Http

    @asynccontextmanager
    async def assistant(self, scope: str = "read", *, writes: bool = False, url: str = "") -> AsyncIterator[Assistant]:
        """Connect a client to a server that calls with the token of `scope`, or with `scope` itself as a token."""
        api = Api(Place(self.http, url or self.web.url), SECRETS.get(scope, scope))
        async with Client(build(lambda _: api, writes=writes)) as client:
            yield Assistant(client=client)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """INC-1 healed, INC-2 asks (APR-1), INC-3 escalated, INC-4 is being acted on."""
    http = Http()
    async with running(tmp_path) as web:
        await web.store.write(lambda rows: seed.fill(rows, web.clock.now()))
        yield Site(web=web, http=http)
    await http.close()
