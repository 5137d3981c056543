"""The Docker plugin against a real engine."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import ActuatorContract, OpenGuardian, StrictGuardian, tools
from devops_agent.model.action import Effect, Step
from devops_agent.model.alert import Alert
from devops_agent.model.evidence import Evidence, State
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.target import Check, Target
from devops_agent.plugins.docker import cgroup
from devops_agent.plugins.docker.actuator import DockerActuator
from devops_agent.plugins.docker.actuator import build as build_actuator
from devops_agent.plugins.docker.client import Engine
from devops_agent.plugins.docker.inventory import build as build_inventory
from devops_agent.plugins.docker.probe import build as build_probe
from devops_agent.plugins.docker.rollback import Names
from devops_agent.plugins.docker.usage import usage_of
from devops_agent.plugins.docker.watcher import DockerWatcher
from devops_agent.plugins.docker.watcher import build as build_watcher
from devops_agent.ports import Guardian, PluginError, Untouchable
from tests.real.parts import Docker

Make = Callable[[Guardian], DockerActuator]
RESTART = Step(name="restart", action="docker.restart", timeout=timedelta(seconds=20))
WINDOW = timedelta(minutes=5)


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http()
    yield client
    await client.close()


@pytest.fixture
def engine(docker_engine: Docker) -> Iterator[Docker]:
    """The engine without containers."""
    docker_engine.busybox("shop:1")
    yield docker_engine
    docker_engine.remove_all()


@pytest.fixture
def make(engine: Docker, http: Http, tmp_path: Path) -> Make:
    def make(guardian: Guardian) -> DockerActuator:
        given = tools(tmp_path, clock=RealClock(), guardian=guardian, http=http)
        return build_actuator({"socket": engine.socket}, tools=given)

    return make


@pytest.fixture
def actuator(make: Make) -> DockerActuator:
    return make(OpenGuardian())


@pytest.fixture
def target(engine: Docker) -> Target:
    engine.run("shop:1", "checkout")
    return Target(name="checkout", via="docker")


def inspect(engine: Docker, name: str, field: str) -> str:
    return engine.say("inspect", "--format", "{{" + field + "}}", name)


async def seen(actuator: DockerActuator, target: Target, *, until: Callable[[State], bool]) -> State:
    """Observe until the state is as expected."""
    async with asyncio.timeout(30):
        while True:
            state = await actuator.observe(target)
            if until(state):
                return state
            await asyncio.sleep(0.05)


class TestContract(ActuatorContract):
    @pytest.fixture
    def unknown_target(self) -> Target:
        return Target(name="nobody", via="docker")

    @pytest.fixture
    def safe_step(self) -> Step:
        return RESTART

    @pytest.fixture
    def slow_step(self) -> Step:
        # No engine stops and starts a container in so short a time.
        return RESTART.with_(timeout=timedelta(seconds=0.01))


async def test_a_restart_gives_a_new_start_and_says_so(actuator: DockerActuator, target: Target) -> None:
    before = await actuator.observe(target)
    result = await actuator.execute(RESTART, target=target, key="1")
    after = await actuator.observe(target)
    assert result.says.startswith(f"restarted container checkout ({after.instance[:12]}): running after ")
    assert (after.running, after.instance) == (True, before.instance)
    assert after.since is not None
    assert before.since is not None
    assert after.since > before.since
    assert after.pid != before.pid


async def test_a_killed_container_is_down_and_comes_back(
    actuator: DockerActuator, engine: Docker, target: Target
) -> None:
    engine.say("kill", "checkout")
    down = await seen(actuator, target, until=lambda state: not state.running)
    assert (down.exists, down.exit_code, down.oom_killed, down.since) == (True, 137, False, None)
    assert "is exited, exit code 137" in down.says
    await actuator.execute(RESTART, target=target, key="1")
    up = await actuator.observe(target)
    assert up.running
    assert actuator.effect(RESTART, before=down, after=up) is Effect.DONE
    assert actuator.effect(RESTART, before=down, after=down) is Effect.ABSENT
    assert actuator.effect(RESTART, before=up, after=down) is Effect.UNKNOWN


async def test_the_engines_own_restart_after_a_crash_is_counted(actuator: DockerActuator, engine: Docker) -> None:
    engine.run("shop:1", "crasher", "--restart", "always")
    target = Target(name="crasher", via="docker")
    before = await actuator.observe(target)
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    after = await seen(actuator, target, until=lambda state: bool(state.running and state.pid != before.pid))
    assert after.restarts == 1


async def test_a_container_that_ran_out_of_memory_says_so(actuator: DockerActuator, engine: Docker) -> None:
    greedy = ("sh", "-c", "x=a; while true; do x=$x$x; done")
    engine.run("shop:1", "greedy", "--memory", "16m", "--memory-swap", "16m", command=greedy)
    state = await seen(actuator, Target(name="greedy"), until=lambda state: not state.running)
    assert state.oom_killed
    assert "killed for want of memory" in state.says


async def test_health_is_the_engines_own_check(actuator: DockerActuator, engine: Docker) -> None:
    check = ("--health-cmd", "test -e /well || { echo no file; false; }", "--health-interval", "0.1s")
    engine.run("shop:1", "checked", *check, "--health-retries", "2", "--health-start-period", "5s")
    target = Target(name="checked")
    state = await actuator.observe(target)
    assert (state.starting, state.healthy) == (True, None)
    engine.say("exec", "checked", "touch", "/well")
    await seen(actuator, target, until=lambda state: state.healthy is True and not state.starting)
    engine.say("exec", "checked", "rm", "/well")
    ill = await seen(actuator, target, until=lambda state: state.healthy is False)
    assert ill.running
    assert "unhealthy: no file" in ill.says


async def test_start_and_stop_are_done_once_and_undo_each_other(actuator: DockerActuator, target: Target) -> None:
    stop, start = (Step(name=verb, action=f"docker.{verb}") for verb in ("stop", "start"))
    before = await actuator.observe(target)
    assert (await actuator.execute(stop, target=target, key="1")).changed
    stopped = await actuator.observe(target)
    assert (stopped.running, actuator.effect(stop, before=before, after=stopped)) == (False, Effect.DONE)
    assert not (await actuator.execute(stop, target=target, key="2")).changed
    assert (await actuator.execute(start, target=target, key="3")).changed
    started = await actuator.observe(target)
    assert (started.running, actuator.effect(start, before=stopped, after=started)) == (True, Effect.DONE)
    assert not (await actuator.execute(start, target=target, key="4")).changed


async def test_a_container_that_ends_at_once_after_its_restart_is_a_failure(
    actuator: DockerActuator, engine: Docker
) -> None:
    engine.run("shop:1", "broken", command=("sh", "-c", "exit 3"))

    async def restart_often() -> None:
        for attempt in range(20):  # a restart may be seen in the instant in which it runs
            await actuator.execute(RESTART, target=Target(name="broken"), key=str(attempt))

    with pytest.raises(PluginError, match=r"ended again.*exit code 3"):
        await restart_often()


async def test_the_label_and_the_step_say_how_long_to_wait_before_killing(
    actuator: DockerActuator, engine: Docker
) -> None:
    # Process 1 without a handler ignores SIGTERM, so each stop lasts as long as the patience.
    engine.say("run", "-d", "--network", "none", "--name", "deaf", "--label", "autoheal.stop.timeout=1", "shop:1")
    target = Target(name="deaf")
    by_label = await actuator.execute(RESTART, target=target, key="1")
    assert 1 <= float(str(by_label.data["seconds"])) < 8
    by_step = await actuator.execute(RESTART.with_(args={"timeout": 0}), target=target, key="2")
    assert float(str(by_step.data["seconds"])) < float(str(by_label.data["seconds"]))


@pytest.mark.parametrize("terminal", [False, True])
async def test_logs_come_in_order_from_both_streams(
    actuator: DockerActuator, engine: Docker, *, terminal: bool
) -> None:
    script = "echo one; echo two >&2; echo three; sleep 1000"
    engine.run("shop:1", "talker", *(["--tty"] if terminal else []), command=("sh", "-c", script))
    target = Target(name="talker")
    step = Step(name="logs", action="docker.logs", args={"lines": 10, "minutes": 5})
    lines: object = []
    async with asyncio.timeout(20):
        for attempt in range(1000):
            lines = (await actuator.execute(step, target=target, key=str(attempt))).data["lines"]
            if "three" in str(lines):
                break
    assert sorted(map(str, lines if isinstance(lines, list) else [])) == ["one", "three", "two"]
    last = await actuator.execute(step.with_(args={"lines": 1}), target=target, key="last")
    assert len(last.data["lines"]) == 1  # type: ignore[arg-type]


async def test_stats_tell_memory_and_processor_time(actuator: DockerActuator, engine: Docker) -> None:
    engine.run("shop:1", "busy", "--memory", "64m", command=("sh", "-c", "while true; do :; done"))
    result = await actuator.execute(Step(name="s", action="docker.stats"), target=Target(name="busy"), key="1")
    assert not result.changed
    assert 0 < float(str(result.data["memory_percent"])) < 100
    assert float(str(result.data["cpu_percent"])) > 1
    assert result.data["memory_limit_bytes"] == 64 * 1024 * 1024


async def test_the_kernel_and_the_engine_count_the_same(engine: Docker, http: Http) -> None:
    engine.run("shop:1", "shop", "--memory", "64m")
    client = Engine(http, socket=engine.socket)
    container = await client.inspect("shop")
    at_once = cgroup.sample(container["Id"], container["State"]["Pid"])
    slowly = usage_of(await client.stats(container["Id"], timeout=10))
    assert at_once is not None
    assert at_once.memory_limit_bytes == slowly.memory_limit_bytes == 64 * 1024 * 1024
    assert abs(at_once.memory_bytes - slowly.memory_bytes) < 1_000_000
    assert 0 <= slowly.cpu_ns - at_once.cpu_ns < 1_000_000_000
    assert (at_once.processors, at_once.pids) == (slowly.processors, slowly.pids)
    assert cgroup.sample(container["Id"], os.getpid()) is None


async def test_the_probe_brings_state_restarts_and_readings(engine: Docker, http: Http, tmp_path: Path) -> None:
    engine.run("shop:1", "shop", "--memory", "64m")
    probe = build_probe({"socket": engine.socket}, tools=tools(tmp_path, clock=RealClock(), http=http))
    target = Target(name="shop", checks=(Check(name="state", kind="state"),))
    evidence: dict[str, Evidence] = {}
    async with asyncio.timeout(20):
        while "cpu_percent" not in evidence:  # it needs two looks, and the kernel counts in hundredths of a second
            evidence = {piece.name: piece for piece in await probe.look(target, window=WINDOW)}
    assert (evidence["state"].value, evidence["restarts"].value) == ("running", 0)
    assert 0 < float(evidence["memory_percent"].value or 0) < 100
    assert evidence["cpu_percent"].unit == "%"
    [missing] = await probe.look(Target(name="nobody"), window=WINDOW)
    assert (missing.name, missing.value) == ("state", "missing")


async def test_discovers_what_labels_say(engine: Docker, http: Http, tmp_path: Path) -> None:
    engine.run("shop:1", "plain")
    engine.run("shop:1", "prod-web-1", "--label", "devops-agent.enable=true", "--label", "devops-agent.service=web")
    engine.run("shop:1", "healed", "--label", "autoheal=true")
    engine.run("shop:1", "hands-off", "--label", "autoheal=true", "--label", "devops-agent.enable=false")
    engine.say("run", "--network", "none", "--name", "job", "shop:1", "true")
    inventory = build_inventory({"socket": engine.socket}, tools=tools(tmp_path, http=http))
    found = {target.name: target for target in await inventory.discover()}
    assert {name: target.managed for name, target in found.items()} == {
        "plain": None, "web": True, "healed": True, "hands-off": False,
    }  # fmt: skip
    assert (found["web"].ref, found["web"].via, found["web"].found_by) == ("prod-web-1", "docker", "docker")


# Names that mean another container, and what must never be touched.


async def test_a_part_of_an_id_is_no_name(actuator: DockerActuator, engine: Docker) -> None:
    container = engine.run("shop:1", "checkout")
    for ref in ("/checkout", "checkout", container):
        assert (await actuator.observe(Target(name="x", ref=ref))).instance == container
    for ref in (container[:12], container[:63], "check", "checkout?x=1", "../checkout", "checkout/../plain", "*", " "):
        assert not (await actuator.observe(Target(name="x", ref=ref))).exists
        with pytest.raises(PluginError, match="no container"):
            await actuator.execute(RESTART, target=Target(name="x", ref=ref), key=ref)


async def test_a_container_named_like_the_beginning_of_an_id_is_itself(
    actuator: DockerActuator, engine: Docker
) -> None:
    database = engine.run("shop:1", "database")
    decoy = engine.run("shop:1", database[:12])
    assert (await actuator.observe(Target(name="x", ref=database[:12]))).instance == decoy


async def test_a_service_name_is_taken_while_one_container_bears_it(actuator: DockerActuator, engine: Docker) -> None:
    label = ("--label", "com.docker.compose.service=web")
    first = engine.run("shop:1", "prod-web-1", *label)
    assert (await actuator.observe(Target(name="web"))).instance == first
    engine.run("shop:1", "prod-web-2", *label)
    with pytest.raises(PluginError, match="ambiguous: prod-web-1, prod-web-2") as raised:
        await actuator.observe(Target(name="web"))
    assert not raised.value.retryable


async def test_what_is_protected_is_recognised_under_any_name(make: Make, engine: Docker) -> None:
    engine.say("tag", "shop:1", "prom/prometheus:v2")
    engine.say("tag", "shop:1", "innocent:latest")
    container = engine.run("innocent:latest", "innocent", "--label", "com.docker.compose.service=prometheus")
    pid = int(inspect(engine, "innocent", ".State.Pid"))
    children = {int(line.split()[1]) for line in engine.say("top", "innocent").splitlines()[1:]}
    identity = await make(OpenGuardian()).identify(Target(name="innocent"))
    assert identity.ids == {container}
    assert identity.pids == children | {pid}
    assert {"innocent", "prometheus"} <= identity.names
    assert {"innocent", "prom/prometheus"} <= identity.images
    for protected in (
        Identity(images=frozenset({"prom/prometheus"})),
        Identity(names=frozenset({"prometheus"})),
        Identity(ids=frozenset({container})),
        Identity(pids=frozenset({max(children)})),
    ):
        guarded = make(StrictGuardian(Protected(what="the monitoring", why="test", is_=protected)))
        for verb in ("restart", "stop", "rollback"):
            with pytest.raises(Untouchable):
                await guarded.execute(
                    Step(name=verb, action=f"docker.{verb}"), target=Target(name="innocent"), key=verb
                )
    assert int(inspect(engine, "innocent", ".State.Pid")) == pid


async def test_a_port_that_a_container_listens_on_recognises_it(make: Make, engine: Docker) -> None:
    engine.run("shop:1", "web", network="host", command=("sh", "-c", "httpd -f -p 127.0.0.1:0 & wait"))
    actuator = make(OpenGuardian())
    async with asyncio.timeout(10):
        while True:
            identity = await actuator.identify(Target(name="web"))
            if identity.ports:
                break
            await asyncio.sleep(0.05)
    assert len(identity.ports) == 1


# Events.


@pytest.fixture
def watcher(engine: Docker, http: Http, tmp_path: Path) -> DockerWatcher:
    return build_watcher({"socket": engine.socket}, tools=tools(tmp_path, clock=RealClock(), http=http))


class Ear:
    """Hears a watcher in the background."""

    def __init__(self, watcher: DockerWatcher) -> None:
        self.heard: asyncio.Queue[Alert] = asyncio.Queue()
        self._watcher = watcher

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def next(self) -> Alert:
        async with asyncio.timeout(20):
            return await self.heard.get()

    async def listens(self, engine: Docker) -> None:
        """Wait until events arrive: a container dies until that is heard."""
        engine.run("shop:1", "canary", "--restart", "no")
        while self.heard.empty():
            engine.say("kill", "canary")
            await asyncio.sleep(0.1)
            engine.say("start", "canary")
            await asyncio.sleep(0.1)
        engine.remove("canary")
        await asyncio.sleep(0.1)
        while not self.heard.empty():
            self.heard.get_nowait()

    async def _listen(self) -> None:
        async with aclosing(self._watcher.changes()) as changes:  # type: ignore[type-var]
            async for alert in changes:
                self.heard.put_nowait(alert)


async def test_a_kill_is_told_at_once_and_a_start_resolves_it(engine: Docker, watcher: DockerWatcher) -> None:
    label = ("--label", "devops-agent.service=web")
    engine.run("shop:1", "checkout", *label)
    async with Ear(watcher) as ear:
        await ear.listens(engine)
        engine.say("kill", "checkout")
        died = await ear.next()
        engine.say("start", "checkout")
        back = await ear.next()
    assert (died.name, died.firing, died.source) == ("ContainerDied", True, "docker")
    assert (died.labels["container"], died.labels["service"]) == ("checkout", "web")
    assert died.annotations["exit_code"] == "137"
    assert "stopped_by_person" not in died.labels
    assert (back.firing, back.fingerprint, back.starts_at) == (False, died.fingerprint, died.starts_at)


async def test_a_restart_says_nothing_and_a_stop_says_that_it_was_meant(
    engine: Docker, watcher: DockerWatcher, actuator: DockerActuator, target: Target
) -> None:
    watcher.follow([target])
    engine.run("shop:1", "stranger")
    async with Ear(watcher) as ear:
        watcher.follow([target, Target(name="canary", via="docker")])
        await ear.listens(engine)
        await actuator.execute(RESTART, target=target, key="1")
        engine.say("restart", "checkout")
        engine.say("kill", "stranger")
        engine.say("stop", "checkout")
        stopped = await ear.next()
        assert ear.heard.empty()
    assert (stopped.name, stopped.labels["container"]) == ("ContainerDied", "checkout")
    assert (stopped.labels["stopped_by_person"], stopped.labels["devops_agent_target"]) == ("true", "checkout")
    assert "was stopped on purpose" in stopped.summary


async def test_a_crash_out_of_memory_and_failing_health_are_told(engine: Docker, watcher: DockerWatcher) -> None:
    engine.run("shop:1", "crasher")
    engine.run("shop:1", "ill", "--health-cmd", "test ! -e /ill", "--health-interval", "0.2s", "--health-retries", "1")
    greedy = ("sh", "-c", "while [ ! -e /go ]; do sleep 0.05; done; x=a; while true; do x=$x$x; done")
    engine.run("shop:1", "greedy", "--memory", "16m", "--memory-swap", "16m", command=greedy)
    async with Ear(watcher) as ear:
        await ear.listens(engine)
        os.kill(int(inspect(engine, "crasher", ".State.Pid")), signal.SIGKILL)
        crashed = await ear.next()
        engine.say("exec", "greedy", "touch", "/go")
        starved = await ear.next()
        engine.say("exec", "ill", "touch", "/ill")
        ill = await ear.next()
        engine.say("exec", "ill", "rm", "/ill")
        well = await ear.next()
    assert (crashed.name, crashed.labels["container"]) == ("ContainerDied", "crasher")
    assert "ended by itself" in crashed.summary
    assert (starved.name, starved.labels["container"]) == ("ContainerOOMKilled", "greedy")
    assert (ill.name, ill.labels["container"], ill.firing) == ("ContainerUnhealthy", "ill", True)
    assert (well.fingerprint, well.firing) == (ill.fingerprint, False)


async def test_an_engine_that_goes_away_is_a_clear_error_and_its_return_is_enough(
    engine: Docker, http: Http, make: Make, watcher: DockerWatcher, tmp_path: Path
) -> None:
    engine.run("shop:1", "checkout")
    target = Target(name="checkout", via="docker")
    actuator = make(OpenGuardian())
    assert (await actuator.observe(target)).running

    async def watch() -> None:
        async with aclosing(watcher.changes()) as changes:  # type: ignore[type-var]
            async for _ in changes:
                pass

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.2)
    await asyncio.to_thread(engine.program.stop)
    with pytest.raises(PluginError, match="cannot watch containers"):
        await watching
    for doing in (
        lambda: actuator.observe(target),
        lambda: actuator.identify(target),
        lambda: actuator.execute(RESTART, target=target, key="1"),
        lambda: build_inventory({"socket": engine.socket}, tools=tools(tmp_path, http=http)).discover(),
    ):
        with pytest.raises(PluginError, match="cannot talk to the Docker engine") as raised:
            await doing()
        assert raised.value.retryable
    [unknown] = await build_probe({"socket": engine.socket}, tools=tools(tmp_path, http=http)).look(
        target, window=WINDOW
    )
    assert (unknown.name, unknown.value) == ("state", "unknown")
    await asyncio.to_thread(engine.restart)
    assert (await actuator.execute(RESTART, target=target, key="1")).ok


# Scale.


def scale(replicas: int) -> Step:
    return Step(name="scale", action="docker.scale", args={"replicas": replicas}, timeout=timedelta(seconds=60))


async def test_scales_out_and_back_the_newest_first(actuator: DockerActuator, engine: Docker) -> None:
    options = ("--label", "devops-agent.replicas=1-3", "--env", "MODE=live", "--memory", "32m")
    engine.run("shop:1", "web", *options)
    target = Target(name="web", via="docker")
    before = await actuator.observe(target)
    out = await actuator.execute(scale(3), target=target, key="1")
    after = await actuator.observe(target)
    assert (before.replicas, after.replicas, out.undo) == (1, 3, {"replicas": 1})
    assert actuator.effect(scale(3), before=before, after=after) is Effect.DONE
    assert actuator.effect(scale(3), before=before, after=before) is Effect.ABSENT
    assert inspect(engine, "web-3", ".HostConfig.Memory") == str(32 * 1024 * 1024)
    assert "MODE=live" in inspect(engine, "web-3", ".Config.Env")
    assert inspect(engine, "web-2", ".Config.Hostname") != inspect(engine, "web", ".Config.Hostname")
    assert not (await actuator.execute(scale(3), target=target, key="2")).changed
    await actuator.execute(scale(2), target=target, key="3")
    assert set(engine.say("ps", "--all", "--format", "{{.Names}}").split()) == {"web", "web-2"}
    await actuator.execute(scale(3).with_(args=dict(out.undo)), target=target, key="4")
    assert engine.say("ps", "--all", "--format", "{{.Names}}") == "web"


async def test_a_replica_that_was_made_but_not_started_is_started(actuator: DockerActuator, engine: Docker) -> None:
    engine.run("shop:1", "web", "--label", "devops-agent.replicas=3")
    target = Target(name="web", via="docker")
    await actuator.execute(scale(2), target=target, key="1")
    engine.say("kill", "web-2")
    result = await actuator.execute(scale(2), target=target, key="2")
    assert "started web-2" in result.says
    assert set(engine.say("ps", "--format", "{{.Names}}").split()) == {"web", "web-2"}


async def test_scaling_stays_within_what_the_label_allows(actuator: DockerActuator, engine: Docker) -> None:
    engine.run("shop:1", "web", "--label", "devops-agent.replicas=2-3")
    engine.run("shop:1", "single")
    for name, replicas, says in (
        ("web", 4, "allowed are 2 to 3"),
        ("web", 1, "allowed are 2 to 3"),
        ("single", 2, "label it devops-agent.replicas"),
    ):
        with pytest.raises(PluginError, match=says) as raised:
            await actuator.execute(scale(replicas), target=Target(name=name, via="docker"), key=name + str(replicas))
        assert not raised.value.retryable


async def test_a_protected_replica_is_not_removed(make: Make, actuator: DockerActuator, engine: Docker) -> None:
    engine.run("shop:1", "web", "--label", "devops-agent.replicas=3")
    target = Target(name="web", via="docker")
    await actuator.execute(scale(3), target=target, key="1")
    protected = Protected(what="one", why="test", is_=Identity(ids=frozenset({inspect(engine, "web-3", ".Id")})))
    with pytest.raises(Untouchable):
        await make(StrictGuardian(protected)).execute(scale(1), target=target, key="2")
    assert set(engine.say("ps", "--format", "{{.Names}}").split()) == {"web", "web-2", "web-3"}


# Roll back.

BACK = Step(name="back", action="docker.rollback", timeout=timedelta(seconds=30))


@pytest.fixture
def deployed(engine: Docker) -> Target:
    """A container of the second version, with settings of every kind, and data in an anonymous volume."""
    engine.busybox("store:1", command=("sh", "-c", "echo one; sleep 1000000"))
    engine.busybox("store:2", command=("sh", "-c", "echo two; sleep 1000000"))
    engine.run(
        "store:2", "store",
        "--env", "MODE=live", "--label", "team=shop", "--memory", "48m", "--volume", "/data", "--restart", "always",
        "--tmpfs", "/cache", "--health-cmd", "true", "--read-only",
    )  # fmt: skip
    engine.say("exec", "store", "sh", "-c", "echo kept > /data/file")
    return Target(name="store", via="docker")


def settings(engine: Docker) -> dict[str, str]:
    fields = (
        ".Name", ".Config.Env", ".Config.Labels.team", ".Config.Healthcheck.Test", ".HostConfig.Memory",
        ".HostConfig.RestartPolicy.Name", ".HostConfig.Tmpfs", ".HostConfig.Init", ".HostConfig.ReadonlyRootfs",
        ".HostConfig.NetworkMode",
    )  # fmt: skip
    return {field: inspect(engine, "store", field) for field in fields}


async def test_rolls_back_to_the_image_before_with_the_same_settings_and_forth_again(
    actuator: DockerActuator, engine: Docker, deployed: Target
) -> None:
    before, had = await actuator.observe(deployed), settings(engine)
    result = await actuator.execute(BACK, target=deployed, key="1")
    after = await actuator.observe(deployed)
    assert (after.running, after.image, result.undo) == (True, "store:1", {"image": "store:2"})
    assert result.says.startswith("rolled store from store:2 to store:1")
    assert settings(engine) == had
    assert "echo one" in inspect(engine, "store", ".Config.Cmd")
    assert engine.say("exec", "store", "cat", "/data/file") == "kept"
    assert engine.say("ps", "--all", "--format", "{{.Names}}") == "store"
    assert actuator.effect(BACK, before=before, after=after) is Effect.DONE
    assert actuator.effect(BACK, before=before, after=before) is Effect.ABSENT

    await actuator.execute(BACK.with_(args=dict(result.undo)), target=deployed, key="2")
    assert (await actuator.observe(deployed)).image == "store:2"
    assert settings(engine) == had
    assert engine.say("exec", "store", "cat", "/data/file") == "kept"

    await actuator.execute(BACK, target=deployed, key="3")
    assert (await actuator.observe(deployed)).image == "store:1"  # remembered by its label


async def test_a_new_container_that_does_not_run_gives_way_to_the_old_one(
    actuator: DockerActuator, engine: Docker, deployed: Target
) -> None:
    engine.busybox("store:broken", command=("sh", "-c", "exit 7"))
    before = await actuator.observe(deployed)
    with pytest.raises(PluginError, match="exit code 7; the old container runs again"):
        await actuator.execute(BACK.with_(args={"image": "store:broken"}), target=deployed, key="1")
    after = await actuator.observe(deployed)
    assert (after.instance, after.running, after.image) == (before.instance, True, "store:2")
    assert engine.say("ps", "--all", "--format", "{{.Names}}") == "store"


@pytest.mark.parametrize(
    ("image", "says"), [("store:9", "is not on this machine"), ("", "no earlier image of lonely:1")]
)
async def test_without_an_image_to_go_to_nothing_is_changed(
    actuator: DockerActuator, engine: Docker, image: str, says: str
) -> None:
    engine.busybox("lonely:1")
    engine.run("lonely:1", "lonely")
    target = Target(name="lonely", via="docker")
    before = await actuator.observe(target)
    with pytest.raises(PluginError, match=says) as raised:
        await actuator.execute(BACK.with_(args={"image": image}), target=target, key="1")
    assert not raised.value.retryable
    assert await actuator.observe(target) == before


STAGES = ("made", "stopped", "renamed", "taken over", "started", "cleared")


@pytest.mark.parametrize("stage", STAGES)
async def test_killed_at_any_stage_the_same_key_finishes_the_roll_back(
    make: Make, engine: Docker, deployed: Target, stage: str
) -> None:
    # The state in which a kill -9 leaves the engine after each stage, made by hand, for another process to find.
    names = Names.of("store", "run-1/back")
    reached = STAGES.index(stage)
    label = ("--label", f"devops-agent.rollback={names.mark}", "--label", "devops-agent.previous-image=store:2")
    engine.say("create", "--init", "--network", "none", "--name", names.next, *label, "store:1")
    if reached >= 1:
        engine.say("stop", "store")
    if reached >= 2:
        engine.say("rename", "store", names.before)
    if reached >= 3:
        engine.say("rename", names.next, "store")
    if reached >= 4:
        engine.say("start", "store")
    if reached >= 5:
        engine.remove(names.before)
    result = await make(OpenGuardian()).execute(BACK, target=deployed, key="run-1/back")
    assert result.ok
    state = await make(OpenGuardian()).observe(deployed)
    assert (state.running, state.image) == (True, "store:1")
    assert engine.say("ps", "--all", "--format", "{{.Names}}") == "store"


async def test_compose_projects_are_scaled_by_their_numbers(actuator: DockerActuator, engine: Docker) -> None:
    labels = {"project": "prod", "service": "web", "container-number": "1"}
    options = [part for key, value in labels.items() for part in ("--label", f"com.docker.compose.{key}={value}")]
    engine.run("shop:1", "prod-web-1", *options)
    await actuator.execute(scale(2), target=Target(name="prod-web-1", via="docker"), key="1")
    assert inspect(engine, "prod-web-2", 'index .Config.Labels "com.docker.compose.container-number"') == "2"


def test_nothing_of_the_engine_is_left_mounted() -> None:
    with_engine = Docker.start()
    folder = with_engine.folder
    with_engine.stop()
    assert str(folder) not in subprocess.run(["mount"], check=True, capture_output=True, text=True).stdout
