"""What each role loads, opens and listens on: web nothing that acts, the agent nothing that serves."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devops_agent.kit import proc
from devops_agent.model.incident import Status
from devops_agent.store import controls, heartbeats, incidents, open_store

WITHIN = 60.0
SERVING = (
    "fastapi", "pydantic", "starlette", "uvicorn", "sqlalchemy", "langchain", "apprise", "numpy", "aiohttp.web",
    "jinja2",
)  # fmt: skip
ACTING = ("actuator", "watcher", "probe", "inventory")
FLAG = "AUTO_REMEDIATION_ENABLED"
SECRET = "made-up-secret-of-a-target"
"""Stands in a file that only the agent may open."""

BUILD_WEB = """
import json, sys
from pathlib import Path
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import asyncio
import devops_agent.app.web as web
from devops_agent.app.clock import SystemClock
from devops_agent.app.receivers import build_receivers
from devops_agent.config.load import load
from devops_agent.store import open_store
from devops_agent.web.assemble import create_app

async def build():
    config = Path(sys.argv[1])
    settings = load(config, environ={})
    async with await open_store(settings.database) as store:
        known = web.Surroundings(config, environ={}, store=store, settings=settings, rebuild=print)
        await known.refresh(SystemClock().now())
        create_app(
            store=store, settings=lambda: known.settings, ground=lambda: known.ground, receivers=build_receivers(),
            runbooks=lambda: known.runbooks, actions=lambda: known.actions, clock=SystemClock(), version="0",
        )

asyncio.run(build())
print(json.dumps({"modules": sorted(sys.modules), "opened": opened}))
"""
RUN_AGENT = """
import asyncio, json, sys
from pathlib import Path
from devops_agent.app.agent import run_agent
asyncio.run(run_agent(Path(sys.argv[1]), environ={}))
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Targets that are dead, so that there are incidents, looked at often."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    settings = {
        "state_dir": str(tmp_path / "state"),
        "polling": {"trouble": "100ms"},
        "plugins": {
            "docker": {"socket": str(tmp_path / "none.sock")},
            "http": {"calls": {"scale": {"url": "http://127.0.0.1:9/", "token_file": str(secret)}}},
        },
        "guard": {"storm_count": 1000},
        "targets": [
            {"name": f"dead-{number}", "process": {"match": [str(tmp_path / "nothing")]}, "start_period": "0s"}
            for number in range(10)
        ],
    }
    file = tmp_path / "agent.yaml"
    file.write_text(json.dumps(settings))
    return file


def test_web_loads_nothing_that_acts_and_opens_no_secret_of_a_target(config: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BUILD_WEB, str(config)], check=True, capture_output=True, text=True)
    said = json.loads(done.stdout)
    plugins = [name for name in said["modules"] if name.startswith("devops_agent.plugins.")]
    assert any(name.endswith(".receiver") for name in plugins)
    assert [name for name in plugins if name.rpartition(".")[2] in ACTING] == []
    assert str(config) in said["opened"]
    assert str(config.with_name("secret")) not in said["opened"]


@pytest.fixture
def agent(config: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", RUN_AGENT, str(config)], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.slow
async def test_the_agent_loads_nothing_that_serves_and_listens_on_nothing(
    config: Path, agent: subprocess.Popen[str]
) -> None:
    async with await open_store(f"sqlite:///{config.parent}/state/agent.db") as store, asyncio.timeout(WITHIN):
        while True:
            beats = await store.read(heartbeats.all_)
            page = await store.read(incidents.page)
            polls = beats["agent"].data.get("polls", 0) if "agent" in beats else 0
            if polls >= 100 and page and page[0].status is Status.ESCALATED:
                break
            await asyncio.sleep(0.1)
    listening = proc.listening_ports({agent.pid}), unix_listeners(agent.pid)
    agent.terminate()
    said = await asyncio.to_thread(agent.communicate, None, WITHIN)
    modules = json.loads(said[0].splitlines()[-1])
    assert agent.returncode == 0
    assert [name for name in modules if name in SERVING] == []
    assert listening == (frozenset(), [])


async def test_a_switch_that_goes_before_the_configuration_is_told_at_the_start(config: Path) -> None:
    (config.parent / "state").mkdir(mode=0o700)
    now = datetime.now(UTC)
    async with await open_store(f"sqlite:///{config.parent}/state/agent.db") as store:
        await store.write(lambda rows: controls.set_flag(rows, FLAG, value=False, by="anna", now=now))
    argv = [sys.executable, "-c", RUN_AGENT, str(config)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = await asyncio.to_thread(next, (line for line in process.stderr if FLAG in line), "")
        process.terminate()
        process.stderr.read()
    assert f"{FLAG} is off: it was switched" in told
    assert f"`devops-agent flags {FLAG} default` takes it back" in told


def unix_listeners(pid: int) -> list[str]:
    """Return the paths of the Unix sockets on which a process accepts connections."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    accepting = 0x10000  # __SO_ACCEPTCON in the kernel
    return [" ".join(line[7:]) for line in lines if line[6] in inodes and int(line[3], 16) & accepting]
