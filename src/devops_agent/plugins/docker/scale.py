"""Brings a service to a number of replicas: starts stopped ones, copies one for those missing, removes the newest."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from devops_agent.model.action import Result
from devops_agent.plugins.docker.client import Engine, EngineError, Json
from devops_agent.plugins.docker.config import COMPOSE_NUMBER, REPLICA_OF, REPLICAS, Config
from devops_agent.plugins.docker.copy import fixed_ports, more_networks, replica_of, settings_like
from devops_agent.plugins.docker.find import labels_of, name_of, replicas, scalable, short
from devops_agent.plugins.docker.state import when
from devops_agent.ports import PluginError

Refuse = Callable[[Json], Awaitable[None]]
"""Raises Untouchable when a container must not be touched."""

_RANGE = re.compile(r"(?:(\d+)-)?(\d+)")
_CALL = 30.0
"""Seconds that the engine gets to make or start one container."""


def bounds(container: Json, config: Config) -> tuple[int, int]:
    """Return the least and the most replicas that a container's label allows.

    Raises:
        PluginError: the container does not say that there may be several of it, or says it wrongly.

    """
    name = name_of(container)
    if not scalable(container):
        says = f"cannot scale {name}: label it {REPLICAS}=MOST or LEAST-MOST, such as 1-4"
        raise PluginError(says, retryable=False)
    label = labels_of(container).get(REPLICAS, "")
    if not label:
        return 1, config.most_replicas
    found = _RANGE.fullmatch(label.strip())
    if found is None:
        says = f"cannot scale {name}: its label {REPLICAS}={label!r} is neither MOST nor LEAST-MOST, such as 1-4"
        raise PluginError(says, retryable=False)
    return max(1, int(found[1] or 1)), int(found[2])


class Scaling:
    """One change of the number of replicas of the service that `container` belongs to."""

    def __init__(self, engine: Engine, config: Config, *, refuse: Refuse) -> None:
        self._engine = engine
        self._config = config
        self._refuse = refuse

    async def to(self, wanted: int, *, container: Json, patience: int) -> Result:
        """Bring the service to `wanted` running replicas; doing it twice does nothing more.

        Raises:
            EngineError: the engine refuses; what was changed until then stays.
            PluginError: that number is not allowed, or further containers cannot run beside the first.
            Untouchable: a container that would be removed is on the never-touch set.

        """
        least, most = bounds(container, self._config)
        if not least <= wanted <= most:
            says = f"cannot scale {name_of(container)} to {wanted}: allowed are {least} to {most} ({REPLICAS})"
            raise PluginError(says, retryable=False)
        known = await replicas(self._engine, container)
        running = [one for one in known if one["State"] == "running"]
        await self._refuse(container)
        if len(running) < wanted:
            changed = await self._grow(wanted - len(running), container, known)
        else:
            changed = await self._shrink(len(running) - wanted, container, running, patience)
        says = f"{name_of(container)} has {wanted} replicas, had {len(running)}"
        return Result(
            ok=True,
            says=f"{says}: {', '.join(changed)}" if changed else f"{name_of(container)} has {wanted} replicas already",
            changed=bool(changed),
            undo={"replicas": len(running)},
            data={"replicas": wanted, "before": len(running)},
        )

    async def _grow(self, missing: int, container: Json, known: list[Json]) -> list[str]:
        stopped = [one for one in known if one["State"] in {"created", "exited"}][:missing]
        for one in stopped:
            await self._engine.start(one["Id"], timeout=_CALL)
        taken = {name_of(one) for one in await self._engine.containers()}
        made = [await self._copy(container, taken) for _ in range(missing - len(stopped))]
        return [f"started {short(one)}" for one in stopped] + [f"made {name}" for name in made]

    async def _copy(self, container: Json, taken: set[str]) -> str:
        if ports := fixed_ports(container):
            says = (
                f"cannot run a second {name_of(container)}: it publishes port {', '.join(map(str, ports))} of the host"
            )
            raise PluginError(says, retryable=False)
        labels = labels_of(container)
        base = labels.get(REPLICA_OF) or name_of(container)
        name, number = _next_name(base, numbered=COMPOSE_NUMBER in labels, taken=taken)
        added = {REPLICA_OF: base, **({COMPOSE_NUMBER: str(number)} if COMPOSE_NUMBER in labels else {})}
        # A copy gets anonymous volumes of its own.
        alike = settings_like({**container, "Mounts": ()}, image=container["Image"], old_image=None, labels=added)
        made = await self._engine.create(name, replica_of(alike), timeout=_CALL)
        try:
            for network, endpoint in more_networks(container, own_addresses=False).items():
                await self._engine.connect(network, made, endpoint)
            await self._engine.start(made, timeout=_CALL)
        except EngineError:
            await self._engine.remove(made, force=True)
            raise
        taken.add(name)
        return name

    async def _shrink(self, surplus: int, container: Json, running: list[Json], patience: int) -> list[str]:
        """Remove the newest, but never the one that the target itself is."""
        if not surplus:
            return []
        others = [await self._engine.inspect(one["Id"]) for one in running if one["Id"] != container["Id"]]
        removable = sorted(others, key=_made, reverse=True)[:surplus]
        for one in removable:
            await self._refuse(one)
        for one in removable:
            await self._engine.stop(one["Id"], patience=patience, timeout=patience + _CALL)
            await self._engine.remove(one["Id"])
        return [f"removed {short(one)}" for one in removable]


def _made(container: Json) -> datetime:
    """Return when a container was made; the engine's list knows it by the second only, which is too coarse."""
    return when(container["Created"]) or datetime.min.replace(tzinfo=UTC)


def _next_name(base: str, *, numbered: bool, taken: set[str]) -> tuple[str, int]:
    """Return the first free `BASE-2`, `BASE-3`, …; Compose's names have their number at the end already."""
    found = re.fullmatch(r"(.+)([-_])\d+", base) if numbered else None
    stem, mark = found.groups() if found else (base, "-")
    number = 2
    while f"{stem}{mark}{number}" in taken:
        number += 1
    return f"{stem}{mark}{number}", number
