"""The agent role as a whole, without its process."""

import asyncio
from pathlib import Path

from devops_agent.app.agent import Agent, Options
from devops_agent.app.clock import SystemClock
from devops_agent.app.parts import all_actions
from devops_agent.config.source import Source
from devops_agent.store import open_store


class FailingOnce(SystemClock):
    """A clock that fails whoever asks it next, once it is told to."""

    fails = False

    def monotonic(self) -> float:
        if self.fails:
            self.fails = False
            raise RuntimeError("no such clock")
        return super().monotonic()


async def test_when_a_loop_dies_the_agent_starts_anew_instead_of_living_on_without_it(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text("plugins: {docker: {socket: ./no-docker.sock}}\n")
    clock = FailingOnce()
    source = Source(config, environ={}, actions=lambda settings: all_actions(settings, clock=clock))
    async with await open_store(source.now.settings.database) as store:
        agent = Agent(source, store, clock=clock, options=Options())
        running = asyncio.create_task(agent.run(asyncio.Event()))
        await asyncio.sleep(0)
        clock.fails = True
        await asyncio.wait_for(running, 30)
        assert agent.starts_anew
