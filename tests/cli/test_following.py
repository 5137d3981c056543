from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from devops_agent.cli.exits import Exit
from devops_agent.store import events, open_store
from tests.cli.calling import Caller
from tests.web.serving import SECRETS, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from devops_agent.store import Store


def test_the_last_events_are_told_oldest_first(site: Caller) -> None:
    shown = [json.loads(line) for line in site.says("tail", "--no-follow", "--json", "--lines", "3").splitlines()]
    numbers = [one["seq"] for one in shown]
    assert len(numbers) == 3
    assert numbers == sorted(numbers)
    only = site.says("tail", "--no-follow", "--incident", "3").splitlines()
    assert all("INC-3" in line for line in only)


async def test_what_happens_is_followed_the_moment_it_happens(site: Caller) -> None:
    command = [sys.executable, "-m", "devops_agent", "--config", str(site.config), "tail", "--lines", "1", "--json"]
    following = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert following.stdout is not None
    await following.stdout.readline()
    async with await open_store(f"sqlite:///{site.database}") as store:
        await store.write(lambda rows: events.add(rows, "note", "now!", at=datetime.now(UTC)), tell=("events",))
        assert json.loads(await following.stdout.readline())["says"] == "now!"
    following.terminate()
    await following.wait()


async def test_following_ends_with_ctrl_c(site: Caller) -> None:
    command = [sys.executable, "-m", "devops_agent", "--config", str(site.config), "tail", "--lines", "1"]
    following = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert following.stdout is not None
    await following.stdout.readline()
    following.send_signal(signal.SIGINT)
    _, said = await following.communicate()
    assert following.returncode == Exit.INTERRUPTED
    assert b"Traceback" not in said


async def test_a_page_elsewhere_is_followed_with_a_token(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        await _add(web.store, "before", incident="INC-1")
        await _add(web.store, "of another", incident="INC-2")
        async with _tail("--url", web.url, "--incident", "1", token=SECRETS["read"]) as following:
            assert (await _next(following))["says"] == "before"
            await _add(web.store, "of another", incident="INC-2")
            await _add(web.store, "now!", incident="INC-1")
            assert (await _next(following))["says"] == "now!"


async def test_a_page_that_refuses_is_told_once(tmp_path: Path) -> None:
    async with running(tmp_path) as web, _tail("--url", web.url, token="wrong") as following:
        _, said = await following.communicate()
        assert following.returncode == Exit.REFUSED
        assert "this token is unknown" in said.decode()


async def test_a_lost_connection_is_made_again_from_where_it_was() -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.startswith("GET /api/v1/audit"):
            body = json.dumps({"items": [_event(1)], "next": None}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        else:
            asked.append(next(line for line in head.splitlines() if line.lower().startswith("last-event-id")))
            told = b"retry: 1000\n\nid: 1\nevent: event\ndata: %b\n\n" % json.dumps(_event(len(asked) + 1)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + told)
        await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, _tail("--url", url, token="any") as following:
        assert [(await _next(following))["seq"] for _ in range(3)] == [1, 2, 3]
        following.send_signal(signal.SIGINT)
        _, said = await following.communicate()
    assert [line.partition(": ")[2] for line in asked[:2]] == ["1", "2"]
    assert following.returncode == Exit.INTERRUPTED
    assert "connected again" in said.decode()


async def test_a_page_that_is_not_there_is_told_with_the_way_out(site: Caller) -> None:
    given = site.call("tail", "--url", "http://127.0.0.1:1", code=Exit.CONFIG)
    assert "token create" in given.stderr
    async with _tail("--url", "http://127.0.0.1:1", token="any") as following:
        _, said = await following.communicate()
    assert following.returncode == Exit.UNREACHABLE
    assert "is the page running there?" in said.decode()


def test_output_that_nobody_reads_any_more_ends_the_command(site: Caller) -> None:
    command = f"{sys.executable} -m devops_agent --config {site.config} tail --lines 1000 | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert not done.stderr


def test_colours_are_for_terminals_or_for_who_asks(site: Caller) -> None:
    assert "\x1b[" not in site.says("tail", "--no-follow")
    assert "\x1b[31mopened" in site.says("tail", "--no-follow", "--color", "always")


@asynccontextmanager
async def _tail(*words: str, token: str) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [sys.executable, "-m", "devops_agent", "tail", "--json", *words]
    environ = {"DEVOPS_AGENT_TOKEN": token}
    following = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    )
    try:
        yield following
    finally:
        with suppress(ProcessLookupError):
            following.terminate()
        await following.communicate()


async def _next(following: asyncio.subprocess.Process) -> Any:  # noqa: ANN401 — JSON
    assert following.stdout is not None
    return json.loads(await following.stdout.readline())


async def _add(store: Store, says: str, *, incident: str) -> None:
    await store.write(
        lambda rows: events.add(rows, "note", says, at=datetime.now(UTC), incident=incident), tell=("events",)
    )  # fmt: skip


def _event(seq: int) -> dict[str, Any]:
    return {
        "seq": seq, "at": "2026-01-01T00:00:00Z", "incident": "INC-1", "target": "t", "kind": "note", "actor": "agent",
        "says": "x",
    }  # fmt: skip
