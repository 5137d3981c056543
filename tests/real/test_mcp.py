"""`devops-agent mcp` as assistants start it: a process of its own, before the web role of the product, real clients."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from devops_agent.store import events, tokens
from tests.real.running import Site, site, until
from tests.web import seed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from devops_agent.store.rows import Rows
    from tests.real.parts import Program

pytestmark = pytest.mark.slow

SCOPES = ("read", "operate")


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Site]:
    """The web role alone, on a store with a week's history and a token for each scope, named after it."""

    def fill(rows: Rows) -> None:
        now = datetime.now(UTC)
        seed.fill(rows, now)
        for scope in SCOPES:
            tokens.keep(rows, f"editor-{scope}", secret=_secret(scope), scope=scope, now=now)

    async with site(tmp_path, {}) as made:
        made.write_config(web={"listen": f"127.0.0.1:{made.port}"})
        await made.store.write(fill)
        made.spawn("web", sys.executable, "-m", "devops_agent.app.web", str(made.config))

        async def up() -> bool:
            try:
                async with made.http.get(f"{made.url}/health") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(up, "web to answer")
        yield made


def _secret(scope: str) -> str:
    return f"secret-of-{scope}"


def _command(made: Site, *options: str) -> list[str]:
    return ["-m", "devops_agent", "--config", str(made.config), "mcp", *options]


@asynccontextmanager
async def over_stdio(made: Site, token: str, *options: str) -> AsyncIterator[Client]:
    """Connect as editors do: they start the program, and speak over its standard input and output."""
    file = made.folder / "editor.token"
    file.write_text(f"{token}\n")
    argv = _command(made, "--token-file", str(file), *options)
    async with Client(StdioServerParameters(command=sys.executable, args=argv)) as client:
        yield client


@asynccontextmanager
async def over_http(url: str, token: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


@asynccontextmanager
async def serving(made: Site, *options: str) -> AsyncIterator[tuple[str, Program]]:
    """Serve HTTP on a free port; yield the URL."""
    program = made.spawn("mcp", sys.executable, *_command(made, "--http", "127.0.0.1:0", *options))

    async def said() -> str | None:
        found = re.search(r"MCP: (\S+)", (made.folder / "mcp.log").read_text())
        return found[1] if found else None

    yield await until(said, "mcp to serve"), program


async def test_an_editor_reads_over_standard_input_and_output(web: Site) -> None:
    async with over_stdio(web, _secret("read")) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "approve" not in names
        answer = await client.call_tool("why", {"incident": "INC-2"})
        assert answer.structured_content is not None
        assert answer.structured_content["attempts"][0]["decision"]["rule"] == "trust"


async def test_older_clients_that_shake_hands_are_served_too(web: Site) -> None:
    argv = StdioServerParameters(
        command=sys.executable, args=_command(web), env={"DEVOPS_AGENT_TOKEN": _secret("read"), "PATH": os.defpath}
    )
    async with Client(argv, mode="legacy") as client:
        answer = await client.call_tool("incidents", {})
        assert answer.structured_content is not None
        assert len(answer.structured_content["items"]) == 3


async def test_a_plan_is_approved_by_an_operators_token_only_and_the_record_has_its_name(web: Site) -> None:
    async with over_stdio(web, _secret("read"), "--allow-writes") as client:
        (asked,) = ((await client.call_tool("approvals", {})).structured_content or {})["items"]
        answer = {"approval": asked["id"], "digest": asked["digest"], "comment": "seen it"}
        refused = await client.call_tool("approve", answer)
        assert refused.is_error
        assert "has scope read; this needs operate" in str(refused.content)
    async with over_stdio(web, _secret("operate"), "--allow-writes") as client:
        assert not (await client.call_tool("approve", answer)).is_error
    told = await web.store.read(lambda rows: events.search(rows, events.Sought(kind="approved")))
    assert [one.actor for one in told] == ["api:editor-operate"]


async def test_over_http_each_caller_has_the_rights_of_the_token_they_bring(web: Site) -> None:
    async with (
        serving(web, "--allow-writes") as (url, _),
        over_http(url, _secret("read")) as reader,
        over_http(url, _secret("operate")) as operator,
    ):
        asked = {"reason": "migration", "target": "checkout"}
        refused, done = await asyncio.gather(reader.call_tool("pause", asked), operator.call_tool("pause", asked))
        assert refused.is_error
        assert not done.is_error
        assert (done.structured_content or {})["result"]["by"] == "api:editor-operate"


async def test_over_http_foreign_pages_and_callers_without_a_token_are_refused(web: Site) -> None:
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"Accept": "application/json, text/event-stream"}
    right = {"Authorization": f"Bearer {_secret('read')}", **accept}
    async with serving(web) as (url, _):

        async def status(headers: dict[str, str], method: str = "POST") -> int:
            async with web.http.request(method, url, json=ask, headers=headers) as answer:
                return answer.status

        assert await status(right) == 200
        assert await status({**right, "Host": "evil.example"}) == 421
        assert await status({**right, "Origin": "http://evil.example"}) == 403
        assert await status({**right, "Origin": "http://localhost:6274"}) == 200
        for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {_secret('read')}"}):
            for method in ("POST", "GET", "DELETE"):
                assert await status({**accept, **wrong}, method) == 401


async def test_a_token_that_was_revoked_is_refused_though_it_was_let_in_before(web: Site) -> None:
    async with serving(web) as (url, _), over_http(url, _secret("read")) as client:
        assert not (await client.call_tool("status", {})).is_error
        await web.store.write(
            lambda rows: tokens.revoke(rows, "editor-read", now=datetime.now(UTC)), tell=("tokens",)
        )  # fmt: skip

        async def refused() -> bool:
            headers = {"Authorization": f"Bearer {_secret('read')}"}
            async with web.http.post(url, json={}, headers=headers) as answer:
                return answer.status == 401

        await until(refused, "the revoked token to be refused")


async def test_an_agent_that_is_away_is_told_and_found_again(web: Site) -> None:
    async with over_stdio(web, _secret("read")) as client:
        assert not (await client.call_tool("status", {})).is_error
        await asyncio.to_thread(web.programs.pop().stop, 20.0)
        said = await client.call_tool("status", {})
        assert said.is_error
        assert "cannot reach the agent's API" in str(said.content)
        web.spawn("web", sys.executable, "-m", "devops_agent.app.web", str(web.config))

        async def back() -> bool:
            return not (await client.call_tool("status", {})).is_error

        await until(back, "the API to be found again")


async def test_the_server_ends_when_it_is_told_to(web: Site) -> None:
    async with serving(web) as (_, program):
        program.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(program.process.wait, 20) == 0
