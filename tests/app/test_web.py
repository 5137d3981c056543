"""The web role as a whole, without its process."""

import asyncio
import gc
import signal
from pathlib import Path

import pytest

from devops_agent.app.anew import START_ANEW
from devops_agent.app.web import run_web


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", ["store: sqlite:///other.db\n", "web: {listen: 127.0.0.1:0, requests_per_minute: 7}\n"]
)
async def test_the_web_role_starts_anew_when_what_it_is_built_from_changes(tmp_path: Path, change: str) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text("web: {listen: 127.0.0.1:0}\n")
    running = asyncio.create_task(run_web(config, environ={}))
    try:
        while not (tmp_path / "devops-agent-state" / "owner-token").exists():
            assert not running.done()
            await asyncio.sleep(0.01)
        config.write_text(change if "listen" in change else "web: {listen: 127.0.0.1:0}\n" + change)
        assert await asyncio.wait_for(running, 30) == START_ANEW
    finally:
        running.cancel()
        gc.unfreeze()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)
