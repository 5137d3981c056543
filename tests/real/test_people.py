"""The whole way to people: a fault, an action, a notice on its channel, an answer, and what comes of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from devops_agent.model.incident import Status
from devops_agent.model.notice import Delivery, Stage
from devops_agent.store import approvals, deliveries, escalations, heartbeats, outbox
from devops_agent.store.rows import Rows
from tests.real.running import MARK, Site, marked, site, until

NAME = f"dozer-{os.getpid()}"
"""One of its own: processes are found by it on the whole machine, where other runs of these tests may have theirs."""
TARGET = {"name": NAME, "process": {"command": ["/bin/sleep", "100000"]}, "start_period": "1s"}


@dataclass(kw_only=True)
class Receiver:
    """Somebody's endpoint for notices: takes, refuses, or keeps the sender waiting."""

    port: int = 0
    taken: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    out: bool = False
    held: asyncio.Event | None = None
    """While it is not set, requests are taken and not answered."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.asked.set()
        if self.out:
            return web.Response(status=503)
        self.taken.append(json.loads(await request.text()))
        self.keys.append(request.headers["Idempotency-Key"])
        if self.held is not None:
            await self.held.wait()
        return web.json_response({"id": str(len(self.taken))})

    def kinds(self, incident: str) -> list[str]:
        return [one["data"]["kind"] for one in self.taken if one["data"]["incident"] == incident]

    async def told(self, kind: str) -> dict[str, Any]:
        """Return the first notice of that kind, once there is one."""

        async def look() -> dict[str, Any] | None:
            return next((one["data"] for one in self.taken if one["data"]["kind"] == kind), None)

        return await until(look, f"a notice {kind!r}; there are {[one['data']['kind'] for one in self.taken]}")


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        if receiver.held is not None:
            receiver.held.set()
        await runner.cleanup()


def settings(receiver: Receiver, **notify: Any) -> dict[str, Any]:  # noqa: ANN401 — as agent.yaml has it
    channel = {"name": "hook", "via": "webhook", "options": {"url": f"http://127.0.0.1:{receiver.port}/"}}
    return {
        "polling": {"well": "1s", "trouble": "1s"},
        "targets": [TARGET],
        "notify": {"channels": [channel], "group_window": "0s", **notify},
    }


async def start(made: Site) -> None:
    """Start the product on a process that runs and is well."""
    made.spawn("sleeper", "/bin/sleep", "100000", env={MARK: NAME})
    await made.start()
    await made.well(NAME)


def kill_the_sleeper() -> None:
    """Kill the process that is watched."""
    for pid in marked(NAME):
        os.kill(pid, signal.SIGKILL)


async def test_what_was_healed_alone_is_told(tmp_path: Path) -> None:
    async with receiving() as receiver, site(tmp_path, settings(receiver)) as made:
        await start(made)
        kill_the_sleeper()
        incident = await made.incident(NAME, Status.RESOLVED)
        told = await receiver.told("healed")
        assert told["incident"] == incident.id
        assert told["target"] == NAME
        assert told["links"]["incident"].endswith(f"/incidents/{incident.id}")


async def test_a_channel_that_was_out_is_told_later_once_and_in_order(tmp_path: Path) -> None:
    async with receiving() as receiver, site(tmp_path, settings(receiver) | {"guard": {"trust": "ask"}}) as made:
        receiver.out = True
        await start(made)
        kill_the_sleeper()
        (asked,) = await until(lambda: made.store.read(approvals.pending), "a question to people")
        await until(receiver.asked.wait, "the channel to be tried")
        status, _ = await made.ask(f"/api/v1/approvals/{asked.id}/approve", method="POST", digest=asked.digest)
        assert status == 200
        incident = await made.incident(NAME, Status.RESOLVED)
        receiver.out = False
        await receiver.told("healed")
        assert receiver.kinds(incident.id) == ["approval", "healed"]
        assert len(set(receiver.keys)) == len(receiver.keys)


async def test_a_worker_killed_in_mid_send_loses_nothing_and_the_repeat_is_counted(tmp_path: Path) -> None:
    async with receiving() as receiver, site(tmp_path, settings(receiver)) as made:
        receiver.held = asyncio.Event()
        await start(made)
        kill_the_sleeper()
        await until(receiver.asked.wait, "a notice to be handed over")
        os.kill((await made.store.read(heartbeats.all_))["notify"].pid, signal.SIGKILL)
        receiver.held.set()
        incident = await made.incident(NAME, Status.RESOLVED)

        async def ended() -> list[Delivery]:
            found = await made.store.read(lambda rows: _of_incident(rows, incident.id))
            return found if found and all(one.stage is Stage.SENT for one in found) else []

        found = await until(ended, "everything to be sent")
        repeats = [key for key in set(receiver.keys) if receiver.keys.count(key) > 1]
        assert len(repeats) == 1
        assert sum(one.repeats for one in found) == 1


async def test_who_acknowledges_ends_the_climb_and_an_approval_is_carried_out(tmp_path: Path) -> None:
    climbing = {
        "people": [{"name": "ada", "channels": ["hook"]}, {"name": "bob", "channels": ["hook"]}],
        "policies": [{"name": "ladder", "rungs": [{"tell": ["ada"], "wait": "2s"}, {"tell": ["bob"], "wait": "1h"}]}],
        "routes": [{"policy": "ladder"}],
    }
    async with (
        receiving() as receiver,
        site(tmp_path, settings(receiver, **climbing) | {"guard": {"trust": "ask"}}) as made,
    ):
        await start(made)
        kill_the_sleeper()
        asked = await receiver.told("approval")
        assert asked["person"] == "ada"
        await until(lambda: _told(receiver, "bob"), "the next rung to be told")
        incident = asked["incident"]
        status, _ = await made.ask(f"/api/v1/incidents/{incident}/acknowledge", method="POST", comment="I look")
        assert status == 200
        climb = await made.store.read(lambda rows: escalations.latest(rows, incident))
        assert climb is not None
        assert not climb.living
        question = asked["question"]
        status, _ = await made.ask(
            f"/api/v1/approvals/{question['approval']}/approve", method="POST", digest=question["digest"]
        )
        assert status == 200
        await made.incident(NAME, Status.RESOLVED)
        assert (await receiver.told("healed"))["incident"] == incident


async def _told(receiver: Receiver, person: str) -> bool:
    return any(one["data"]["person"] == person for one in receiver.taken)


def _of_incident(rows: Rows, incident: str) -> list[Delivery]:
    notices = [one.id for one in outbox.latest(rows) if one.incident == incident]
    return [one for found in deliveries.of_notices(rows, notices).values() for one in found]
