"""What goes wrong around the agent: clear errors, nothing lost, and healing goes on where it can."""

import asyncio
import contextlib
import io
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devops_agent.app.agent import Agent, Options
from devops_agent.app.clock import SystemClock
from devops_agent.app.parts import all_actions
from devops_agent.config.source import Source
from devops_agent.kit import proc
from devops_agent.model.incident import Status
from devops_agent.store import events
from tests.real.parts import Docker, Program
from tests.real.running import MARK, Site, marked, site, until

NAME = "worker"
"""With the pid, so that two runs of the tests on one machine do not take each other's processes for their own."""


def settings_of(folder: Path, *, stops: str = "", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return settings with one local process that writes a line at every start; `stops` is what it does at SIGTERM."""
    step = {"name": "restart", "action": "{via}.restart", "proof": {"state": "running", "within": "20s"}}
    book = {"name": "service-down", "says": "Settles at once.", "match": {"kinds": ["down"]}, "steps": [step]}
    (folder / "runbooks").mkdir(parents=True)
    (folder / "runbooks" / "service-down.yaml").write_text(json.dumps({**book, "settle": "0s"}))
    trap = f"trap '{stops}' TERM; " if stops else ""
    script = f"echo started >> {folder}/starts; {trap}while :; do sleep 0.1; done"
    return {
        "runbooks": [str(folder / "runbooks")],
        "polling": {"well": "1s", "trouble": "0.3s", "timeout": "2s"},
        "alerting": {"group_window": "1s"},
        "targets": [
            {
                "name": f"{NAME}-{os.getpid()}-{folder.name}",
                "process": {"command": ["sh", "-c", script]},
                "start_period": "0s",
            }
        ],
        **more,
    }


class Worker:
    """The process that the agent looks after."""

    def __init__(self, made: Site) -> None:
        [target, *_] = made.settings["targets"]
        self.made = made
        self.name: str = target["name"]
        self._command: list[str] = target["process"]["command"]

    def begin(self) -> None:
        """Start it, as its owner would."""
        self.made.spawn("worker", *self._command, env={MARK: self.name})

    def die(self) -> None:
        """Let it be killed."""
        for pid in marked(self.name):
            with contextlib.suppress(ProcessLookupError):  # its short-lived children are marked too
                os.kill(pid, signal.SIGKILL)

    @property
    def starts(self) -> int:
        """How often it was started."""
        return len((self.made.folder / "starts").read_text().splitlines())

    async def dies_and_is_healed(self) -> None:
        """Kill it, and wait until the agent has healed it."""
        wanted = self.starts + 1
        self.die()
        await until(partial(self._started, wanted), f"{self.name} to be started")
        await self.made.incident(self.name, Status.RESOLVED)
        assert self.starts == wanted

    async def _started(self, times: int) -> bool:
        return self.starts >= times


@asynccontextmanager
async def working(folder: Path, settings: dict[str, Any]) -> AsyncIterator[tuple[Site, Worker, Program]]:
    """Run the product and the worker, until the worker is seen well."""
    async with site(folder, settings) as made:
        worker = Worker(made)
        worker.begin()
        parent = await made.start()
        await made.well(worker.name)
        yield made, worker, parent


async def post(made: Site, number: int) -> tuple[int, str]:
    """Post an alert about nothing known; return status and answer."""
    labels = {"alertname": "Odd", "service": "stranger", "number": str(number)}
    alert = {"status": "firing", "labels": labels, "startsAt": "2026-01-01T00:00:00Z"}
    status, answer = await made.ask("/webhook/alerts", method="POST", version="4", groupLabels={}, alerts=[alert])
    return status, str(answer)


async def kept(made: Site) -> int:
    """Return how many of those alerts are in the store."""
    row = await made.store.read(lambda rows: rows.one("SELECT count(*) AS n FROM alerts WHERE name = 'Odd'"))
    return int(row["n"]) if row else 0


def role_of(parent: Program, role: str) -> int:
    """Return the process id of a role; 0 while there is none."""
    return next((pid for pid in proc.children(parent.process.pid) if f"devops_agent.app.{role}" in proc.argv(pid)), 0)


@contextmanager
def locked(made: Site) -> Iterator[None]:
    """Hold the database's write lock, as another process may."""
    other = sqlite3.connect(made.state / "agent.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def test_a_locked_database_and_an_overload_are_answered_with_503_and_nothing_is_lost(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, web={"max_pending_writes": 50})
    async with working(tmp_path, settings) as (made, worker, parent):
        roles = role_of(parent, "agent"), role_of(parent, "web")
        with locked(made):
            worker.die()
            flood = await asyncio.gather(*(post(made, number) for number in range(80)))
        statuses = {status for status, _ in flood}
        assert statuses == {503}
        assert any("requests are waiting for it" in said for _, said in flood)
        assert any("locked" in said for _, said in flood)
        again = await asyncio.gather(*(post(made, number) for number in range(40)))
        assert {status for status, _ in again} == {202}
        assert await kept(made) == 40
        await made.incident(worker.name, Status.RESOLVED)
        assert worker.starts == 2
        assert (role_of(parent, "agent"), role_of(parent, "web")) == roles
        assert await made.store.read(events.broken_link) is None


async def test_a_short_lock_is_waited_for(tmp_path: Path) -> None:
    async with working(tmp_path, settings_of(tmp_path)) as (made, worker, _):
        with locked(made):
            worker.die()
            waiting = asyncio.create_task(post(made, 1))
            await asyncio.sleep(1.5)
            assert not waiting.done()
        assert (await waiting)[0] == 202
        await made.incident(worker.name, Status.RESOLVED)
        assert worker.starts == 2


async def test_a_full_disk_is_said_and_healing_goes_on_when_there_is_room(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "state"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        async with working(tmp_path, settings_of(tmp_path)) as (made, worker, parent):
            roles = role_of(parent, "agent"), role_of(parent, "web")
            ballast = disk / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb") as out:
                for _ in range(10_000):
                    out.write(b"x" * 512)
                    out.flush()
            taken = 0
            for number in range(2_000):
                status, said = await post(made, number)
                if status != 202:
                    break
                taken += 1
            assert (status, "full" in said or "space" in said) == (503, True), said
            worker.die()
            ballast.unlink()
            assert (await post(made, 9_999))[0] == 202
            await made.incident(worker.name, Status.RESOLVED)
            assert await kept(made) == taken + 1
            assert worker.starts == 2
            assert (role_of(parent, "agent"), role_of(parent, "web")) == roles
            assert await made.store.read(events.broken_link) is None
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


class Way:
    """A socket that leads to the engine's own, and can be taken away."""

    def __init__(self, engine: Docker, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def begin(self) -> None:
        """Lead there."""
        self._server = await asyncio.start_unix_server(self._lead, self._path)

    async def vanish(self) -> None:
        """Break off every connection, and take none."""
        assert self._server is not None
        self._server.close()
        self._path.unlink(missing_ok=True)
        for writer in self._open:
            writer.transport.abort()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._engine.socket)
        self._open |= {writer, back}
        await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        self._open.discard(writer)
        writer.close()


async def test_while_the_engines_socket_is_gone_everything_else_is_healed_and_then_its_containers(
    docker_engine: Docker, tmp_path: Path
) -> None:
    docker_engine.busybox("shop:1")
    docker_engine.run("shop:1", "shop")
    way = Way(docker_engine, docker_engine.folder / "way.sock")
    await way.begin()
    settings = settings_of(tmp_path, plugins={"docker": {"socket": str(docker_engine.folder / "way.sock")}})
    settings["targets"].append({"docker": "shop", "start_period": "0s"})
    try:
        async with working(tmp_path, settings) as (made, worker, _):
            await made.well("shop")
            await way.vanish()
            await until(partial(says, made, "shop", "cannot talk to the Docker engine"), "the engine to be missed")
            docker_engine.say("kill", "shop")
            await worker.dies_and_is_healed()
            await way.begin()
            await until(partial(runs, docker_engine, "shop"), "the shop to run again")
            await made.incident("shop", Status.RESOLVED)
            await way.vanish()
    finally:
        docker_engine.remove_all()


async def says(made: Site, target: str, what: str) -> bool:
    return what in json.dumps((await made.ask(f"/monitoring/{target}"))[1])


async def runs(engine: Docker, name: str) -> bool:
    return engine.say("inspect", "--format", "{{.State.Running}}", name) == "true"


class Jumping(SystemClock):
    """The real clock, set forward and back by somebody."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.mark.parametrize("hours", [2, -2])
async def test_when_the_clock_jumps_what_dies_is_healed_all_the_same(tmp_path: Path, hours: float) -> None:
    clock = Jumping()
    async with site(tmp_path, settings_of(tmp_path)) as made:
        worker = Worker(made)
        worker.begin()
        source = Source(made.config, environ={}, actions=lambda settings: all_actions(settings, clock=clock))
        agent = Agent(source, made.store, clock=clock, options=Options())
        stop = asyncio.Event()
        running = asyncio.create_task(agent.run(stop))
        await made.well(worker.name)
        await worker.dies_and_is_healed()
        clock.ahead = timedelta(hours=hours)
        await worker.dies_and_is_healed()
        clock.ahead = timedelta()
        await worker.dies_and_is_healed()
        stop.set()
        await running
        assert worker.starts == 4
        assert await made.store.read(events.broken_link) is None


GARBAGE = (
    b"", b"\x00\xff\xfe", b"null", b"[]", b"{}", b'"x"', b"{" * 100_000, b'{"version":"4","alerts":7}', b"1e999",
    b'{"version":"4","alerts":[{"status":"odd","labels":{"alertname":"x"},"startsAt":"yesterday"}]}',
    b'{"version":"4","alerts":[{"status":"firing","labels":[],"startsAt":"2026-01-01T00:00:00Z"}]}',
    b'{"version":"99","alerts":[]}', '{"version":"4","alerts":\ud83d}'.encode("utf-8", "surrogatepass"),
    b'{"version":"4","alerts":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
)  # fmt: skip


async def test_garbage_and_huge_payloads_are_refused_and_change_nothing(tmp_path: Path) -> None:
    async with working(tmp_path, settings_of(tmp_path)) as (made, worker, parent):
        web = role_of(parent, "web")
        headers = {"Authorization": f"Bearer {made.owner}", "Content-Type": "application/json"}
        for path in ("/webhook/alerts", "/webhook/grafana", "/webhook/generic"):
            for body in GARBAGE:
                async with made.http.post(made.url + path, data=body, headers=headers) as answer:
                    assert answer.status in (202, 400, 422), (path, body[:80], answer.status, await answer.text())
            with contextlib.suppress(aiohttp.ClientConnectionError):  # it need not read on to say no
                async with made.http.post(
                    made.url + path, data=io.BytesIO(b"x" * 20_000_000), headers=headers
                ) as answer:
                    assert answer.status == 413
        assert await kept(made) == 0
        assert (await post(made, 1))[0] == 202
        await worker.dies_and_is_healed()
        assert role_of(parent, "web") == web


async def test_a_broken_configuration_is_told_and_the_old_one_stays_in_force(tmp_path: Path) -> None:
    async with working(tmp_path, settings_of(tmp_path)) as (made, worker, parent):
        good = made.config.read_text()
        made.config.write_text(good.replace('"0.3s"', '"0.3 parsecs"'))
        parent.process.send_signal(signal.SIGHUP)
        told = await made.told("config_kept")
        assert "0.3 parsecs" in told.says
        await worker.dies_and_is_healed()
        made.config.write_text(good.replace('"0.3s"', '"0.2s"'))
        parent.process.send_signal(signal.SIGHUP)
        await made.told("config_read")
        await worker.dies_and_is_healed()


async def test_without_their_parent_both_roles_end(tmp_path: Path) -> None:
    async with working(tmp_path, settings_of(tmp_path)) as (made, worker, parent):
        roles = role_of(parent, "agent"), role_of(parent, "web")
        parent.process.kill()
        await until(partial(gone, *roles), "both roles to end")
        worker.die()
        await made.start()
        await made.incident(worker.name, Status.RESOLVED)
        assert worker.starts == 2


async def gone(*pids: int) -> bool:
    return not any((one := proc.look_up(pid)) and one.alive for pid in pids)


async def test_a_killed_agent_is_started_again_and_finds_what_died_meanwhile(tmp_path: Path) -> None:
    async with working(tmp_path, settings_of(tmp_path)) as (_, worker, parent):
        agent = role_of(parent, "agent")
        os.kill(agent, signal.SIGKILL)
        await worker.dies_and_is_healed()
        assert role_of(parent, "agent") not in (0, agent)
        assert worker.starts == 2


async def test_told_to_stop_in_the_middle_of_a_restart_it_finishes_that_first(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, stops="sleep 2; exit 0")
    async with working(tmp_path, settings) as (made, worker, parent):
        status, ordered = await made.ask("/actions/restart", method="POST", target=worker.name, reason="to see")
        assert status == 202
        await made.told("step", incident=ordered["id"])
        parent.process.terminate()
        assert await asyncio.to_thread(parent.process.wait, 30) == 0
        assert worker.starts == 2
        assert len([pid for pid in marked(worker.name) if "sleep" not in proc.argv(pid)]) == 1
        await made.start()
        await made.incident(worker.name, Status.RESOLVED)
        assert worker.starts == 2
