"""The supervisord plugin against Debian's supervisord."""

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import ActuatorContract, OpenGuardian, StrictGuardian, tools
from devops_agent.model.action import Step
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.target import Target
from devops_agent.plugins.supervisord.actuator import SupervisordActuator, build
from devops_agent.ports import Guardian, PluginError, Untouchable
from tests.real.parts import Missing, Program, find

CONFIG = """
[unix_http_server]
file={folder}/s.sock
username=agent
password=s3cret
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:web]
command=sh -c "echo up; exec sleep 600"
startsecs=0
autorestart=false
[program:deaf]
command=sh -c "trap '' TERM; while :; do sleep 1; done"
startsecs=0
stopwaitsecs=600
[program:broken]
command=/no/such/program
autostart=false
"""
RESTART = Step(name="restart", action="supervisord.restart")
WEB = Target(name="web", via="supervisord", ref="web:web")
Make = Callable[[Guardian], SupervisordActuator]


@pytest.fixture(scope="module")
def supervisord() -> Iterator[Path]:
    """Start one with a short path for its socket; return its folder."""
    folder = Path(tempfile.mkdtemp(prefix="supervisord-"))
    (folder / "s.conf").write_text(CONFIG.format(folder=folder))
    try:
        argv = [find("supervisord"), "-n", "-c", str(folder / "s.conf")]
        program = Program.start("supervisord-itself", argv, folder=folder)
        program.wait_until((folder / "s.sock").exists)
    except Missing as missing:
        shutil.rmtree(folder)
        if os.environ.get("REQUIRE_REAL_PARTS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    yield folder
    # The deaf program would hold its end up.
    program.process.send_signal(signal.SIGTERM)
    for pid in _deaf(program.process.pid):
        os.kill(pid, signal.SIGKILL)
    program.stop()
    shutil.rmtree(folder)


@pytest.fixture
async def make(supervisord: Path, tmp_path: Path) -> AsyncIterator[Make]:
    http = Http()
    config = {"url": f"unix://{supervisord}/s.sock", "username": "agent", "password_file": "/secret"}

    def make(guardian: Guardian) -> SupervisordActuator:
        own = tools(tmp_path, guardian=guardian, http=http, secrets={"/secret": "s3cret"})
        return build(config, tools=own)

    yield make
    await http.close()


@pytest.fixture
async def target(make: Make) -> Target:
    await make(OpenGuardian()).execute(Step(name="start", action="supervisord.start"), target=WEB, key="up")
    return WEB


class TestSupervisordItself(ActuatorContract):
    @pytest.fixture
    def unknown_target(self) -> Target:
        return Target(name="nowhere", via="supervisord")

    @pytest.fixture
    def safe_step(self) -> Step:
        return RESTART

    @pytest.fixture
    def slow_step(self) -> Step | None:
        return None


async def test_a_killed_program_is_seen_and_restarted(make: Make, target: Target) -> None:
    actuator = make(OpenGuardian())
    before = await actuator.observe(target)
    os.kill(before.pid or 0, signal.SIGKILL)
    while (await actuator.observe(target)).running:
        pass
    await actuator.execute(RESTART, target=target, key="1")
    after = await actuator.observe(target)
    assert after.running is True
    assert after.since is not None
    assert after.pid != before.pid
    logs = await actuator.execute(Step(name="logs", action="supervisord.logs"), target=target, key="2")
    assert "up" in str(logs.data)


async def test_the_process_itself_is_what_the_guardian_sees(make: Make, target: Target) -> None:
    state = await make(OpenGuardian()).observe(target)
    pids = frozenset({state.pid or 0})
    guarded = make(StrictGuardian(Protected(what="store", why="test", is_=Identity(pids=pids))))
    with pytest.raises(Untouchable):
        await guarded.execute(RESTART, target=target, key="1")
    assert (await guarded.identify(target)).names >= {"web", "web:web", "sleep"}


async def test_a_program_that_does_not_stop_ends_the_step_at_its_timeout(make: Make) -> None:
    deaf = Target(name="deaf", via="supervisord")
    with pytest.raises(PluginError, match=r"within 0\.5 s|cannot restart deaf"):
        await make(OpenGuardian()).execute(RESTART.with_(timeout=timedelta(seconds=0.5)), target=deaf, key="1")


async def test_a_program_that_is_not_there_cannot_be_started(make: Make) -> None:
    broken = Target(name="broken", via="supervisord")
    with pytest.raises(PluginError, match="cannot start broken"):
        await make(OpenGuardian()).execute(Step(name="s", action="supervisord.start"), target=broken, key="1")


async def test_a_wrong_password_is_told_with_the_way_out(supervisord: Path, tmp_path: Path) -> None:
    http = Http()
    stranger = build({"url": f"unix://{supervisord}/s.sock"}, tools=tools(tmp_path, http=http))
    with pytest.raises(PluginError, match=r"another user or password \(plugins.supervisord.username"):
        await stranger.observe(WEB)
    await http.close()


def _deaf(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if b"trap" in Path(f"/proc/{pid}/cmdline").read_bytes()]
