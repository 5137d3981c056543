"""History mirrored to the real MCP memory server, npm's mcp-memory-keeper."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from devops_agent.kit.testing import START, tools
from devops_agent.model.knowledge import Memory
from devops_agent.plugins.memory_keeper.mirror import MemoryKeeper, build, key_of
from devops_agent.ports import PluginError
from tests.real.parts import Missing, find
from tests.workers.remembering import DAY, past

pytestmark = [pytest.mark.real, pytest.mark.slow]

PLACE = Path(__file__).resolve().parents[2] / "build" / "memory-keeper"
SERVER = PLACE / "node_modules" / "mcp-memory-keeper" / "dist" / "index.js"


@pytest.fixture
def node() -> str:
    """The program that runs the server, which is installed."""
    try:
        _see_server()
        return find("node")
    except Missing as missing:
        if os.environ.get("REQUIRE_REAL_PARTS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def _see_server() -> None:
    if not (PLACE / "installed").exists():
        raise Missing("mcp-memory-keeper is not installed; `make real-parts` installs it")


@pytest.fixture
def mirror(node: str, tmp_path: Path) -> MemoryKeeper:
    """A mirror whose server keeps its data in the test's folder."""
    return build({"command": node, "args": [str(SERVER)]}, tools=tools(tmp_path))


async def kept(node: str, state: Path, key: str) -> list[dict[str, Any]]:
    """Return what the server itself tells of a key."""
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    folder = state / "memory_keeper"
    server = StdioServerParameters(command=node, args=[str(SERVER)], env={"DATA_DIR": str(folder)}, cwd=folder)
    with (folder / "asked.log").open("w") as said:
        async with Client(stdio_client(server, errlog=said), read_timeout_seconds=20) as client:
            answer = await client.call_tool("context_get", {"key": key})
    text = answer.content[0]
    assert text.type == "text"
    items: list[dict[str, Any]] = json.loads(text.text)["items"] if text.text.startswith("{") else []
    return items


async def test_memories_are_kept_once_in_their_newest_form(mirror: MemoryKeeper, node: str, tmp_path: Path) -> None:
    odd = "action:ATT-1/über ./\\\"'{}; and so on"
    await mirror.save([Memory(key="INC-1", says="api is down", sort="incident", urgent=True)])
    many = [Memory(key=f"ATT-{n}", says=f"plan {n}", sort="plan") for n in range(70)]
    await mirror.save([Memory(key="INC-1", says="api is up again", sort="incident"), *many])
    await mirror.save([Memory(key=odd, says="restarted", sort="action", failed=True)])
    (item,) = await kept(node, tmp_path, "INC-1")
    assert (item["value"], item["category"], item["channel"]) == ("api is up again", "note", "devops-agent")
    assert len(await kept(node, tmp_path, "ATT-69")) == 1
    (item,) = await kept(node, tmp_path, key_of(odd))
    assert (item["value"], item["category"]) == ("restarted", "error")


async def test_what_happened_while_it_was_away_arrives_when_it_is_back(node: str, tmp_path: Path) -> None:
    async with past(tmp_path) as history:
        away = build({"command": node, "args": ["/nowhere/index.js"]}, tools=tools(tmp_path))
        history.mirror = away  # type: ignore[assignment]  # the real one in the fake's place
        for day in range(2):
            await history.happens(at=START + day * DAY)
        waiting = await history.remember()
        assert waiting
        assert "cannot mirror" in waiting[0].waits_on
        history.mirror = build({"command": node, "args": [str(SERVER)]}, tools=tools(tmp_path))  # type: ignore[assignment]
        await history.happens(at=START + 3 * DAY)
        assert await history.remember() == []
        for number in (1, 2, 3):
            (item,) = await kept(node, tmp_path, f"INC-{number}")
            assert f"INC-{number}: memory_pressure on api (warning), resolved" in item["value"]
        (item,) = await kept(node, tmp_path, "metrics:docker.restart:memory_pressure:api")
        assert item["value"].startswith("docker.restart for memory_pressure on api: done 3")


async def test_a_server_that_cannot_start_is_told_with_its_own_words(node: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="Cannot find module") as caught:
        await build({"command": node, "args": ["/nowhere.js"]}, tools=tools(tmp_path)).save(
            [Memory(key="INC-1", says="x", sort="incident")]
        )
    assert caught.value.retryable
