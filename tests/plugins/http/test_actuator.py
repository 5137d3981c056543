"""Outgoing calls: only those of the allow-list, only with their own arguments, once for each key."""

import json
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import ActuatorContract, OpenGuardian, StrictGuardian, tools
from devops_agent.kit.tools import SettingsError
from devops_agent.model.action import Effect, Risk, Step
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.target import Check, Target
from devops_agent.plugins.http.actuator import HttpActuator, build
from devops_agent.ports import Guardian, PluginError, Untouchable
from tests.plugins.http.serving import Server, answering

Make = Callable[[Guardian], HttpActuator]
CALL = Step(name="purge", action="http.call.purge", args={"zone": "eu"}, timeout=timedelta(seconds=5))


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http()
    yield client
    await client.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with answering({"/": (200, "up"), "/purge": (202, {"purged": 7}), "/flush": (200, "")}) as serving:
        yield serving


@pytest.fixture
def make(server: Server, http: Http, tmp_path: Path) -> Make:
    calls = {
        "purge": {"url": f"{server.url}/purge", "body": '{"zone": "{zone}"}', "token_file": "/secrets/purge"},
        "flush": {"url": f"{server.url}/flush", "method": "PUT", "risk": "safe", "says": "Empty the cache."},
        "form": {
            "url": f"{server.url}/purge",
            "body": "zone={zone}",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
    }

    def make(guardian: Guardian) -> HttpActuator:
        secrets = {"/secrets/purge": "s3cret"}
        return build({"calls": calls}, tools=tools(tmp_path, http=http, guardian=guardian, secrets=secrets))

    return make


@pytest.fixture
def target(server: Server) -> Target:
    return Target(name="cache", via="http", ref=server.url)


class TestContract(ActuatorContract):
    leaves_a_trace = False

    @pytest.fixture
    def unknown_target(self) -> Target:
        return Target(name="nobody", via="http")

    @pytest.fixture
    def safe_step(self) -> Step:
        return CALL

    @pytest.fixture
    def slow_step(self, server: Server) -> Step:
        server.hangs = True
        return CALL.with_(timeout=timedelta(seconds=0.1))


async def test_calls_as_the_allow_list_says(make: Make, target: Target, server: Server) -> None:
    result = await make(OpenGuardian()).execute(CALL, target=target, key="run-1/purge")
    assert result.ok
    assert result.says.startswith(f"POST {server.url}/purge answers 202 after")
    assert result.data == {"status": 202, "body": '{"purged": 7}'}
    [asked] = server.asked
    assert (asked.method, json.loads(asked.body)) == ("POST", {"zone": "eu"})
    assert asked.headers["idempotency-key"] == "run-1/purge"
    assert asked.headers["authorization"] == "Bearer s3cret"
    assert asked.headers["content-type"] == "application/json"


async def test_each_call_is_an_action_of_its_own_with_its_risk(make: Make) -> None:
    purge, flush, _ = make(OpenGuardian()).actions()
    assert (purge.name, purge.risk, purge.idempotent, list(purge.params)) == (
        "http.call.purge", Risk.RISKY, False, ["zone"]
    )  # fmt: skip
    assert (flush.name, flush.risk, flush.idempotent, flush.says) == (
        "http.call.flush", Risk.SAFE, True, "Empty the cache."
    )  # fmt: skip


async def test_an_argument_cannot_say_more_than_its_one_value(make: Make, target: Target, server: Server) -> None:
    evil = 'eu", "all": "true'
    await make(OpenGuardian()).execute(CALL.with_(args={"zone": evil}), target=target, key="1")
    await make(OpenGuardian()).execute(
        CALL.with_(action="http.call.form", args={"zone": "eu&all=true"}), target=target, key="2"
    )
    assert json.loads(server.asked[0].body) == {"zone": evil}
    assert server.asked[1].body == b"zone=eu%26all%3Dtrue"


@pytest.mark.parametrize("args", [{}, {"zone": "eu", "url": "http://elsewhere"}])
async def test_arguments_that_the_body_does_not_ask_for_are_refused(
    make: Make, target: Target, server: Server, args: dict[str, str]
) -> None:
    with pytest.raises(PluginError, match="it takes zone") as raised:
        await make(OpenGuardian()).execute(CALL.with_(args=args), target=target, key="1")
    assert not raised.value.retryable
    assert server.asked == []


@pytest.mark.parametrize(("status", "retryable"), [(500, True), (429, True), (404, False), (301, False)])
async def test_an_unexpected_status_is_a_failure(
    make: Make, target: Target, server: Server, *, status: int, retryable: bool
) -> None:
    server.answers["/purge"] = (status, "not now")
    with pytest.raises(PluginError, match=f"answers {status}: not now") as raised:
        await make(OpenGuardian()).execute(CALL, target=target, key="1")
    assert raised.value.retryable is retryable


async def test_a_call_that_may_have_arrived_is_repeated_only_if_that_does_no_harm(
    make: Make, target: Target, server: Server
) -> None:
    server.hangs = True
    flush = Step(name="flush", action="http.call.flush", timeout=timedelta(seconds=0.1))
    for step, retryable in ((CALL.with_(timeout=timedelta(seconds=0.1)), False), (flush, True)):
        with pytest.raises(PluginError, match="no answer within") as raised:
            await make(OpenGuardian()).execute(step, target=target, key=step.name)
        assert raised.value.retryable is retryable


async def test_whether_a_call_arrived_cannot_be_seen(make: Make, target: Target) -> None:
    actuator = make(OpenGuardian())
    state = await actuator.observe(target)
    assert actuator.effect(CALL, before=state, after=state) is Effect.UNKNOWN


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "[::1]"])
async def test_a_protected_local_port_is_refused_however_the_host_is_written(
    http: Http, tmp_path: Path, server: Server, host: str
) -> None:
    guardian = StrictGuardian(
        Protected(what="the agent's own API", why="test", is_=Identity(ports=frozenset({server.port})))
    )
    calls = {"own": {"url": f"http://{host}:{server.port}/actions/restart"}}
    actuator = build({"calls": calls}, tools=tools(tmp_path, http=http, guardian=guardian))
    with pytest.raises(Untouchable):
        await actuator.execute(Step(name="s", action="http.call.own"), target=Target(name="x"), key="1")
    assert server.asked == []


async def test_a_port_of_another_machine_is_not_ours(http: Http, tmp_path: Path) -> None:
    actuator = build({"calls": {"far": {"url": "https://203.0.113.7/x"}}}, tools=tools(tmp_path, http=http))
    identity = await actuator.identify(Target(name="x"), step=Step(name="s", action="http.call.far"))
    assert identity == Identity(names=frozenset({"x", "203.0.113.7"}))


async def test_observes_by_the_url_of_the_target_or_of_its_first_check(make: Make, server: Server) -> None:
    actuator = make(OpenGuardian())
    state = await actuator.observe(Target(name="a", checks=(Check(url=f"{server.url}/"),)))
    assert (state.exists, state.running) == (True, True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        state = await actuator.observe(Target(name="b", ref=f"http://127.0.0.1:{taken.getsockname()[1]}"))
    assert (state.exists, state.running) == (True, False)


@pytest.mark.parametrize("url", ["", "ftp://x/y", "http://", "/purge"])
def test_a_call_without_a_proper_url_is_refused_at_load(http: Http, tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"plugins\.http\.calls\.bad\.url"):
        build({"calls": {"bad": {"url": url}}}, tools=tools(tmp_path, http=http))


def test_an_unknown_setting_is_refused(http: Http, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="retrys"):
        build({"calls": {"bad": {"url": "http://x", "retrys": 3}}}, tools=tools(tmp_path, http=http))
