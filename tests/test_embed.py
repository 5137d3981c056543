"""The agent beside an application: it begins, is started again and ends with it, and disturbs nothing."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from devops_agent import embed
from devops_agent.kit.http import Answer, Http

APPLICATION = """
import os, sys
from contextlib import asynccontextmanager
from fastapi import FastAPI
from devops_agent import embed

@asynccontextmanager
async def lifespan(app):
    print("application starts", flush=True)
    yield {"own": "state"}
    print("application stops", flush=True)

app = FastAPI(lifespan=lifespan)

@app.get("/orders")
async def orders() -> list[int]:
    return [1, 2]

embed.attach(app, sys.argv[1])

import uvicorn
uvicorn.run(app, fd=int(sys.argv[2]), log_level="warning")
"""
WITHIN = 30.0


class Application:
    """A FastAPI application with an agent, as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self._url = url
        self._http = Http()

    async def get(self, path: str) -> Answer:
        return await self._http.request("GET", self._url + path, timeout=WITHIN)

    async def agent_when(self, holds: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Return pid and starts of the agent once `holds` says that they are as wanted."""
        async with asyncio.timeout(WITHIN):
            while True:
                agent: dict[str, int] = (await self.get("/devops-agent/health")).json()["roles"]["agent"]
                if agent["pid"] and holds(agent):
                    return agent
                await asyncio.sleep(0.05)

    async def said(self, words: bytes) -> None:
        """Wait until it has written these words; what it wrote before is gone."""
        assert self.process.stderr
        async with asyncio.timeout(WITHIN):
            while words not in (line := await self.process.stderr.readline()):
                assert line, "it ended without saying so"

    async def stop(self) -> bytes:
        """Ask it to end and return all that it wrote until then."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            out, err = await self.process.communicate()
        await self._http.close()
        return out + err


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Application]:
    config = folder / "agent.yaml"
    config.write_text(json.dumps({"state_dir": str(folder / "state")}))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        os.set_inheritable(listening.fileno(), True)  # noqa: FBT003
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", APPLICATION, str(config), str(listening.fileno())),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(listening.fileno(),),
        )
        try:
            yield Application(process, f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


@pytest.mark.slow
async def test_an_agent_that_dies_is_started_again_and_drained_when_the_application_stops(tmp_path: Path) -> None:
    async with running(tmp_path) as application:
        first = await application.agent_when(lambda agent: agent["starts"] == 1)
        await application.said(b"agent started")
        os.kill(first["pid"], signal.SIGKILL)
        second = await application.agent_when(lambda agent: agent["starts"] == 2)
        assert second["pid"] != first["pid"]
        await application.said(b"agent started")
        assert (await application.get("/orders")).json() == [1, 2]
        said = await application.stop()
        assert b"agent stopped" in said
        assert b"application stops" in said
        assert not Path(f"/proc/{second['pid']}").exists()


async def test_the_application_keeps_its_own_life_and_the_agent_begins_after_it(tmp_path: Path) -> None:
    told: list[str] = []

    @asynccontextmanager
    async def own(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        told.append("begins")
        yield {"own": "state"}
        told.append(f"ends, agent {attached.roles[0].pid or 'ended'}")

    config = tmp_path / "agent.yaml"
    config.write_text(json.dumps({"state_dir": str(tmp_path / "state")}))
    app = FastAPI(lifespan=own)
    attached = embed.attach(app, config)
    async with app.router.lifespan_context(app) as state:
        assert state == {"own": "state"}
        async with asyncio.timeout(WITHIN):
            while not attached.roles[0].pid:  # noqa: ASYNC110 — the role has no event of its own
                await asyncio.sleep(0.02)
    assert told == ["begins", "ends, agent ended"]


def test_a_path_that_is_taken_and_a_configuration_that_is_not_there_are_refused(tmp_path: Path) -> None:
    app = FastAPI()
    embed.attach(app)
    with pytest.raises(ValueError, match="has that path already; set another prefix"):
        embed.attach(app)
    embed.attach(app, options=embed.Options(prefix="/other"))
    with pytest.raises(FileNotFoundError, match="devops-agent init"):
        embed.attach(app, tmp_path / "none.yaml")


async def test_without_a_running_agent_the_health_endpoint_says_so() -> None:
    attached = embed.attach(FastAPI(), options=embed.Options(web=True))
    answer = await attached.health(Request({"type": "http"}))
    assert answer.status_code == 503
    roles = json.loads(bytes(answer.body))["roles"]
    assert roles == {"agent": {"pid": None, "starts": 0}, "web": {"pid": None, "starts": 0}}
