"""The closer look at real containers, metrics and logs: what is wrong is named with evidence, or nothing is."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from devops_agent.engine.investigate import QUEUE
from devops_agent.model.incident import Incident
from devops_agent.model.telemetry import LogLine
from devops_agent.store import heartbeats, runs
from tests.real.logql import LogQL
from tests.real.parts import Docker, Server, free_port
from tests.real.running import Site, site, until
from tests.real.test_heal_docker import RARE

SCRAPE = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: predictor
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{service: predictor}}}}]
"""
PREDICT = "/api/v1/predict"


@pytest.fixture
def engine(docker_engine: Docker) -> Iterator[Docker]:
    yield docker_engine
    docker_engine.remove_all()


def post(port: int, path: str, **body: object) -> int:
    """Post to a service on this machine; return the status, 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("POST", path, body=json.dumps(body), headers={"Content-Type": "application/json"})
            return connection.getresponse().status
        except OSError:
            return 0


def start_predictor(engine: Docker, *options: str) -> int:
    """Start the demo service in a container; return its port."""
    port = free_port()
    serve = ("python3", "-m", "examples.market_predictor", "serve", "--port", str(port), "--faults")
    engine.run(engine.python(), "predictor", *options, network="host", command=serve)
    return port


@asynccontextmanager
async def asked_all_the_time(port: int, *, timeframe: str = "1h", pause: float = 0.05) -> AsyncIterator[None]:
    """Let somebody ask for predictions until the end."""

    async def ask() -> None:
        while True:
            await asyncio.to_thread(post, port, PREDICT, timeframe=timeframe)
            await asyncio.sleep(pause)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def fire(made: Site, name: str, target: str) -> None:
    """Send an alert as an outside sender does."""
    token = (made.folder / "token").read_text()
    labels = {"alertname": name, "service": target}
    status, _ = await made.ask("/webhook/generic", method="POST", token=token, labels=labels, status="firing")
    assert status in (200, 202)


async def causes(made: Site, incident: Incident) -> dict[str, Any]:
    """Return what is known of an incident's causes, once there is a diagnosis and a closer look."""

    async def look() -> bool:
        told = await made.timeline(incident.id)
        return {"diagnosis", "insight"} <= {event.kind for event in told}

    try:
        await until(look, f"the causes of {incident.id}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{await made.story()}\n{made.log()}") from None
    found: dict[str, Any] = (await made.ask(f"/api/v1/incidents/{incident.id}/causes"))[1]
    return found


async def evidence(made: Site, incident: Incident) -> dict[str, dict[str, Any]]:
    items = (await made.ask(f"/api/v1/incidents/{incident.id}/evidence"))[1]["items"]
    return {item["id"]: item for item in items}


def settings(engine: Docker, folder: Path, **plugins: dict[str, object]) -> dict[str, Any]:
    token = folder / "token"
    token.write_text("made-up-token-of-the-sender")
    return {
        "polling": {"well": "1s", "trouble": "1s"},
        "web": {"alert_token_file": str(token)},
        "plugins": {"docker": {"socket": engine.socket, "discover": False}, **plugins},
    }


@asynccontextmanager
async def shipped(engine: Docker, name: str, logql: LogQL) -> AsyncIterator[None]:
    """Hand a container's log to a log server until the end, as a shipper does."""
    sent = 0

    async def ship() -> None:
        nonlocal sent
        while True:
            done = await asyncio.to_thread(engine.docker, "logs", "--timestamps", name)
            told = [line for line in (done.stdout + done.stderr).decode().splitlines() if " " in line]
            fresh = [
                LogLine(at=datetime.fromisoformat(f"{at[:26]}+00:00"), text=text)
                for at, _, text in (line.partition(" ") for line in sorted(told, key=lambda line: line[:30])[sent:])
            ]
            if fresh:
                await asyncio.to_thread(logql.push, {"service": name}, fresh)
            sent += len(fresh)
            await asyncio.sleep(0.3)

    shipping = asyncio.create_task(ship())
    try:
        yield
    finally:
        shipping.cancel()
        await asyncio.gather(shipping, return_exceptions=True)


async def scraped(made: Site, monitor: Server, *, times: int) -> bool:
    query = {"query": 'count_over_time(up{service="predictor"}[1m])'}
    async with made.http.get(f"{monitor.url}/api/v1/query", params=query) as answer:
        found = (await answer.json())["data"]["result"]
    return bool(found) and int(found[0]["value"][1]) >= times


async def trace(made: Site, port: int) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Break the demo service so that it raises exceptions; return what is found out, and the evidence."""
    await made.start()
    await made.well("predictor")
    async with asked_all_the_time(port):
        assert post(port, "/faults/error_burst") == 202
        await asyncio.sleep(2)  # until some have failed, and their traces are where they are looked for
        await fire(made, "HighErrorRate", "predictor")
        incident = await made.incident("predictor")
        found = await causes(made, incident)
    return found, await evidence(made, incident)


def named(found: dict[str, Any]) -> dict[str, Any]:
    """Return the hypothesis that names the place in the code."""
    one: dict[str, Any] = next(one for one in found["insight"]["hypotheses"] if one["kind"] == "code_error")
    assert re.search(r"KeyError at \S*market_predictor/predict\.py:\d+ in volatility", one["says"])
    assert "ModelNotLoadedError" in one["says"]
    return one


async def test_an_error_burst_is_traced_to_file_and_line(
    engine: Docker, prometheus: Callable[..., Server], tmp_path: Path
) -> None:
    port = start_predictor(engine)
    monitor = prometheus(SCRAPE.format(port=port))
    whole = settings(engine, tmp_path, prometheus={"url": monitor.url, "window": "5s"})
    whole["investigation"] = {"window": "5s", "baseline": "20s"}
    target = {"name": "predictor", "docker": "predictor", "url": f"http://127.0.0.1:{port}"}
    async with site(tmp_path, {**whole, "targets": [target]}) as made:
        await until(lambda: scraped(made, monitor, times=8), "Prometheus to have looked at the service for a while")
        found, cited = await trace(made, port)
        assert {cited[id_]["name"] for id_ in named(found)["evidence"]} == {"stack_trace"}
        assert {cited[id_]["source"] for id_ in named(found)["evidence"]} == {"docker"}
        told = found["diagnosis"]
        assert any("KeyError" in one["says"] for one in told), told
        assert any(one["name"] == "reading" and one["source"] == "prometheus" for one in cited.values())


async def test_an_error_burst_is_traced_through_a_log_server_too(engine: Docker, logql: LogQL, tmp_path: Path) -> None:
    port = start_predictor(engine)
    whole = settings(engine, tmp_path, loki={"url": logql.url})
    target = {"name": "predictor", "docker": "predictor", "url": f"http://127.0.0.1:{port}"}
    async with shipped(engine, "predictor", logql), site(tmp_path, {**whole, "targets": [target]}) as made:
        found, cited = await trace(made, port)
        assert {cited[id_]["source"] for id_ in named(found)["evidence"]} == {"loki"}
        assert 'service="predictor"' in cited[named(found)["evidence"][0]]["query"]


async def test_a_dependency_that_is_down_is_named_instead_of_its_victim(engine: Docker, tmp_path: Path) -> None:
    data = free_port()
    serve = f"exec httpd -f -p 127.0.0.1:{data} -h /tmp"
    engine.busybox("data:1", command=("sh", "-c", serve))
    engine.run("data:1", "data", network="host")
    port = start_predictor(engine)
    whole = settings(engine, tmp_path)
    whole["plugins"]["docker"]["events"] = False
    targets = [
        {"name": "data", "docker": "data", "manage": False},
        {"name": "predictor", "docker": "predictor", "url": f"http://127.0.0.1:{port}", "depends_on": ["data"]},
    ]
    async with site(tmp_path, {**whole, "polling": RARE, "targets": targets}) as made:
        await made.start()
        await made.well("predictor", "data")
        engine.say("kill", "data")
        await fire(made, "HighErrorRate", "predictor")
        victim = await made.incident("predictor")
        told = await made.told("diagnosis", incident=victim.id)
        found = await causes(made, victim)
        assert told.data["found"]["hypotheses"][0]["kind"] == "dependency_down"
        assert "data" in told.says
        assert (found["insight"]["hypotheses"][0]["kind"], found["insight"]["hypotheses"][0]["component"]) == (
            "down",
            "data",
        )
        assert not [event for event in await made.timeline(victim.id) if event.kind == "step"]
        assert engine.say("inspect", "--format", "{{.RestartCount}} {{.State.Running}}", "predictor") == "0 true"


async def test_a_healthy_but_noisy_service_leads_to_no_action(
    engine: Docker, prometheus: Callable[..., Server], tmp_path: Path
) -> None:
    port = start_predictor(engine)
    monitor = prometheus(SCRAPE.format(port=port))
    whole = settings(engine, tmp_path, prometheus={"url": monitor.url, "window": "10s"})
    whole["investigation"] = {"window": "10s", "baseline": "20s"}
    target = {"name": "predictor", "docker": "predictor", "url": f"http://127.0.0.1:{port}"}
    async with site(tmp_path, {**whole, "targets": [target]}) as made:
        await made.start()
        await made.well("predictor")
        before = engine.say("inspect", "--format", "{{.State.StartedAt}}", "predictor")
        # Every other request is one that the service rightly refuses, and logs.
        async with asked_all_the_time(port), asked_all_the_time(port, timeframe="never"):
            await asyncio.sleep(32)  # log and metrics need a past that the window can be compared with
            await fire(made, "HighErrorRate", "predictor")
            incident = await made.incident("predictor")
            found = await causes(made, incident)
            await made.told("well", incident=incident.id)
        assert found["insight"]["well"], found
        assert not [event for event in await made.timeline(incident.id) if event.kind == "step"]
        assert engine.say("inspect", "--format", "{{.State.StartedAt}}", "predictor") == before


@asynccontextmanager
async def never_answering() -> AsyncIterator[str]:
    """Give the URL of a server that takes every connection and never says a word."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}/v1"


async def test_a_model_that_hangs_delays_nothing(engine: Docker, tmp_path: Path) -> None:
    port = start_predictor(engine)
    target = {"name": "predictor", "docker": "predictor", "url": f"http://127.0.0.1:{port}"}
    async with never_answering() as url:
        model = {"name": "openai:hangs", "base_url": url, "timeout": "3s"}
        whole = {**settings(engine, tmp_path), "investigation": {"model": model}, "targets": [target]}
        async with site(tmp_path, whole) as made:
            await made.start()
            await made.well("predictor")
            async with asked_all_the_time(port):
                assert post(port, "/faults/error_burst") == 202
                await fire(made, "HighErrorRate", "predictor")
                incident = await made.incident("predictor")
                advice = await made.told("advice", incident=incident.id)
            kinds = [event.kind for event in await made.timeline(incident.id)]
            assert kinds.index("insight") < kinds.index("diagnosis") < kinds.index("advice")
            assert "late" not in kinds
            assert "out of time" in advice.says


async def test_a_worker_that_is_killed_is_followed_by_one_that_ends_the_look(engine: Docker, tmp_path: Path) -> None:
    port = start_predictor(engine)
    target = {"name": "predictor", "docker": "predictor", "url": f"http://127.0.0.1:{port}"}
    async with never_answering() as url:
        # A log server that never answers holds the look up until the source's time is over: long enough to be killed.
        whole = settings(engine, tmp_path, loki={"url": url.removesuffix("/v1")})
        async with site(tmp_path, {**whole, "targets": [target]}) as made:
            await made.start()
            await made.well("predictor")
            await fire(made, "HighErrorRate", "predictor")
            incident = await made.incident("predictor")

            async def working() -> int:
                beats = await made.store.read(heartbeats.all_)
                running = await made.store.read(lambda rows: runs.running(rows, QUEUE, now=datetime.now(UTC)))
                return beats["worker"].pid if running and "worker" in beats else 0

            first = await until(working, "a worker to look closer")
            os.kill(first, signal.SIGKILL)
            found = await causes(made, incident)
            assert any("loki" in reason for reason in found["insight"]["missing"])
            assert await made.pid_of("worker") != first
            assert [event.kind for event in await made.timeline(incident.id)].count("insight") == 1
