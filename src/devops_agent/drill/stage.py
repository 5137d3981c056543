"""The stage: two services and a worker in a temporary folder, a real agent that looks after them, and faults.

Nothing here reaches into the agent: it is a process of its own, started as `devops-agent run` starts it, and what it
did is read from its store.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib.util
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent.kit import proc
from devops_agent.kit.process import clean_environment
from devops_agent.model.sighting import Health
from devops_agent.store import open_store, targets, tokens

if TYPE_CHECKING:
    import types
    from collections.abc import Mapping
    from typing import Self

    from devops_agent.store import Store

DATA, PREDICTOR, WORKER = "market-data", "market-predictor", "crawler"
MARK = "DEVOPS_AGENT_TARGET"
"""Environment variable by which the agent finds a process that it did not start."""
HOME_MARK = "DEVOPS_AGENT_HOME"
"""Environment variable that keeps other agents of this machine off it."""
_UP_WITHIN = 30.0
_DOWN_WITHIN = 25.0
_LOOK = 0.05
_PREDICT = "/api/v1/predict"
_ROOM = {"memory_percent": 80.0, "disk_percent": 75.0}
"""Reading → where the agent's own limits are by default."""
_LINK_LASTS = timedelta(hours=1)


class StageError(Exception):
    """The stage cannot be set up."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast the agent looks and how long it remembers: shorter than in earnest, or nobody would wait for the end."""

    well: float = 1.0
    """Seconds between two looks at a target that is well."""
    trouble: float = 0.3
    """Seconds between two looks at one in trouble."""
    memory: float = 3600.0
    """Seconds over which heals, failures and changes are counted (strikes, flapping)."""

    @property
    def says(self) -> str:
        """The pace in words."""
        return f"looked at every {self.well:g} s while well and every {self.trouble:g} s in trouble"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One service, or the worker, on the stage."""

    name: str
    folder: Path
    port: int = 0
    """0: the worker, which listens on nothing."""
    needs: str = ""
    """Name of the service it depends on."""

    @property
    def url(self) -> str:
        """Where it answers; empty for the worker."""
        return f"http://127.0.0.1:{self.port}" if self.port else ""


@dataclass(kw_only=True)
class Stage:
    """Everything that runs for a demo or a drill; an async context manager that leaves nothing behind."""

    folder: Path
    actors: Mapping[str, Actor]
    pace: Pace
    port: int
    _processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    _store: Store | None = None

    @property
    def page(self) -> str:
        """Where the agent's page is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> Store:
        """The agent's store."""
        if self._store is None:
            raise StageError("cannot read the agent's store: the stage is not set up")
        return self._store

    async def __aenter__(self) -> Self:
        """Start the services, then the agent; return when it sees all of them well."""
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        """End all that was started, and what the agent started in its turn; remove the folder."""
        await self._end()

    async def break_(self, actor: str, fault: str, **params: float | str) -> datetime:
        """Switch a fault on; return when."""
        file = self.actors[actor].folder / "faults" / f"{fault}.json"
        half = file.with_name(f".{file.name}.new")
        half.write_text(json.dumps(params))
        at = datetime.now(UTC)
        half.replace(file)
        return at

    async def mend(self, actor: str) -> None:
        """Switch all faults of an actor off and throw away what they have filled: what a person would do."""
        folder = self.actors[actor].folder
        for file in [*(folder / "faults").glob("*.json"), *(folder / "cache").iterdir()]:
            file.unlink(missing_ok=True)

    async def ask(self, actor: str, path: str = "/health", *, body: object = None, timeout: float = 1.0) -> int:
        """Ask a service as its users do; return the status, 0 when it does not answer in time."""
        return await asyncio.to_thread(_ask, self.actors[actor].url, path, body, timeout)

    async def serves(self, actor: str) -> bool:
        """Whether users of a service are served well: healthy, answering in time, with room in memory and on disk."""
        health, resources, predicted = await asyncio.gather(
            *(
                asyncio.to_thread(_answer, self.actors[actor].url, path, body, 1.0)
                for path, body in (("/health", None), ("/health/resources", None), (_PREDICT, {"timeframe": "1h"}))
            )
        )
        room = all(_number(resources[1], name) <= most for name, most in _ROOM.items())
        good = all(status == http.HTTPStatus.OK for status, _ in (health, resources, predicted))
        return good and b'"unhealthy"' not in health[1] and room

    def now(self) -> datetime:
        """Return the time by which the agent's events are dated."""
        return datetime.now(UTC)

    def pids(self, actor: str) -> list[int]:
        """Return the processes of an actor that live."""
        return leftovers(self.folder, names=(actor,))

    def _environment_of(self, actor: str) -> dict[str, str]:
        return clean_environment({MARK: actor, HOME_MARK: str((self.folder / "state").resolve())})

    async def start_by_hand(self, actor: str) -> None:
        """Start an actor, as a person would from a shell."""
        one = self.actors[actor]
        env = self._environment_of(actor)
        self._processes.insert(0, await _spawn(command_of(one, self.actors), one.folder / "output.log", env))

    async def order_restart(self, actor: str, *, reason: str) -> datetime:
        """Order a restart as a person does, by the API; return when."""
        at = datetime.now(UTC)
        await self._tell("POST", "/actions/restart", {"target": actor, "reason": reason})
        return at

    async def pause(self, actor: str, *, reason: str) -> None:
        """Pause automatic actions on an actor."""
        await self._tell("POST", "/api/v1/pauses", {"target": actor, "reason": reason})

    async def resume(self, actor: str) -> None:
        """End the pause of an actor."""
        await self._tell("DELETE", f"/api/v1/pauses?target={actor}", None)

    async def _tell(self, method: str, path: str, body: object) -> None:
        """Tell the agent something by its API, with its owner's token."""
        secret = (self.folder / "state" / "owner-token").read_text().strip()
        headers = {"Authorization": f"Bearer {secret}"}
        status, said = await asyncio.to_thread(_answer, self.page, path, body, 10.0, headers=headers, method=method)
        if status >= http.HTTPStatus.BAD_REQUEST or not status:
            raise StageError(
                f"cannot {method} {path}: the agent answers {status} {said.decode(errors='replace')[:300]}"
            )

    async def login_link(self) -> str:
        """Return a link that opens the page once, without a password."""
        now = datetime.now(UTC)
        _, secret = await self.store.write(
            lambda rows: tokens.create(rows, "login-demo", scope="admin", now=now, expires_at=now + _LINK_LASTS),
            tell=("tokens",),
        )
        return f"{self.page}/login?token={secret}"

    async def until_well(self, *, within: float = _UP_WITHIN) -> None:
        """Wait until the agent sees every target well.

        Raises:
            StageError: they are not, in that time.

        """
        deadline = time.monotonic() + within
        while True:
            seen = {one.target.name: one for one in await self.store.read(targets.all_)}
            unwell = [name for name in self.actors if name not in seen or seen[name].health is not Health.WELL]
            if not unwell:
                return
            if time.monotonic() > deadline:
                says = "; ".join(f"{name}: {seen[name].says if name in seen else 'not seen yet'}" for name in unwell)
                raise StageError(f"not everything was well within {within:g} s: {says}{self._last_words()}")
            await asyncio.sleep(_LOOK)

    async def until_grown_up(self, seconds: float) -> None:
        """Wait until everything has run for so long that its failures count."""
        while True:
            ages = [_age(pid) for pid in leftovers(self.folder, names=self.actors.keys())]
            if len(ages) >= len(self.actors) and min(ages) >= seconds:
                return
            await asyncio.sleep(max(_LOOK, seconds - min(ages, default=0.0)))

    async def _start(self) -> None:
        for actor in self.actors.values():
            (actor.folder / "faults").mkdir(parents=True)
            env = self._environment_of(actor.name)
            self._processes.append(await _spawn(command_of(actor, self.actors), actor.folder / "output.log", env))
        config = self.folder / "agent.yaml"
        config.write_text(json.dumps(config_of(self.actors, self.folder, pace=self.pace), indent=2))
        agent = [sys.executable, "-m", "devops_agent.app.parent", f"127.0.0.1:{self.port}", str(config)]
        self._processes.append(await _spawn(agent, self.folder / "agent.log", dict(os.environ)))
        self._store = await open_store(f"sqlite:///{self.folder}/state/agent.db")
        await self._until_answers()
        await self.until_well()

    async def _until_answers(self) -> None:
        deadline = time.monotonic() + _UP_WITHIN
        while await asyncio.to_thread(_ask, self.page, "/health", None, 1.0) != http.HTTPStatus.OK:
            if time.monotonic() > deadline or self._processes[-1].returncode is not None:
                raise StageError(f"the agent did not start within {_UP_WITHIN:g} s{self._last_words()}")
            await asyncio.sleep(_LOOK)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self.folder / "agent.log").read_text(errors="replace").splitlines()
            return "".join(f"\n  {line[:300]}" for line in lines[-5:])
        return ""

    async def _end(self) -> None:
        # In the reverse order: an agent that still ran would start again what is ended here.
        for process in reversed(self._processes):
            await _end_one(process)
        for pid in leftovers(self.folder, names=self.actors.keys()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._store is not None:
            await self._store.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def build_stage(*, pace: Pace, port: int = 0) -> Stage:
    """Lay out a stage in a new temporary folder; nothing runs yet.

    Raises:
        StageError: somebody listens on `port`.

    """
    if port and not _is_free(port):
        raise StageError(f"port {port} is taken; choose another, 0 takes a free one (--port)")
    folder = Path(tempfile.mkdtemp(prefix="devops-agent-stage-"))
    actors = (
        Actor(name=DATA, folder=folder / DATA, port=free_port()),
        Actor(name=PREDICTOR, folder=folder / PREDICTOR, port=free_port(), needs=DATA),
        Actor(name=WORKER, folder=folder / WORKER),
    )
    return Stage(folder=folder, actors={actor.name: actor for actor in actors}, pace=pace, port=port or free_port())


def command_of(actor: Actor, actors: Mapping[str, Actor]) -> list[str]:
    """Return the command that starts an actor."""
    command = [sys.executable, str(_demo_service())]
    command += ["--port", str(actor.port)] if actor.port else ["worker"]
    command += ["--name", actor.name, "--state-dir", str(actor.folder), "--faults"]
    return [*command, "--depends-on", f"{actors[actor.needs].url}/health"] if actor.needs else command


def config_of(actors: Mapping[str, Actor], folder: Path, *, pace: Pace) -> dict[str, object]:
    """Return the agent's configuration: what a user would write for these services, at a faster pace."""
    memory = f"{pace.memory:g}s"
    return {
        "state_dir": str(folder / "state"),
        "polling": {
            "well": f"{pace.well:g}s",
            "trouble": f"{pace.trouble:g}s",
            "timeout": "1.5s",
            "fall": 3,
            "flapping_window": memory,
        },
        "guard": {"strikes": {"count": 3, "window": memory}, "cooldown": "1s", "actions_per_hour": 100_000},
        "alerting": {"group_window": "1s"},
        "plugins": {"host": {"allowed_roots": [str(folder)]}, "process": {"stop_timeout": "2s"}},
        "targets": [_target_of(actor, actors) for actor in actors.values()],
    }


def _target_of(actor: Actor, actors: Mapping[str, Actor]) -> dict[str, object]:
    target: dict[str, object] = {
        "name": actor.name,
        "process": {
            "command": command_of(actor, actors),
            "log": str(actor.folder / "output.log"),
            "memory_limit_mb": 160,
        },
        "start_period": "3s",
        "clean": [
            {"root": str(actor.folder / "cache"), "patterns": ["*.tmp"], "older_than": "1h"},
            {
                "root": str(actor.folder / "logs"),
                "patterns": ["*.log.*"],
                "older_than": "0s",
                "action": "compress",
            },
        ],
    }
    if actor.url:
        probe = {"name": "predict", "path": "/api/v1/predict", "json": {"timeframe": "1h"}, "max_latency": "1s"}
        target |= {"url": actor.url, "probes": [probe]}
    if actor.needs:
        target["depends_on"] = [actor.needs]
    return target


def leftovers(folder: Path, *, names: object) -> list[int]:
    """Return the processes that carry the mark of one of our targets and were told of our folder."""
    known = set(names) if not isinstance(names, str) else {names}  # type: ignore[call-overload]
    return [
        pid
        for pid in proc.pids()
        if any(argument.startswith(str(folder)) for argument in proc.argv(pid))
        and proc.environment(pid).get(MARK) in known
    ]


def _age(pid: int) -> float:
    """Return for how many seconds a process has run; many when it is gone."""
    process = proc.look_up(pid)
    return time.time() - proc.boot_time() - process.started_seconds if process else 1e9


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _demo_service() -> Path:
    """Return the folder of the demo service: beside the installed package, else in the repository."""
    spec = importlib.util.find_spec("devops_agent")
    package = Path(spec.origin).parent if spec and spec.origin else Path()
    places = (package / "_examples" / "market_predictor", package.parents[1] / "examples" / "market_predictor")
    for place in places:
        if place.is_dir():
            return place
    raise StageError(f"cannot find the demo service: neither {places[0]} nor {places[1]} is there; install it anew")


def _ask(url: str, path: str, body: object, timeout: float) -> int:
    return _answer(url, path, body, timeout)[0]


def _answer(
    url: str,
    path: str,
    body: object,
    timeout: float,
    *,
    headers: Mapping[str, str] | None = None,
    method: str = "",
) -> tuple[int, bytes]:
    """Return status and body; 0 when nobody answers in time."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)
    sent = None if body is None else json.dumps(body)
    kind = {} if body is None else {"Content-Type": "application/json"}
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, sent, {**kind, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _number(body: bytes, name: str) -> float:
    try:
        value = json.loads(body).get(name)
    except (ValueError, AttributeError):
        return float("inf")
    return float(value) if isinstance(value, int | float) else float("inf")


async def _spawn(command: list[str], log: Path, env: dict[str, str]) -> asyncio.subprocess.Process:
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            # Ctrl-C reaches the whole group of the terminal: what is on stage ends when the stage says so.
            start_new_session=True,
        )


async def _end_one(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # one that a fault has stopped hears nothing else
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _DOWN_WITHIN)
            return
