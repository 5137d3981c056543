"""Logs and changes from a real engine: containers that write to both streams, to a terminal, and were replaced."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from devops_agent.app.clock import SystemClock
from devops_agent.kit.http import Http
from devops_agent.kit.testing import tools
from devops_agent.kit.tools import Tools
from devops_agent.model.target import Target
from devops_agent.model.telemetry import ChangeKind, Lines
from devops_agent.plugins.docker.changes import VERSION
from devops_agent.plugins.docker.changes import build as build_changes
from devops_agent.plugins.docker.logs import LONGEST
from devops_agent.plugins.docker.logs import build as build_logs
from devops_agent.ports import PluginError
from tests.real.parts import Docker
from tests.real.running import until

SHOP = Target(name="shop", via="docker")
HOUR = timedelta(hours=1)
SPEAK = "for n in 1 2 3 4 5; do echo line $n; done; echo ERROR no disk >&2; sleep 1000"


@pytest.fixture
def engine(docker_engine: Docker) -> Iterator[Docker]:
    yield docker_engine
    docker_engine.remove_all()


@pytest.fixture
async def given(tmp_path: Path) -> AsyncIterator[Tools]:
    http = Http()
    yield tools(tmp_path, clock=SystemClock(), http=http)
    await http.close()


async def read(engine: Docker, given: Tools, *, at_least: int, limit: int = 100, errors_only: bool = False) -> Lines:
    """Read what was written within the hour, once that many lines are there."""
    logs = build_logs({"socket": engine.socket}, tools=given)

    async def look() -> Lines | None:
        now = datetime.now(UTC)
        found = await logs.lines(SHOP, begin=now - HOUR, end=now + HOUR, limit=limit, errors_only=errors_only)
        return found if len(found.lines) >= at_least else None

    return await until(look, "the container to write")


async def test_both_streams_are_read_with_their_times(engine: Docker, given: Tools) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    engine.run(engine.busybox(), "shop", command=("sh", "-c", SPEAK))
    found = await read(engine, given, at_least=6)
    assert sorted(line.text for line in found.lines) == ["ERROR no disk", *(f"line {n}" for n in range(1, 6))]
    assert all(before <= line.at <= datetime.now(UTC) for line in found.lines)
    assert {line.labels["stream"] for line in found.lines if line.text == "ERROR no disk"} == {"stderr"}
    assert not found.partial
    errors = await read(engine, given, at_least=1, limit=1, errors_only=True)
    assert [line.text for line in errors.lines] == ["ERROR no disk"]
    last = await read(engine, given, at_least=2, limit=2)
    assert (len(last.lines), last.partial) == (2, True)


async def test_a_terminal_has_one_stream(engine: Docker, given: Tools) -> None:
    engine.run(engine.busybox(), "shop", "--tty", command=("sh", "-c", SPEAK))
    found = await read(engine, given, at_least=6)
    assert [line.text for line in found.lines] == [*(f"line {n}" for n in range(1, 6)), "ERROR no disk"]


async def test_a_line_longer_than_the_engines_buffer_is_one_line(engine: Docker, given: Tools) -> None:
    endless = "head -c 100000 /dev/zero | tail -c 100000; echo; echo done; sleep 1000"
    engine.run(engine.busybox(), "shop", command=("sh", "-c", endless))
    found = await read(engine, given, at_least=2)
    assert [len(line.text) for line in found.lines] == [LONGEST, 4]


async def test_a_driver_that_keeps_nothing_is_told(engine: Docker, given: Tools) -> None:
    engine.run(engine.busybox(), "shop", "--log-driver", "none")
    with pytest.raises(
        PluginError, match=r"cannot read the log of container shop: .*does not support reading"
    ) as raised:
        await read(engine, given, at_least=1)
    assert not raised.value.retryable


async def test_a_new_image_and_a_restart_are_changes(engine: Docker, given: Tools) -> None:
    now = datetime.now(UTC)
    source = build_changes({"socket": engine.socket}, tools=given)
    engine.busybox("shop:1", command=("sleep", "1000"))
    engine.busybox("shop:2", command=("sleep", "1001"))
    engine.run("shop:2", "shop", "--label", f"{VERSION}=2.0")
    (change,) = await source.changes(SHOP, begin=now - HOUR, end=now + HOUR)
    assert (change.kind, change.before, change.after) == (ChangeKind.IMAGE, "shop:1", "shop:2 (version 2.0)")
    assert abs(change.at - now) < HOUR
    assert await source.changes(SHOP, begin=now - 2 * HOUR, end=now - HOUR) == []
