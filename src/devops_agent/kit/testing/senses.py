"""A probe on a fake world, an inventory and a watcher that say what a test lets them say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta

from devops_agent.kit.testing.world import FakeWorld, ref
from devops_agent.model.alert import Alert
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Target
from devops_agent.ports import PluginError


class FakeProbe:
    """Looks at a fake world; what it cannot reach is evidence too."""

    def __init__(self, world: FakeWorld) -> None:
        self.world = world
        self.unreachable: set[str] = set()
        """Names of targets that do not answer, though they may run."""

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        """Return state, health and readings of the service."""
        name = ref(target)
        service = self.world.services.get(name)
        if service is None or name in self.unreachable:
            why = f"no service {name}" if service is None else f"cannot reach {name}"
            return [self._seen("health", value=False, says=why)]
        word = "running" if service.running else "stopped"
        return [
            self._seen("state", value=word, says=f"{name} is {word}"),
            self._seen("health", value=service.running and service.healthy is not False, says=f"health of {name}"),
            *(self._seen(reading, value=value) for reading, value in sorted(service.readings.items())),
        ]

    def _seen(self, name: str, *, value: bool | float | str, says: str = "") -> Evidence:
        return Evidence(source="fake", name=name, value=value, at=self.world.clock.now(), says=says)


class FakeInventory:
    """Finds the targets it was given; raises `trouble` when that is set."""

    def __init__(self, targets: Iterable[Target] = ()) -> None:
        self.targets = list(targets)
        self.trouble: PluginError | None = None

    async def discover(self) -> list[Target]:
        """Return the targets that exist now."""
        if self.trouble is not None:
            raise self.trouble
        return list(self.targets)


class FakeWatcher:
    """Tells what a test lets it tell."""

    def __init__(self) -> None:
        self.followed: tuple[Target, ...] = ()
        self._queue: asyncio.Queue[Alert | PluginError] = asyncio.Queue()

    def follow(self, targets: Sequence[Target]) -> None:
        """Remember which targets it is to watch."""
        self.followed = tuple(targets)

    def tell(self, alert: Alert) -> None:
        """Let this change happen now."""
        self._queue.put_nowait(alert)

    def lose(self, why: str = "the source went away") -> None:
        """Let the source go away."""
        self._queue.put_nowait(PluginError(why))

    async def changes(self) -> AsyncIterator[Alert]:
        """Yield what is told, until the source goes away."""
        while True:
            said = await self._queue.get()
            if isinstance(said, PluginError):
                raise said
            yield said
