"""A worker process: what it takes, what it loads for it, and when it ends."""

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.app.anew import START_ANEW
from devops_agent.app.queues import QUEUES, TELLING, UNDERSTANDING, role_of, works_of
from devops_agent.app.worker import Changed, Worker, check, run_worker
from devops_agent.config.load import load
from devops_agent.config.settings import Settings
from devops_agent.kit.testing import START, FakeClock
from devops_agent.kit.tools import SettingsError
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Notice
from devops_agent.store import heartbeats, open_store, outbox

LOADED = """
import asyncio, json, sys
from pathlib import Path
from devops_agent.app.worker import run_worker
asyncio.run(run_worker(Path(sys.argv[1]), environ={}, queues=sys.argv[2].split(","), idle=0))
print(json.dumps(sorted(sys.modules)))
"""
HEAVY = ("numpy", "langchain", "apprise", "fastapi", "pydantic", "jinja2", "aiohttp", "icalendar", "websockets")


def write(folder: Path, **settings: object) -> Path:
    file = folder / "agent.yaml"
    file.write_text(json.dumps({"state_dir": str(folder / "state"), **settings}))
    return file


def test_every_queue_belongs_to_one_kind_of_process() -> None:
    assert works_of(TELLING.queues) == (TELLING,)
    assert works_of(QUEUES) == (UNDERSTANDING, TELLING)
    assert len(set(QUEUES)) == len(QUEUES) == len(UNDERSTANDING.queues) + len(TELLING.queues)


@pytest.mark.parametrize(
    ("queues", "role"), [(TELLING.queues, "notify"), (TELLING.queues[:1], "notify"), (QUEUES, "worker")]
)
def test_a_process_is_called_after_what_it_is_for(queues: tuple[str, ...], role: str) -> None:
    assert role_of(queues) == role


@pytest.mark.parametrize("queues", [["notfy"], ["notify", "x"], []])
def test_queues_that_there_are_not_are_refused_with_those_that_there_are(queues: list[str]) -> None:
    with pytest.raises(SettingsError, match="known: investigate, remember, notify, report"):
        check(queues)


async def test_telling_people_loads_nothing_heavy(tmp_path: Path) -> None:
    hook = {"name": "hook", "via": "webhook", "options": {"url": "http://127.0.0.1:9/"}}
    file = write(tmp_path, notify={"channels": [hook, {**hook, "name": "mail", "via": "email", "options": {}}]})
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", LOADED, str(file), "notify,report"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded.isdisjoint(HEAVY)


async def test_a_worker_ends_when_nothing_is_due_for_a_while_and_says_so_with_its_heartbeat(tmp_path: Path) -> None:
    clock = FakeClock()
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        notice = Notice(
            key="k", incident="", kind="frozen", severity=Severity.INFO, message={"title": "t"}, created_at=START
        )
        await store.write(lambda rows: outbox.put(rows, notice))
        worker = Worker(Settings(state_dir=str(tmp_path)), store, clock=clock, queues=TELLING.queues)
        await asyncio.wait_for(worker.run(asyncio.Event(), idle=60, parent=0), 30)
        assert clock.now() - START >= timedelta(seconds=60)
        assert await store.read(outbox.pending) == 0
        beat = (await store.read(heartbeats.all_))["notify"]
        assert beat.at >= START


async def test_a_worker_starts_anew_when_its_settings_change(tmp_path: Path) -> None:
    file = write(tmp_path)
    running = asyncio.create_task(run_worker(file, environ={}, queues=TELLING.queues))
    async with await open_store(f"sqlite:///{tmp_path}/state/agent.db") as store:
        while "notify" not in await store.read(heartbeats.all_):  # noqa: ASYNC110 — rows of another store are waited for
            await asyncio.sleep(0.01)
    write(tmp_path, notify={"per_hour": 7})
    assert await asyncio.wait_for(running, 30) == START_ANEW


def test_only_what_the_file_says_counts_as_a_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path)
    changed = Changed(file, environ={}, settings=load(file, environ={}))
    assert not changed()
    write(tmp_path).write_text(f"{file.read_text()}\n# a remark\n")
    assert not changed()
    file.write_text("notify: {per_hour: many}\n")
    assert not changed()
    assert "the old one is kept" in caplog.text
    file.unlink()
    assert not changed()
    write(tmp_path, notify={"per_hour": 7})
    assert changed()
    assert not Changed(None, environ={}, settings=Settings())()
