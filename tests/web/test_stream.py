"""Events as they happen."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp

from devops_agent.store import events
from tests.web.serving import SECRETS, Running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from devops_agent.store.rows import Rows


@asynccontextmanager
async def listening(
    web: Running, query: str = "", *, headers: dict[str, str] | None = None
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Listen; the block gets an iterator over what is told."""
    sent = headers or {"Authorization": f"Bearer {SECRETS['read']}"}
    async with web.client.get(f"{web.url}/stream{query}", headers=sent) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"

        async def told() -> AsyncIterator[dict[str, Any]]:
            id_ = ""
            async for raw in response.content:
                line = raw.decode().rstrip("\n")
                if line.startswith("id: "):
                    id_ = line.removeprefix("id: ")
                if line.startswith("data: "):
                    yield {"id": id_, **json.loads(line.removeprefix("data: "))}

        yield told()


async def tell(web: Running, *says: str) -> None:
    def add(rows: Rows) -> None:
        for one in says:
            events.add(rows, "note", one, at=datetime.now(UTC))

    await web.store.write(add, tell=("events",))


async def test_what_happens_is_told_at_once(web: Running) -> None:
    async with listening(web) as told, asyncio.timeout(5):
        await tell(web, "one")
        first = await anext(told)
        await tell(web, "two", "three")
        assert [first["says"], (await anext(told))["says"], (await anext(told))["says"]] == ["one", "two", "three"]


async def test_who_comes_back_misses_nothing(web: Running) -> None:
    await tell(web, "one", "two")
    last_seen = {"Authorization": f"Bearer {SECRETS['read']}", "Last-Event-ID": "1"}
    async with listening(web, headers=last_seen) as told, asyncio.timeout(5):
        assert (await anext(told))["says"] == "two"


async def test_more_than_fits_into_one_look_is_told_whole(web: Running) -> None:
    await tell(web, *(str(number) for number in range(250)))
    async with listening(web, "?after=0") as told, asyncio.timeout(5):
        assert [(await anext(told))["says"] for _ in range(250)] == [str(number) for number in range(250)]


async def test_a_new_listener_hears_only_what_is_new(web: Running) -> None:
    await tell(web, "old")
    async with listening(web) as told, asyncio.timeout(5):
        await tell(web, "new")
        assert (await anext(told))["says"] == "new"


async def test_newlines_in_what_is_told_cannot_forge_an_event(web: Running) -> None:
    async with listening(web) as told, asyncio.timeout(5):
        await tell(web, "a\n\nid: 99\ndata: {}\n\n")
        assert (await anext(told))["says"] == "a\n\nid: 99\ndata: {}\n\n"


async def test_the_pages_session_may_listen(web: Running) -> None:
    browser = await web.log_in("read")
    async with listening(web, headers=browser) as told, asyncio.timeout(5):
        await tell(web, "one")
        assert (await anext(told))["says"] == "one"


async def test_streams_end_when_the_process_does(web: Running) -> None:
    async with listening(web) as told, asyncio.timeout(5):
        web.task.cancel()
        assert [one async for one in told] == []


async def test_a_request_under_way_is_finished_when_the_process_ends(web: Running) -> None:
    ready, go_on = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"name": "A"'
        ready.set()
        await go_on.wait()
        yield b"}"

    headers = {"Authorization": f"Bearer {SECRETS['alerts']}"}
    asking = asyncio.create_task(_status(web.client, f"{web.url}/webhook/generic", headers=headers, data=pieces()))
    await ready.wait()
    web.task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    assert await asking == 202


async def _status(
    client: aiohttp.ClientSession, url: str, *, headers: dict[str, str], data: AsyncIterator[bytes]
) -> int:
    async with client.post(url, headers=headers, data=data) as response:
        return response.status


async def test_a_stream_ends_with_the_token_that_opened_it(web: Running) -> None:
    async with listening(web) as told, asyncio.timeout(5):
        await tell(web, "one")
        assert (await anext(told))["says"] == "one"
        assert (await web.ask("DELETE", "/api/v1/tokens/read", scope="admin")).status == 204
        await tell(web, "two")
        assert [one async for one in told if one["says"] == "two"] == []


async def test_a_stream_of_the_page_ends_with_the_session(web: Running) -> None:
    browser = await web.log_in("read")
    async with listening(web, headers=browser) as told, asyncio.timeout(5):
        assert (await web.ask("DELETE", "/api/v1/tokens/read", scope="admin")).status == 204
        await tell(web, "two")
        assert [one async for one in told if one["says"] == "two"] == []


async def test_one_who_opens_very_many_keeps_nobody_else_from_listening(web: Running) -> None:
    async with AsyncExitStack() as held:
        for _ in range(20):
            told = await held.enter_async_context(listening(web))
            await tell(web, "x")
            await anext(told)
        refused = await web.get("/stream")
        assert refused.status == 503
        assert "you have 20 listeners" in refused.json()["detail"]
        other = {"Authorization": f"Bearer {SECRETS['operate']}"}
        told = await held.enter_async_context(listening(web, headers=other))
        await tell(web, "y")
        assert (await anext(told))["says"] == "y"
