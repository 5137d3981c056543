"""What the plugin makes of an engine that fails, by a small engine that says what a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import OpenGuardian, tools
from devops_agent.kit.tools import SettingsError
from devops_agent.model.action import Argument, Effect, Risk, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.plugins.docker.actuator import DockerActuator, build
from devops_agent.plugins.docker.client import Engine, EngineError
from devops_agent.plugins.docker.inventory import build as build_inventory
from devops_agent.ports import PluginError

TARGET = Target(name="web", via="docker")
ID = "ab" * 32


@dataclass
class FakeEngine:
    """Answers by method and path without the version; what it does not know is not found."""

    socket: str
    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    version: str = "1.41"
    oldest: str = "1.12"

    def answer(self, method: str, path: str) -> tuple[int, object]:
        if path == "/version":
            return 200, {"ApiVersion": self.version, "MinAPIVersion": self.oldest}
        self.asked.append(f"{method} {path}")
        bare = "/" + path.split("/", 2)[2]
        return self.answers.get(f"{method} {urlsplit(bare).path}", (404, {"message": "no such thing"}))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    fake = FakeEngine(socket=str(tmp_path / "d.sock"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split("\r\n")[0].split()
                status, said = fake.answer(method, path)
                text = said if isinstance(said, str) else json.dumps(said)
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_unix_server(serve, fake.socket):
        yield fake


@pytest.fixture
async def http(engine: FakeEngine) -> AsyncIterator[Http]:
    client = Http()
    yield client
    await client.close()


@pytest.fixture
def actuator(engine: FakeEngine, http: Http, tmp_path: Path) -> DockerActuator:
    return build({"socket": engine.socket}, tools=tools(tmp_path, http=http, guardian=OpenGuardian()))


def running(name: str = "web") -> dict[str, object]:
    return {
        "Id": ID,
        "Name": f"/{name}",
        "Image": "sha256:1",
        "Created": "2026-01-05T12:00:00Z",
        "Config": {"Image": "shop:1", "Labels": {}},
        "HostConfig": {},
        "State": {"Status": "running", "StartedAt": "2026-01-05T12:00:00Z", "Pid": 0},
    }


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [("1.41", "1.12", "1.41"), ("1.43", "1.24", "1.43"), ("1.52", "1.44", "1.47"), ("1.60", "1.50", "1.50")],
)
async def test_speaks_the_newest_form_that_both_know(
    engine: FakeEngine, http: Http, newest: str, oldest: str, spoken: str
) -> None:
    engine.version, engine.oldest = newest, oldest
    engine.answers["GET /containers/json"] = (200, [])
    await Engine(http, socket=engine.socket).containers()
    assert engine.asked == [f"GET /v{spoken}/containers/json?all=1"]


async def test_an_engine_that_is_too_old_is_refused(engine: FakeEngine, http: Http) -> None:
    engine.version = "1.40"
    with pytest.raises(EngineError, match=r"it speaks API 1\.40; 1\.41 is needed"):
        await Engine(http, socket=engine.socket).containers()


@pytest.mark.parametrize(("status", "retryable"), [(500, True), (409, False), (403, False)])
async def test_the_engines_reason_is_passed_on(
    engine: FakeEngine, actuator: DockerActuator, *, status: int, retryable: bool
) -> None:
    engine.answers["GET /containers/web/json"] = (200, running())
    engine.answers[f"POST /containers/{ID}/restart"] = (status, {"message": "driver failed"})
    step = Step(name="restart", action="docker.restart")
    with pytest.raises(PluginError, match="driver failed") as raised:
        await actuator.execute(step, target=TARGET, key="1")
    assert raised.value.retryable is retryable


async def test_answers_that_make_no_sense_are_errors_too(engine: FakeEngine, actuator: DockerActuator) -> None:
    engine.answers["GET /containers/web/json"] = (200, "{not json")
    with pytest.raises(PluginError, match="cannot talk to the Docker engine"):
        await actuator.observe(TARGET)


async def test_a_failure_is_not_remembered_as_done(engine: FakeEngine, actuator: DockerActuator) -> None:
    engine.answers["GET /containers/web/json"] = (200, running())
    engine.answers[f"POST /containers/{ID}/restart"] = (500, {"message": "not now"})
    step = Step(name="restart", action="docker.restart")
    with pytest.raises(PluginError, match="not now"):
        await actuator.execute(step, target=TARGET, key="1")
    engine.answers |= {
        f"POST /containers/{ID}/restart": (204, ""),
        f"GET /containers/{ID}/json": (200, running()),
    }
    assert (await actuator.execute(step, target=TARGET, key="1")).ok


async def test_a_socket_that_is_not_there_is_named(http: Http, tmp_path: Path) -> None:
    actuator = build({"socket": str(tmp_path / "none")}, tools=tools(tmp_path, http=http))
    with pytest.raises(PluginError, match=f"{tmp_path}/none: it cannot be reached") as raised:
        await actuator.observe(TARGET)
    assert raised.value.retryable


async def test_a_stream_of_events_that_ends_is_an_error(engine: FakeEngine, http: Http) -> None:
    engine.answers["GET /events"] = (200, json.dumps({"Action": "die"}) + "\n")
    async with aclosing(Engine(http, socket=engine.socket).events(kinds=["die"])) as events:
        assert await anext(events) == {"Action": "die"}
        with pytest.raises(EngineError, match="closed the stream"):
            await anext(events)


@pytest.mark.parametrize("args", [{"replicas": "many"}, {"replicas": True}, {}])
async def test_a_number_has_to_be_one(actuator: DockerActuator, args: dict[str, Argument]) -> None:
    step = Step(name="scale", action="docker.scale", args=args)
    with pytest.raises(PluginError, match="has to be a whole number"):
        await actuator.execute(step, target=TARGET, key="1")


async def test_an_unknown_argument_is_refused(actuator: DockerActuator) -> None:
    step = Step(name="restart", action="docker.restart", args={"force": True})
    with pytest.raises(PluginError, match=r"docker\.restart takes timeout; given: force"):
        await actuator.execute(step, target=TARGET, key="1")


async def test_what_does_not_exist_is_known_by_its_name_only(engine: FakeEngine, actuator: DockerActuator) -> None:
    engine.answers["GET /containers/json"] = (200, [])
    identity = await actuator.identify(Target(name="shop", ref="/web"))
    assert identity == Identity(names=frozenset({"shop", "web"}))


async def test_discovery_can_be_switched_off(engine: FakeEngine, http: Http, tmp_path: Path) -> None:
    inventory = build_inventory({"socket": engine.socket, "discover": False}, tools=tools(tmp_path, http=http))
    assert await inventory.discover() == []
    assert engine.asked == []


def test_an_unknown_setting_is_refused(http: Http, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"plugins\.docker.*sockets"):
        build({"sockets": "/x"}, tools=tools(tmp_path, http=http))


def test_risks_are_told_and_everything_risky_can_be_undone(actuator: DockerActuator) -> None:
    actions = {action.name.removeprefix("docker."): action for action in actuator.actions()}
    assert {name: action.risk for name, action in actions.items()} == {
        "restart": Risk.SAFE, "start": Risk.SAFE, "stop": Risk.RISKY, "scale": Risk.RISKY, "rollback": Risk.RISKY,
        "logs": Risk.READ, "stats": Risk.READ,
    }  # fmt: skip
    assert all(action.undo for action in actions.values() if action.risk is Risk.RISKY)


def test_two_observations_of_a_roll_back_half_way_tell_nothing(actuator: DockerActuator) -> None:
    before = State(exists=True, running=True, instance="a", image="shop:2", extra={"image_id": "2"})
    step = Step(name="back", action="docker.rollback", timeout=timedelta(seconds=30))
    for after, effect in (
        (before, Effect.ABSENT),
        (State(exists=False, running=False), Effect.UNKNOWN),
        (before.with_(running=False), Effect.UNKNOWN),
        (before.with_(instance="b", image="shop:1", extra={"image_id": "1"}), Effect.DONE),
        (before.with_(instance="b", image="shop:1", running=False, extra={"image_id": "1"}), Effect.UNKNOWN),
    ):
        assert actuator.effect(step, before=before, after=after) is effect
