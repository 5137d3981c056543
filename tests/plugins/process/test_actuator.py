import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devops_agent.kit import proc
from devops_agent.kit.testing import ActuatorContract, OpenGuardian, StrictGuardian, tools
from devops_agent.kit.tools import Tools
from devops_agent.model.action import Effect, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.target import Target
from devops_agent.plugins.process.actuator import ProcessActuator, build
from devops_agent.plugins.process.find import HOME_MARK, TARGET_MARK, marked
from devops_agent.plugins.process.grip import Grip
from devops_agent.ports import Guardian, PluginError, Untouchable

Make = Callable[[Guardian], ProcessActuator]

START = Step(name="start", action="process.start")
RESTART = Step(name="restart", action="process.restart")
STOP = Step(name="stop", action="process.stop")


class TestProcessActuator(ActuatorContract):
    @pytest.fixture
    async def target(self, idle: Target, actuator: ProcessActuator) -> Target:
        await actuator.execute(START, target=idle, key="before the test")
        return idle

    @pytest.fixture
    def unknown_target(self) -> Target:
        return Target(name="nowhere", via="process")

    @pytest.fixture
    def safe_step(self) -> Step:
        return RESTART

    @pytest.fixture
    def slow_step(self) -> Step | None:
        return None


async def test_a_started_process_is_no_part_of_the_agent(idle: Target, actuator: ProcessActuator) -> None:
    await actuator.execute(START, target=idle, key="k")
    state = await actuator.observe(idle)
    process = proc.look_up(state.pid or 0)
    assert process is not None
    assert process.session == process.pid
    assert set(proc.open_files(process.pid)) == {"/dev/null"}
    assert set(proc.environment(process.pid)) == {"PATH", "LANG", TARGET_MARK, HOME_MARK, "DEVOPS_AGENT_KEY"}


async def test_a_process_of_the_same_name_that_another_agent_started_is_left_alone(
    idle: Target, make: Make, given: Tools, tmp_path: Path
) -> None:
    other = build({}, tools=tools(tmp_path / "other", http=given.http))
    await make(OpenGuardian()).execute(START, target=idle, key="k")
    assert (await other.observe(idle)).running is False
    await other.execute(START, target=idle, key="l")
    assert len(marked(idle.name)) == 2
    await other.execute(STOP, target=idle, key="m")
    assert len(marked(idle.name)) == 1
    await other.close()


async def test_a_process_lives_on_when_the_actuator_is_closed(idle: Target, make: Make) -> None:
    first = make(OpenGuardian())
    await first.execute(START, target=idle, key="k")
    was = await first.observe(idle)
    await first.close()
    assert (await make(OpenGuardian()).observe(idle)).instance == was.instance


async def test_the_same_key_after_a_kill_of_the_agent_starts_nothing_again(idle: Target, make: Make) -> None:
    await make(OpenGuardian()).execute(RESTART, target=idle, key="run-7/restart")
    once = await make(OpenGuardian()).observe(idle)
    again = await make(OpenGuardian()).execute(RESTART, target=idle, key="run-7/restart")
    twice = await make(OpenGuardian()).observe(idle)
    assert once.instance == twice.instance
    assert "already" in again.says


async def test_a_restart_that_was_killed_half_way_is_seen_as_not_done(idle: Target, actuator: ProcessActuator) -> None:
    await actuator.execute(START, target=idle, key="1")
    before = await actuator.observe(idle)
    await actuator.execute(STOP, target=idle, key="2")
    half_way = await actuator.observe(idle)
    assert actuator.effect(RESTART, before=before, after=half_way) is Effect.ABSENT
    assert actuator.effect(STOP, before=before, after=half_way) is Effect.DONE
    assert actuator.effect(START, before=half_way, after=before) is Effect.DONE
    assert actuator.effect(Step(name="s", action="process.signal"), before=before, after=before) is Effect.UNKNOWN


async def test_a_hung_process_runs_but_is_not_healthy_and_can_be_restarted(
    idle: Target, actuator: ProcessActuator
) -> None:
    await actuator.execute(START, target=idle, key="1")
    pid = (await actuator.observe(idle)).pid or 0
    os.kill(pid, signal.SIGSTOP)
    while not (process := proc.look_up(pid)) or not process.stopped:
        pass
    hung = await actuator.observe(idle)
    assert (hung.running, hung.healthy) == (True, False)
    assert "stopped (SIGSTOP)" in hung.says
    result = await actuator.execute(RESTART, target=idle, key="2")
    assert "ended on SIGTERM" in result.says
    assert (await actuator.observe(idle)).healthy is None


async def test_a_process_deaf_to_the_stop_signal_is_killed(
    name: str, tmp_path: Path, actuator: ProcessActuator
) -> None:
    deaf = "import signal, pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path('up').touch(); signal.pause()"
    options: dict[str, object] = {"command": [sys.executable, "-c", deaf], "cwd": str(tmp_path), "stop_timeout": 0.2}
    target = Target(name=name, via="process", options=options)
    await actuator.execute(START, target=target, key="1")
    while not (tmp_path / "up").exists():
        pass
    result = await actuator.execute(STOP, target=target, key="2")
    assert "SIGKILL (SIGTERM did nothing for 0.2 s)" in result.says
    state = await actuator.observe(target)
    assert (state.running, state.exit_code) == (False, 128 + signal.SIGKILL)


async def test_children_left_behind_are_ended_before_a_new_start(
    name: str, tmp_path: Path, actuator: ProcessActuator
) -> None:
    script = "sleep 600 & echo $! > child; wait"
    options: dict[str, object] = {"command": ["sh", "-c", script], "cwd": str(tmp_path)}
    target = Target(name=name, via="process", options=options)
    await actuator.execute(START, target=target, key="1")
    child = int(_when_written(tmp_path / "child"))
    main = await actuator.observe(target)
    assert (await actuator.identify(target)).pids == {main.pid, child}
    os.kill(main.pid or 0, signal.SIGKILL)
    _when_dead(main.pid or 0)
    assert (await actuator.observe(target)).running is False
    await actuator.execute(RESTART, target=target, key="2")
    _when_dead(child)
    assert (await actuator.observe(target)).running is True


async def test_a_program_that_ends_at_once_is_told_with_its_last_words(
    name: str, tmp_path: Path, actuator: ProcessActuator
) -> None:
    log = tmp_path / "app.log"
    options: dict[str, object] = {"command": ["sh", "-c", "echo port taken; exit 3"], "log": str(log)}
    target = Target(name=name, via="process", options=options)
    with pytest.raises(PluginError, match="ended at once with code 3: port taken"):
        await actuator.execute(START, target=target, key="1")
    result = await actuator.execute(Step(name="l", action="process.logs"), target=target, key="2")
    assert result.data == {"lines": ["port taken"]}
    assert (await actuator.observe(target)).exit_code == 3


async def test_what_a_process_writes_to_a_file_by_itself_is_kept(
    name: str, tmp_path: Path, actuator: ProcessActuator
) -> None:
    own = tmp_path / "own.log"
    own.write_text("no price\n")
    target = Target(name=name, via="process", options={"command": ["true"], "log_file": str(own)})
    result = await actuator.execute(Step(name="l", action="process.logs"), target=target, key="1")
    assert result.data == {"lines": ["no price"]}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"command": ["/no/such/program"]}, "/no/such/program: No such file"),
        ({"command": ["sleep", "1"], "cwd": "/no/such/folder"}, "/no/such/folder: No such file"),
        ({"command": ["sleep", "1"], "log": "/no/such/folder/log"}, "cannot write the log"),
        ({"pid_file": "/nowhere"}, "say `command"),
        ({"comand": ["sleep", "1"]}, "comand"),
    ],
)
async def test_what_cannot_be_started_is_told_and_not_tried_again(
    name: str, actuator: ProcessActuator, wrong: dict[str, object], says: str
) -> None:
    target = Target(name=name, via="process", options=wrong)
    with pytest.raises(PluginError, match=says) as caught:
        await actuator.execute(START, target=target, key="1")
    assert not caught.value.retryable


async def test_a_reload_reaches_the_process_and_other_signals_are_refused(
    name: str, tmp_path: Path, actuator: ProcessActuator
) -> None:
    os.mkfifo(tmp_path / "said")
    hears = "trap 'echo reloaded > said' HUP; echo up > said; while :; do sleep 0.05; done"
    target = Target(name=name, via="process", options={"command": ["sh", "-c", hears], "cwd": str(tmp_path)})
    await actuator.execute(START, target=target, key="1")
    assert (tmp_path / "said").read_text() == "up\n"
    step = Step(name="reload", action="process.signal", args={"signal": "SIGHUP"})
    await actuator.execute(step, target=target, key="2")
    assert (tmp_path / "said").read_text() == "reloaded\n"
    with pytest.raises(PluginError, match="allowed: HUP, USR1, USR2"):
        await actuator.execute(step.with_(args={"signal": "KILL"}), target=target, key="3")


async def test_a_daemon_is_found_by_its_pid_file(name: str, tmp_path: Path, actuator: ProcessActuator) -> None:
    pid_file = tmp_path / "pid"
    script = f"setsid sh -c 'echo $$ > {pid_file}; exec sleep 600' &"
    target = Target(name=name, via="process", options={"command": ["sh", "-c", script], "pid_file": str(pid_file)})
    await actuator.execute(START, target=target, key="1")
    state = await actuator.observe(target)
    assert state.pid == int(pid_file.read_text())
    await actuator.execute(STOP, target=target, key="2")
    assert (await actuator.observe(target)).running is False


async def test_a_pid_file_older_than_the_process_of_that_number_means_nobody(
    idle: Target, actuator: ProcessActuator, tmp_path: Path
) -> None:
    await actuator.execute(START, target=idle, key="1")
    stale = tmp_path / "pid"
    stale.write_text(str((await actuator.observe(idle)).pid))
    os.utime(stale, (1_000_000_000, 1_000_000_000))
    target = Target(name="daemon", via="process", options={"pid_file": str(stale)})
    assert (await actuator.observe(target)).running is False


async def test_a_foreign_process_is_found_by_its_exact_arguments(name: str, actuator: ProcessActuator) -> None:
    seconds = str(100_000 + int(name[-5:], 16))
    with subprocess.Popen(["sleep", seconds]) as foreign:
        try:
            _when_begun(foreign.pid)
            exact = Target(name=name, via="process", options={"match": ["sleep", seconds]})
            assert (await actuator.observe(exact)).pid == foreign.pid
            loose = Target(name=f"{name}-b", via="process", options={"match": ["sl*", "..."]})
            with subprocess.Popen(["sleep", seconds]) as second:
                try:
                    _when_begun(second.pid)
                    with pytest.raises(PluginError, match="cannot tell which process"):
                        await actuator.observe(loose)
                finally:
                    second.kill()
        finally:
            foreign.kill()


@pytest.mark.parametrize("pid", [1, os.getpid(), os.getppid()], ids=["init", "agent", "its parent"])
async def test_the_agent_and_what_it_runs_under_are_refused_without_any_guardian(
    name: str, tmp_path: Path, actuator: ProcessActuator, pid: int
) -> None:
    (tmp_path / "pid").write_text(str(pid))
    target = Target(name=name, via="process", options={"pid_file": str(tmp_path / "pid")})
    with pytest.raises(Untouchable):
        await actuator.execute(STOP, target=target, key="1")


async def test_ports_and_program_names_of_the_real_process_are_what_the_guardian_sees(
    name: str, tmp_path: Path, make: Make
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    listen = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(1, flush=True)"
    script = tmp_path / "prometheus.py"
    script.write_text(f"{listen}; time.sleep(600)")
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    options: dict[str, object] = {"command": [sys.executable, str(script), str(port)], "log": str(tmp_path / "log")}
    target = Target(name=name, via="process", options=options)
    await make(OpenGuardian()).execute(START, target=target, key="1")
    os.set_blocking(reader, True)
    assert os.read(reader, 2) == b"1\n"
    os.close(reader)
    identity = await make(OpenGuardian()).identify(target, step=RESTART)
    assert port in identity.ports
    assert {"prometheus", "prometheus.py", name} <= identity.names
    assert not any(each.startswith("python") for each in identity.names)
    assert identity.paths == {str(tmp_path / "log")}
    guarded = make(StrictGuardian(Protected(what="metrics", why="test", is_=Identity(ports=frozenset({port})))))
    with pytest.raises(Untouchable, match="metrics"):
        await guarded.execute(STOP, target=target, key="2")
    assert (await guarded.observe(target)).running is True


async def test_a_reused_number_is_never_signalled(idle: Target, actuator: ProcessActuator) -> None:
    await actuator.execute(START, target=idle, key="1")
    state: State = await actuator.observe(idle)
    process = proc.look_up(state.pid or 0)
    assert process is not None
    former = proc.Process(
        pid=process.pid, parent=1, session=1, state="S", started=process.started - 1, flags=0, cpu=0, rss_bytes=0
    )
    with pytest.raises(ProcessLookupError):
        Grip(former)


async def test_stopping_what_does_not_run_changes_nothing(idle: Target, actuator: ProcessActuator) -> None:
    result = await actuator.execute(STOP, target=idle, key="1")
    assert (result.ok, result.changed) == (True, False)


def _when_written(path: Path) -> str:
    while not path.exists() or not path.read_text().endswith("\n"):
        pass
    return path.read_text()


def _when_begun(pid: int) -> None:
    while not proc.argv(pid):
        pass


def _when_dead(pid: int) -> None:
    while (process := proc.look_up(pid)) is not None and process.alive:
        pass


@pytest.mark.parametrize("what", ["pid_file", "log"])
async def test_a_pipe_in_the_place_of_a_file_holds_nobody(
    idle: Target, actuator: ProcessActuator, tmp_path: Path, what: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    target = idle.with_(options={**idle.options, what: str(tmp_path / "pipe")})
    assert (await actuator.observe(target)).running is False
    if what == "log":
        with pytest.raises(PluginError, match="cannot write the log"):
            await actuator.execute(START, target=target, key="k")
        logs = await actuator.execute(Step(name="logs", action="process.logs"), target=target, key="l")
        assert logs.data == {"lines": []}


async def test_a_pipe_that_somebody_reads_takes_the_output(
    idle: Target, actuator: ProcessActuator, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        options = {**idle.options, "log": str(tmp_path / "pipe"), "command": ["sh", "-c", "echo hello; exec sleep 60"]}
        await actuator.execute(START, target=idle.with_(options=options), key="k")
        assert os.read(reader, 100) == b"hello\n"
    finally:
        os.close(reader)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("way", ["its own file", "a link to ours"])
async def test_another_users_pid_file_cannot_point_to_a_process_of_ours(
    idle: Target, actuator: ProcessActuator, tmp_path: Path, way: str
) -> None:
    victim = subprocess.Popen(["sleep", "60"])
    try:
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        ours.write_text(f"{victim.pid}\n")
        theirs.symlink_to(ours) if way == "a link to ours" else theirs.write_text(f"{victim.pid}\n")
        found = [await actuator.observe(_of_file(idle, file)) for file in (ours, theirs)]
        assert [state.pid for state in found] == [victim.pid, victim.pid]
        os.chown(theirs, 65_534, 65_534, follow_symlinks=False)
        other = _of_file(idle.with_(name=f"{idle.name}-2"), theirs)
        assert (await actuator.observe(other)).running is False
    finally:
        victim.kill()
        victim.wait()


def _of_file(target: Target, file: Path) -> Target:
    return target.with_(options={**target.options, "pid_file": str(file)})
