"""Tells "service down" from "name resolution broken" from "our own network down"."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address

from devops_agent.kit.tools import Tools
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Target
from devops_agent.plugins.network import config as own
from devops_agent.plugins.network.way import Outcome, Way, host_and_port, is_address
from devops_agent.ports import Clock


class Verdict(StrEnum):
    """What stands between us and a service."""

    REACHABLE = "reachable"
    SERVICE_DOWN = "service down"
    HOST_UNREACHABLE = "host unreachable"
    NAME_RESOLUTION_BROKEN = "name resolution broken"
    NETWORK_DOWN = "our own network down"


def build(config: Mapping[str, object], *, tools: Tools) -> "Diagnosis":
    """Return the probe; raises SettingsError as `config.read` does."""
    return Diagnosis(own.read(config), clock=tools.clock)


class Diagnosis:
    """Looks at the whole way to a target that does not answer; for trouble, not for every poll."""

    def __init__(self, config: own.Config, *, clock: Clock, way: Way | None = None) -> None:
        self._config = config
        self._clock = clock
        self._way = way or Way()

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        """Return what stands between us and the first check of the target that names a host and a port."""
        first = next((where for check in target.checks if (where := host_and_port(check.url))), None)
        return await self.diagnose(*first) if first else []

    async def diagnose(self, host: str, port: int) -> list[Evidence]:
        """Return the evidence `dns`, and as far as they were looked at `tcp` and `network`, and last `verdict`.

        The value of `verdict` is one of Verdict; its sentence says why.
        """
        limit = self._config.timeout
        addresses, looked_up = await self._way.look_up(host, timeout=limit)
        dns = self._seen("dns", f"resolve {host}", looked_up)
        if not addresses:
            return [dns, *await self._blame_the_name(host, looked_up)]
        reached = await self._way.reach(host, port, timeout=limit)
        seen = [dns, self._seen("tcp", f"connect {host}:{port}", reached)]
        if reached.ok:
            return [*seen, self._verdict(Verdict.REACHABLE, f"{host}:{port} takes connections")]
        if reached.reason == "refused" or all(ip_address(address).is_loopback for address in addresses):
            return [*seen, self._verdict(Verdict.SERVICE_DOWN, f"{host} is there, but nothing answers on port {port}")]
        network = await self._own_network(lost_route=reached.reason == "no route")
        seen.append(self._seen("network", "own network", network))
        if network.ok:
            why = f"{host}:{port} does not answer, though our own network works ({network.says})"
            return [*seen, self._verdict(Verdict.HOST_UNREACHABLE, why)]
        return [*seen, self._verdict(Verdict.NETWORK_DOWN, f"{host}:{port} does not answer; {network.says}")]

    async def _blame_the_name(self, host: str, looked_up: Outcome) -> list[Evidence]:
        """Tell a name that is gone from a resolver that is gone from a network that is gone."""
        other = self._config.known_name or next((name for name, _ in self._references() if not is_address(name)), "")
        seen: list[Evidence] = []
        if other:
            addresses, outcome = await self._way.look_up(other, timeout=self._config.timeout)
            seen.append(self._seen("dns_other", f"resolve {other}", outcome))
            gone = bool(addresses)
        else:
            gone = looked_up.reason == "no such name"
        if gone:
            why = f"{host} has no address, though names resolve: it is misspelt, or was removed"
            return [*seen, self._verdict(Verdict.HOST_UNREACHABLE, why)]
        network = await self._own_network(lost_route=True)
        seen.append(self._seen("network", "own network", network))
        if network.ok:
            why = f"no name resolves, though our own network works ({network.says})"
            return [*seen, self._verdict(Verdict.NAME_RESOLUTION_BROKEN, why)]
        return [*seen, self._verdict(Verdict.NETWORK_DOWN, f"no name resolves, and {network.says}")]

    async def _own_network(self, *, lost_route: bool) -> Outcome:
        """Try the references; without any, look at the default route, whose lack only counts for `lost_route`."""
        references = [where for where in self._references() if is_address(where[0])] or self._references()
        if not references:
            if self._way.routed() or not lost_route:
                return Outcome(says="there is a way out")
            return Outcome(reason="no route", says="this machine has no default route")
        limit = self._config.timeout
        tried = await asyncio.gather(*(self._way.reach(host, port, timeout=limit) for host, port in references))
        for (host, port), outcome in zip(references, tried, strict=True):
            # A refusal came back over the network, so the network works.
            if outcome.ok or outcome.reason == "refused":
                return Outcome(says=f"{host}:{port} answers")
        return Outcome(reason="unreachable", says="none of plugins.network.references answers either")

    def _references(self) -> list[tuple[str, int]]:
        return [where for reference in self._config.references if (where := host_and_port(reference))]

    def _seen(self, name: str, query: str, outcome: Outcome) -> Evidence:
        now = self._clock.now()
        return Evidence(source="network", name=name, query=query, value=outcome.ok, at=now, says=outcome.says)

    def _verdict(self, verdict: Verdict, why: str) -> Evidence:
        return Evidence(source="network", name="verdict", value=verdict.value, at=self._clock.now(), says=why)
