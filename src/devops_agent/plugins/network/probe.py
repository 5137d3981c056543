"""Opens TCP connections to targets."""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta

from devops_agent.kit.tools import Tools
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Check, Target
from devops_agent.plugins.network import config as own
from devops_agent.plugins.network.way import Way, host_and_port
from devops_agent.ports import Clock


def build(config: Mapping[str, object], *, tools: Tools) -> "TcpProbe":
    """Return the probe; raises SettingsError as `config.read` does."""
    own.read(config)
    return TcpProbe(clock=tools.clock)


class TcpProbe:
    """Does all `tcp` checks of a target at once.

    A check named N gives the evidence N (True or False, with a sentence), and `N.error` with one word when it fails.
    """

    def __init__(self, *, clock: Clock, way: Way | None = None) -> None:
        self._clock = clock
        self._way = way or Way()

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        """Return which of the target's ports take connections."""
        checks = [check for check in target.checks if check.kind == "tcp"]
        return [piece for pieces in await asyncio.gather(*map(self._do, checks)) for piece in pieces]

    async def _do(self, check: Check) -> list[Evidence]:
        where = host_and_port(check.url)
        if where is None:
            return self._failed(check, "address", f"cannot connect to {check.url!r}: write host:port")
        began = time.monotonic()
        outcome = await self._way.reach(*where, timeout=check.timeout)
        seconds = time.monotonic() - began
        if not outcome.ok:
            return self._failed(check, outcome.reason, outcome.says)
        if check.max_latency is not None and seconds > check.max_latency.total_seconds():
            return self._failed(check, "latency", f"{check.url} takes connections only after {seconds * 1000:.0f} ms")
        return [self._seen(check.name, check, value=True, says=f"{check.url} takes connections")]

    def _failed(self, check: Check, word: str, says: str) -> list[Evidence]:
        return [
            self._seen(check.name, check, value=False, says=says),
            self._seen(f"{check.name}.error", check, value=word),
        ]

    def _seen(self, name: str, check: Check, *, value: bool | str, says: str = "") -> Evidence:
        query = f"connect {check.url}"
        return Evidence(source="network", name=name, query=query, value=value, at=self._clock.now(), says=says)
