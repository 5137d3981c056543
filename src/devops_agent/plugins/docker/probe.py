"""Looks at containers: state, restarts, memory and processor time."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from devops_agent.kit.tools import Tools, settings
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Target
from devops_agent.plugins.docker import cgroup
from devops_agent.plugins.docker.client import Engine, EngineError, Json
from devops_agent.plugins.docker.config import Config
from devops_agent.plugins.docker.find import find, ref_of
from devops_agent.plugins.docker.state import gone, state_of, when, word_of
from devops_agent.plugins.docker.usage import Usage, usage_of
from devops_agent.ports import PluginError

_REMEMBERED = 1_000
_FRESH = timedelta(seconds=10)


def build(config: Mapping[str, object], *, tools: Tools) -> "DockerProbe":
    """Build the probe from `plugins.docker`."""
    return DockerProbe(settings(Config, config, where="plugins.docker"), tools=tools)


class DockerProbe:
    """Gives `state` (the engine's word), `docker_health`, `restarts`, `memory_percent`, `memory_mb` and `cpu_percent`.

    `cpu_percent` is the mean of one processor since the last look, so the first look at a container has none.
    """

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._stats = config.stats
        self._clock = tools.clock
        self._engine = Engine(tools.http, socket=config.socket)
        self._before: dict[str, Usage] = {}
        """Container id → its last sample."""

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        """Return what the engine says of the container; that it says nothing is evidence too."""
        ref = ref_of(target)
        now = self._clock.now()
        try:
            container = await find(self._engine, ref)
            if container is None:
                return [_seen("state", "missing", now, says=gone(ref).says)]
            seen = list(_state(container, now))
            if self._stats and word_of(container) == "running":
                seen += self._usage(container["Id"], await self._sample(container, now), now)
        except (EngineError, PluginError) as error:
            return [_seen("state", "unknown", now, says=str(error))]
        return seen

    async def _sample(self, container: Json, now: datetime) -> Usage | None:
        """Return a sample: the kernel's, else the engine's, which takes a second that a fresh start is not worth."""
        at_once = cgroup.sample(container["Id"], container["State"].get("Pid") or 0)
        if at_once is not None:
            return at_once
        since = when(container["State"].get("StartedAt"))
        if since is not None and now - since < _FRESH:
            return None
        return usage_of(await self._engine.stats(container["Id"], timeout=5.0))

    def _usage(self, container: str, sample: Usage | None, now: datetime) -> Iterator[Evidence]:
        if sample is None:
            return
        if sample.memory_percent is not None:
            yield _seen("memory_percent", sample.memory_percent, now, unit="%")
            yield _seen("memory_mb", round(sample.memory_bytes / 1e6, 1), now, unit="MB")
        before = self._before.pop(container, None)
        if before is not None and (percent := sample.cpu_percent(before)) is not None:
            yield _seen("cpu_percent", percent, now, unit="%")
        self._before[container] = sample
        while len(self._before) > _REMEMBERED:
            del self._before[next(iter(self._before))]


def _state(container: Json, now: datetime) -> Iterator[Evidence]:
    state = state_of(container)
    yield _seen("state", word_of(container), now, says=state.says)
    if state.healthy is not None:
        yield _seen("docker_health", state.healthy, now, says=state.says)
    yield _seen("restarts", state.restarts or 0, now)


def _seen(name: str, value: bool | float | str, at: datetime, *, unit: str = "", says: str = "") -> Evidence:  # noqa: FBT001 — a value, not a switch
    return Evidence(source="docker", name=name, value=value, unit=unit, at=at, says=says)
