import asyncio
import os
import sys
from pathlib import Path

import pytest

from devops_agent.kit.process import run
from devops_agent.ports import PluginError


async def test_a_command_tells_code_and_output() -> None:
    ended = await run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=10)
    assert (ended.code, ended.out, ended.err, ended.cut) == (3, "out\n", "err\n", False)
    assert ended.last_words == "err"


async def test_nothing_of_our_environment_is_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    ended = await run(["env"], timeout=10, env={"GIVEN": "yes"})
    names = {line.partition("=")[0] for line in ended.out.splitlines()}
    assert names == {"PATH", "LANG", "GIVEN"}


async def test_arguments_reach_no_shell() -> None:
    ended = await run(["echo", "$(id); `id` | cat > /tmp/x"], timeout=10)
    assert ended.out == "$(id); `id` | cat > /tmp/x\n"


async def test_much_output_is_cut_and_blocks_nothing() -> None:
    ended = await run([sys.executable, "-c", "print('x' * 3_000_000)"], timeout=30, limit=1000)
    assert (len(ended.out), ended.cut, ended.code) == (1000, True, 0)


async def test_after_the_timeout_the_whole_group_is_killed(tmp_path: Path) -> None:
    script = "sleep 600 & echo $! > child; echo $$ > parent; exec sleep 600"
    with pytest.raises(PluginError, match=r"no end after 0\.5 s, killed"):
        await run(["sh", "-c", script], timeout=0.5, cwd=tmp_path)
    for name in ("parent", "child"):
        assert await gone(int((tmp_path / name).read_text()))


async def test_a_cancelled_caller_leaves_nothing_running(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pid")
    task = asyncio.create_task(run(["sh", "-c", "echo $$ > pid; exec sleep 600"], timeout=600, cwd=tmp_path))
    pid = int(await asyncio.to_thread((tmp_path / "pid").read_text))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(pid)


async def test_what_was_left_running_does_not_hold_the_answer_up(tmp_path: Path) -> None:
    ended = await run(["sh", "-c", "sleep 600 & echo $! > child; echo started"], timeout=60, cwd=tmp_path)
    child = int((tmp_path / "child").read_text())
    try:
        assert (ended.code, ended.out) == (0, "started\n")
        assert ended.seconds < 30
    finally:
        await run(["kill", "-9", str(child)], timeout=10)


@pytest.mark.parametrize("argv", [["/no/such/program"], ["echo", "a\0b"]])
async def test_what_cannot_be_started_is_told_and_not_tried_again(argv: list[str]) -> None:
    with pytest.raises(PluginError, match="cannot start") as caught:
        await run(argv, timeout=10)
    assert not caught.value.retryable


async def gone(pid: int) -> bool:
    for _ in range(500):
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        await asyncio.sleep(0.01)
    return False
