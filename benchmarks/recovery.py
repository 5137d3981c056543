"""How soon what was killed is healthy again: a container beside its engine's own restart, a process beside monit."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.table import Row, median, share
from devops_agent.kit import proc
from devops_agent.model.incident import Status
from devops_agent.store import events
from tests.real.parts import Docker, Program, answers, find, free_port
from tests.real.running import Site, marked, site

_LIMIT = 300.0
"""Milliseconds that the agent may add to the engine's own restart."""
_LOOK = 0.002
_NAME = "shop"
_UNHURRIED = {"well": "1h", "trouble": "1s", "flapping_window": "1s"}
"""Polls that notice nothing: only events tell of a death."""
_PATIENT = {"cooldown": "1s", "strikes": {"count": 1_000, "window": "1s"}, "actions_per_hour": 10_000}


def measure(*, quick: bool) -> list[Row]:
    """Return medians and 95th percentiles in milliseconds."""
    runs = 2 if quick else 20
    return [*asyncio.run(_containers(runs)), *asyncio.run(_processes(runs))]


async def _containers(runs: int) -> list[Row]:
    engine = Docker.start()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            return await _in_engine(engine, Path(folder), runs)
    finally:
        engine.stop()


async def _in_engine(engine: Docker, folder: Path, runs: int) -> list[Row]:
    port = free_port()
    serve = f"mkdir -p /www; echo well > /www/health; exec httpd -f -p 127.0.0.1:{port} -h /www"
    engine.busybox("shop:1", command=("sh", "-c", serve))
    engine.run("shop:1", _NAME, network="host")
    well = answers(f"http://127.0.0.1:{port}/health")
    restarts: list[float] = []
    for _ in range(runs):
        _kill_container(engine)
        while engine.say("inspect", "--format", "{{.State.Running}}", _NAME) == "true":
            time.sleep(_LOOK)
        began = time.time()
        await asyncio.to_thread(_restart, engine)
        restarts.append(await _ms_until(well, began))
    url = f"http://127.0.0.1:{port}"
    target = {"name": _NAME, "docker": _NAME, "url": url, "paths": _only("health")}
    plugins = {"docker": {"socket": engine.socket, "discover": False}}
    async with site(folder / "agent", _settings(target) | {"plugins": plugins}) as made:
        await made.start()
        await made.well(_NAME)
        answered, proven = await _runs(made, runs, lambda: _kill_container(engine), well)
    allowed = median(restarts) + _LIMIT
    peer = "engine's own restart of it"
    return [
        Row(what=f"container killed → answers again, median of {runs}", value=median(answered), unit="ms",
            peer=peer, peer_value=median(restarts)),
        Row(what=f"container killed → verified healthy, median of {runs}", value=median(proven), unit="ms",
            below=allowed, peer=peer, peer_value=median(restarts)),
        Row(what="container killed → verified healthy, p95", value=share(proven, 0.95), unit="ms",
            peer=peer, peer_value=share(restarts, 0.95)),
    ]  # fmt: skip


async def _processes(runs: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        monit = await _monit(Path(folder), runs)
        port = free_port()
        command = _serving(Path(folder), port)
        url = f"http://127.0.0.1:{port}"
        target = {"name": _NAME, "process": {"command": command}, "url": url, "paths": _only("health")}
        async with site(Path(folder) / "agent", _settings(target)) as made:
            await made.start()
            await made.well(_NAME)
            await _settled(made, "", 0)
            answered, proven = await _runs(made, runs, _kill_process, answers(f"{url}/health"))
    peer = "monit, 1 s cycle"
    return [
        Row(what=f"process killed → answers again, median of {runs}", value=median(answered), unit="ms",
            peer=peer, peer_value=median(monit)),
        Row(what="process killed → answers again, p95", value=share(answered, 0.95), unit="ms",
            peer=peer, peer_value=share(monit, 0.95)),
        Row(what=f"process killed → verified healthy, median of {runs}", value=median(proven), unit="ms"),
    ]  # fmt: skip


async def _runs(
    made: Site, runs: int, kill: Callable[[], float], well: Callable[[], bool]
) -> tuple[list[float], list[float]]:
    """Kill again and again; return ms until it answered, and until the agent had proof of its health."""
    answered: list[float] = []
    proven: list[float] = []
    last = ""
    for _ in range(runs):
        began = kill()
        answered.append(await _ms_until(well, began))
        last, at = await _settled(made, last, began)
        proven.append((at - began) * 1000)
        await asyncio.sleep(1.2)  # longer than the cooldown and the windows above
    return answered, proven


async def _settled(made: Site, last: str, began: float) -> tuple[str, float]:
    """Wait for the incident that is newer than `last` to be resolved; return it and when its target was proven well."""
    incident = await made.incident(_NAME, Status.RESOLVED, after=last)
    told = await made.store.read(lambda rows: events.of_incident(rows, incident.id))
    proofs = [event.at.timestamp() for event in told if event.kind == "proven" and "restart" in str(event.data)]
    return incident.id, next((at for at in proofs if at > began), float("inf"))


async def _ms_until(well: Callable[[], bool], began: float) -> float:
    while not await asyncio.to_thread(well):  # noqa: ASYNC110 — another process is waited for
        await asyncio.sleep(_LOOK)
    return (time.time() - began) * 1000


def _kill_container(engine: Docker) -> float:
    """Kill the container's first process, as the kernel would; return when."""
    pid = int(engine.say("inspect", "--format", "{{.State.Pid}}", _NAME))
    return _kill(pid)


def _kill_process() -> float:
    return _kill(marked(_NAME)[0])


def _kill(pid: int) -> float:
    began = time.time()
    os.kill(pid, signal.SIGKILL)
    while (process := proc.look_up(pid)) is not None and process.instance and _alive(pid):
        time.sleep(_LOOK)
    return began


def _alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _restart(engine: Docker) -> None:
    """Ask the engine itself, without the start of its command-line program."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(engine.socket)
        asked.sendall(f"POST /containers/{_NAME}/restart?t=1 HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        answer = http.client.HTTPResponse(asked)
        answer.begin()
        if answer.status != http.HTTPStatus.NO_CONTENT:
            raise RuntimeError(f"the engine does not restart {_NAME}: {answer.status} {answer.read()!r}")


async def _monit(folder: Path, runs: int) -> list[float]:
    """Return ms from the kill of a process until monit has it back."""
    port = free_port()
    pid_file = folder / "shop.pid"
    starter = folder / "start.sh"
    starter.write_text(f"#!/bin/sh\n{' '.join(_serving(folder, port))} >/dev/null 2>&1 &\necho $! > {pid_file}\n")
    starter.chmod(0o700)
    config = folder / "monitrc"
    config.write_text(
        "set daemon 1\n"
        f"set pidfile {folder}/monit.pid\nset idfile {folder}/monit.id\nset statefile {folder}/monit.state\n"
        f'check process {_NAME} with pidfile {pid_file}\n  start program = "{starter}"\n'
    )
    config.chmod(0o600)
    well = answers(f"http://127.0.0.1:{port}/health")
    monit = Program.start("monit", [find("monit"), "-I", "-c", str(config)], folder=folder)
    try:
        await asyncio.to_thread(monit.wait_until, well)
        times = []
        for turn in range(runs):
            await asyncio.sleep(2 + turn / runs)  # kills fall everywhere in its cycle
            began = _kill(int(pid_file.read_text()))
            times.append(await _ms_until(well, began))
        return times
    finally:
        monit.stop()
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(pid_file.read_text()), signal.SIGKILL)


def _serving(folder: Path, port: int) -> list[str]:
    (folder / "www").mkdir(exist_ok=True)
    (folder / "www" / "health").write_text("well\n")
    return [find("busybox"), "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", f"{folder}/www"]


def _only(path: str) -> dict[str, bool]:
    return {name: False for name in ("health", "resources", "status", "system") if name != path}


def _settings(target: dict[str, Any]) -> dict[str, Any]:
    return {
        "polling": _UNHURRIED,
        "guard": _PATIENT,
        "alerting": {"group_window": "1s"},
        "targets": [target | {"start_period": "1s"}],
    }
