"""The product as its users run it: parent, web and agent as processes of their own, watched through store and API."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from devops_agent.kit import proc
from devops_agent.model.event import Event
from devops_agent.model.incident import Incident, Status
from devops_agent.model.sighting import Health
from devops_agent.store import Store, events, heartbeats, incidents, open_store, targets
from tests.real.parts import Program, free_port

T = TypeVar("T")
READY_WITHIN = 40.0
"""Seconds; a machine that does other things too is slow."""
MARK = "DEVOPS_AGENT_TARGET"
"""Environment variable of a process that was started for a target."""


async def until(ask: Callable[[], Awaitable[T | None]], what: str, *, within: float = READY_WITHIN) -> T:
    """Ask until the answer is true, and return it.

    Raises:
        AssertionError: it was not, in that many seconds; says `what` was waited for.

    """
    end = time.monotonic() + within
    while True:
        answer = await ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what}")
        await asyncio.sleep(0.03)


@dataclass(kw_only=True)
class Site:
    """A configuration with its state folder and store; what runs on it comes and goes."""

    folder: Path
    store: Store
    settings: dict[str, Any]
    port: int = field(default_factory=free_port)
    programs: list[Program] = field(default_factory=list)
    _session: aiohttp.ClientSession | None = None

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "agent.yaml"

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    @property
    def url(self) -> str:
        """Where web answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def owner(self) -> str:
        """The first token's secret."""
        return (self.state / "owner-token").read_text().strip()

    @property
    def http(self) -> aiohttp.ClientSession:
        """A client that lives as long as the site."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        return self._session

    def write_config(self, **changes: Any) -> None:  # noqa: ANN401 — whatever agent.yaml can hold
        """Write the configuration, with changes to its top level."""
        self.settings |= changes
        self.config.write_text(json.dumps(self.settings))

    def spawn(self, name: str, *argv: str, env: Mapping[str, str] | None = None) -> Program:
        """Start a program that ends with the site; its output is in NAME.log."""
        program = Program.start(name, argv, folder=self.folder, env={**os.environ, **env} if env else None)
        self.programs.append(program)
        return program

    async def start(self) -> Program:
        """Start parent, web and agent; return the parent when both roles work."""
        before = time.time()
        argv = (sys.executable, "-m", "devops_agent.app.parent", f"127.0.0.1:{self.port}", str(self.config))
        parent = self.spawn("product", *argv)
        await until(lambda: self.beats_since(before), f"agent and web to start:\n{self.log()}")
        return parent

    def spawn_agent(self, *options: str) -> Program:
        """Start the agent role alone, through `launch.py`; see there for the options."""
        launcher = Path(__file__).with_name("launch.py")
        return self.spawn("agent", sys.executable, "-P", str(launcher), str(self.config), *options)

    async def beats_since(self, moment: float) -> bool:
        """Whether both roles have begun since then (seconds since 1970)."""
        beats = await self.store.read(heartbeats.all_)
        begun = [beats[role].started_at.timestamp() for role in ("agent", "web") if role in beats]
        return len(begun) == 2 and min(begun) > moment

    async def pid_of(self, role: str) -> int:
        """Return the process id of a role, as its heart last told it."""
        return (await self.store.read(heartbeats.all_))[role].pid

    async def ask(self, path: str, *, method: str = "GET", token: str | None = None, **body: Any) -> tuple[int, Any]:  # noqa: ANN401
        """Call the API as the owner; return status and answer."""
        headers = {"Authorization": f"Bearer {self.owner if token is None else token}"}
        sent = body if method != "GET" else None
        async with self.http.request(method, self.url + path, headers=headers, json=sent) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def incident(self, target: str, *statuses: Status, after: str = "", within: float = READY_WITHIN) -> Incident:
        """Return the newest incident of a target, once there is one newer than `after` in one of these statuses."""

        async def look() -> Incident | None:
            page = await self.store.read(lambda rows: incidents.page(rows, target=target, limit=1))
            found = page[0] if page and page[0].id != after else None
            return found if found and (not statuses or found.status in statuses) else None

        words = " or ".join(statuses) or "opened"
        try:
            return await until(look, f"an incident of {target} to be {words}", within=within)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self.story()}\n{self.log()}") from None

    async def well(self, *names: str) -> None:
        """Wait until targets are seen well."""

        async def look() -> bool:
            seen = {one.target.name: one.health for one in await self.store.read(targets.all_)}
            return all(seen.get(name) is Health.WELL for name in names)

        await until(look, f"{', '.join(names)} to be seen well")

    async def timeline(self, incident: str) -> list[Event]:
        """Return the events of an incident."""
        return await self.store.read(lambda rows: events.of_incident(rows, incident))

    async def story(self) -> str:
        """Return all events as text, for messages."""
        told = await self.store.read(lambda rows: events.after(rows, 0, limit=1_000))
        return "\n".join(f"{e.at:%H:%M:%S.%f} {e.incident} {e.target} {e.kind} | {e.says[:200]}" for e in told)

    async def told(self, kind: str, *, within: float = READY_WITHIN, incident: str = "") -> Event:
        """Return the last event of that kind, once there is one."""

        async def look() -> Event | None:
            told = await self.store.read(lambda rows: events.after(rows, 0, limit=10_000))
            return next((e for e in reversed(told) if e.kind == kind and incident in ("", e.incident)), None)

        return await until(look, f"an event {kind!r}", within=within)

    def log(self, lines: int = 30) -> str:
        """Return the ends of all logs."""
        return "\n".join(
            f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
            for log in sorted(self.folder.glob("*.log"))
        )

    async def close(self) -> None:
        """End everything that runs on it."""
        if self._session is not None:
            await self._session.close()
        for program in reversed(self.programs):
            await asyncio.to_thread(program.stop, 25.0)
        await self.store.close()
        for target in self.settings.get("targets", []):
            end_marked(target.get("name", ""))


@asynccontextmanager
async def site(folder: Path, settings: Mapping[str, Any]) -> AsyncIterator[Site]:
    """Make a site with these settings; nothing runs on it yet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    given = {"state_dir": str(folder / "state"), **settings}
    store = await open_store(given.get("store", f"sqlite:///{folder}/state/agent.db"))
    made = Site(folder=folder, store=store, settings=given)
    made.write_config()
    try:
        yield made
    finally:
        await made.close()


def marked(target: str) -> list[int]:
    """Return the processes that were started for a target."""
    return [pid for pid in proc.pids() if proc.environment(pid).get(MARK) == target]


def end_marked(target: str) -> None:
    """Kill what was started for a target of the test's own."""
    for pid in marked(target) if target else ():
        with suppress(ProcessLookupError):
            os.kill(pid, 9)
