"""A small world of services in memory, for the fakes that act on it and look at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from devops_agent.kit.testing.clock import START
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.ports import Clock


@dataclass(kw_only=True)
class FakeService:
    """One service of a fake world."""

    running: bool = True
    healthy: bool | None = True
    readings: dict[str, float] = field(default_factory=dict)
    image: str = "shop/app:2"
    previous_image: str = "shop/app:1"
    since: datetime = START
    number: int = 1
    """Counts the instances: it rises with every start."""
    starts_healthy: bool = True
    """Whether a start heals it."""
    identity: Identity | None = None
    """Who it really is; None: just its name."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """One effect that took place."""

    action: str
    target: str
    key: str
    at: datetime


@dataclass(kw_only=True)
class FakeWorld:
    """Services by name, and everything that was done to them. It outlives the plugins, as the real world does."""

    clock: Clock
    services: dict[str, FakeService] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)

    def add(self, name: str, service: FakeService | None = None) -> FakeService:
        """Put a service into the world, by default one that is well."""
        return self.services.setdefault(name, service or FakeService(since=self.clock.now()))

    def kill(self, name: str) -> None:
        """Let a service die."""
        self.services[name].running = False
        self.services[name].healthy = False


def ref(target: Target) -> str:
    """Return the name of the service that a target means."""
    return target.ref or target.name
