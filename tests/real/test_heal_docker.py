"""A killed container is healed at once through the engine's events, from end to end."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from devops_agent.model.incident import Status
from tests.real.parts import Docker, free_port
from tests.real.running import site

RARE = {"well": "1h", "trouble": "1s"}
"""Polls that notice nothing: what is well is not looked at again."""
STORY = (
    "opened", "investigating", "diagnosis", "plan", "decision", "remediating", "step", "proven", "step", "proven",
    "verifying", "healthy", "resolved",
)  # fmt: skip


@pytest.fixture
def engine(docker_engine: Docker) -> Iterator[Docker]:
    yield docker_engine
    docker_engine.remove_all()


def start_shop(engine: Docker, *options: str) -> int:
    """Start a small web server with a health check and metrics; return its port."""
    port = free_port()
    serve = f"mkdir -p /www; echo shop_up 1 > /www/metrics; exec httpd -f -p 127.0.0.1:{port} -h /www"
    engine.busybox("shop:1", command=("sh", "-c", serve))
    health = ("--health-cmd", f"wget -q -O /dev/null http://127.0.0.1:{port}/metrics", "--health-interval", "1s")
    engine.run("shop:1", "shop", *health, *options, network="host")
    return port


def inspect(engine: Docker, name: str, field: str) -> str:
    return engine.say("inspect", "--format", "{{" + field + "}}", name)


async def test_a_killed_container_is_healed_through_events(engine: Docker, tmp_path: Path) -> None:
    start_shop(engine, "--label", "devops-agent.enable=true")
    before = inspect(engine, "shop", ".State.StartedAt")
    plugins = {"docker": {"socket": engine.socket}}
    async with site(tmp_path, {"polling": RARE, "plugins": plugins}) as made:
        await made.start()
        await made.well("shop")
        engine.say("kill", "shop")
        incident = await made.incident("shop", Status.RESOLVED)
        timeline = await made.timeline(incident.id)
        assert inspect(engine, "shop", ".State.Running") == "true"
        assert inspect(engine, "shop", ".State.StartedAt") > before
        assert inspect(engine, "shop", ".RestartCount") == "0"
        assert tuple(event.kind for event in timeline if event.kind != "joined") == STORY
        assert all(earlier.at <= later.at for earlier, later in pairwise(timeline))
        assert timeline[0].says.startswith("ContainerDied on shop: container shop was killed by a signal")
        assert (await made.ask("/api/v1/audit/verify"))[1]["intact"] is True
