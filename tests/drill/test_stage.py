"""The stage: a configuration that the agent takes, faults as files, and nothing left behind."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devops_agent.config.load import load
from devops_agent.drill.stage import (
    DATA,
    MARK,
    PREDICTOR,
    WORKER,
    Pace,
    Stage,
    StageError,
    build_stage,
    config_of,
    leftovers,
)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Lay a stage out; nothing runs on it."""
    stage = build_stage(pace=Pace())
    yield stage
    shutil.rmtree(stage.folder)


def test_the_configuration_is_one_that_the_agent_takes(stage: Stage) -> None:
    file = stage.folder / "agent.yaml"
    file.write_text(json.dumps(config_of(stage.actors, stage.folder, pace=stage.pace)))
    settings = load(file, environ={})
    targets = {target.name: target for target in settings.targets}
    assert targets.keys() == {DATA, PREDICTOR, WORKER}
    assert targets[PREDICTOR].depends_on == (DATA,)
    assert all(target.via == "process" and target.options["clean"] for target in targets.values())


async def test_a_fault_is_a_file_and_mending_removes_it_with_what_it_filled(stage: Stage) -> None:
    folder = stage.actors[WORKER].folder
    for name in ("faults", "cache"):
        (folder / name).mkdir(parents=True)
    await stage.break_(WORKER, "hang", seconds=2)
    assert json.loads((folder / "faults" / "hang.json").read_text()) == {"seconds": 2}
    (folder / "cache" / "prices.tmp").touch()
    await stage.mend(WORKER)
    assert [*folder.glob("*/*")] == []


def test_only_marked_processes_of_this_very_stage_are_ended(stage: Stage, tmp_path: Path) -> None:
    def sleeper(mark: str, folder: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "import time; time.sleep(60)", str(folder)]
        return subprocess.Popen(command, env={**os.environ, MARK: mark})

    ours, elsewhere, unmarked = (
        sleeper(PREDICTOR, stage.folder),
        sleeper(PREDICTOR, tmp_path),
        sleeper("somebody", stage.folder),
    )
    try:
        assert leftovers(stage.folder, names=stage.actors.keys()) == [ours.pid]
    finally:
        for process in (ours, elsewhere, unmarked):
            process.send_signal(signal.SIGKILL)
            process.wait()


async def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StageError, match=f"port {port} is taken"):
            build_stage(pace=Pace(), port=port)


async def test_a_stage_that_is_not_set_up_has_no_store(stage: Stage) -> None:
    with pytest.raises(StageError, match="not set up"):
        await asyncio.wait_for(stage.until_well(), 5)
