"""Tells at once when a container dies, runs out of memory, turns unhealthy, or is well again, from the engine's events.

What was stopped on purpose (`docker stop`, `docker restart`, by a person or by ourselves) is told only when it stays
stopped, so that a restart raises nothing. `docker kill` is no such thing: it is how a container goes down.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from devops_agent.kit.tools import Tools, settings
from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.model.target import Target
from devops_agent.plugins.docker.client import Engine, EngineError, Json
from devops_agent.plugins.docker.config import COMPOSE_SERVICE, SERVICE, Config
from devops_agent.plugins.docker.find import name_of
from devops_agent.ports import Clock, PluginError

DIED = "ContainerDied"
OUT_OF_MEMORY = "ContainerOOMKilled"
UNHEALTHY = "ContainerUnhealthy"

EVENTS = ("kill", "die", "oom", "stop", "start", "unpause", "destroy", "health_status")
GRACE = 2.0
"""Seconds in which a container that was stopped on purpose may start again without a word."""
_SIGKILL = "9"


def build(config: Mapping[str, object], *, tools: Tools) -> "DockerWatcher":
    """Build the watcher from `plugins.docker`."""
    return DockerWatcher(settings(Config, config, where="plugins.docker"), tools=tools)


class DockerWatcher:
    """Follows the events of one engine.

    Call `follow` with all targets, at the start and whenever they change: only they are told of, under their names.
    Without the call every container is told of.
    """

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._engine = Engine(tools.http, socket=config.socket)
        self._story = Story(clock=tools.clock)
        self._clock = tools.clock
        self._last: float | None = None

    def follow(self, targets: Sequence[Target]) -> None:
        """Tell of these targets, as far as they are containers, and of no others."""
        self._story.follow(targets)

    async def changes(self) -> AsyncIterator[Alert]:
        """Yield alerts, firing and resolved; see ports.Watcher. Called again, it goes on where it was cut off."""
        try:
            for alert in self._story.reconcile(await self._engine.containers()):
                yield alert
            async with aclosing(_events(self._engine, self._last)) as events:
                async for alert in self._tell(events):
                    yield alert
        except EngineError as error:
            raise PluginError(f"cannot watch containers: {error}") from error

    async def _tell(self, events: AsyncIterator[Json]) -> AsyncIterator[Alert]:
        queue: asyncio.Queue[Json | EngineError] = asyncio.Queue()
        reader = asyncio.create_task(_read_into(queue, events))
        try:
            while True:
                said = await _next(queue, self._story.patience())
                if isinstance(said, EngineError):
                    raise said
                if said is not None:
                    self._last = said.get("timeNano", 0) / 1e9 or self._last
                    for alert in self._story.hear(said):
                        yield alert
                for alert in self._story.overdue():
                    yield alert
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader


def _events(engine: Engine, since: float | None) -> AsyncGenerator[Json]:
    # A hair later than the last event, which would come again otherwise.
    return engine.events(kinds=EVENTS, since=None if since is None else since + 1e-6)


async def _read_into(queue: "asyncio.Queue[Json | EngineError]", events: AsyncIterator[Json]) -> None:
    try:
        async for event in events:
            queue.put_nowait(event)
    except EngineError as error:
        queue.put_nowait(error)


async def _next(queue: "asyncio.Queue[Json | EngineError]", patience: float | None) -> Json | EngineError | None:
    try:
        async with asyncio.timeout(patience):
            return await queue.get()
    except TimeoutError:
        return None


@dataclass(kw_only=True)
class _Life:
    """What was heard of one container since its last start."""

    signals: list[str] = field(default_factory=list)
    out_of_memory: bool = False
    stopped: bool = False


@dataclass(kw_only=True)
class _Death:
    """A death on purpose that is not told yet."""

    event: Json
    due: float


class Story:
    """Makes alerts of events; no input, no output."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._targets: tuple[Target, ...] | None = None
        self._lives: dict[str, _Life] = {}
        """Container id → what was heard."""
        self._deaths: dict[str, _Death] = {}
        """Container name → its death."""
        self._firing: dict[tuple[str, str], Alert] = {}
        """(container name, rule) → alert."""

    def follow(self, targets: Sequence[Target]) -> None:
        """Tell of these only."""
        self._targets = tuple(target for target in targets if target.via == "docker")

    def hear(self, event: Json) -> list[Alert]:
        """Return the alerts that an event makes."""
        action, _, detail = str(event.get("Action") or event.get("status") or "").partition(": ")
        container, name = event["Actor"]["ID"], event["Actor"]["Attributes"].get("name", "")
        life = self._lives.setdefault(container, _Life())
        match action:
            case "kill":
                life.signals.append(str(event["Actor"]["Attributes"].get("signal", "")))
            case "oom":
                life.out_of_memory = True
                return self._fire(OUT_OF_MEMORY, event)
            case "die":
                return self._die(event, name, life)
            case "stop":
                life.stopped = True
            case "start" | "unpause":
                self._lives[container] = _Life()
                self._deaths.pop(name, None)
                return self._resolve(event, name, DIED, OUT_OF_MEMORY)
            case "health_status":
                return self._fire(UNHEALTHY, event) if detail == "unhealthy" else self._resolve(event, name, UNHEALTHY)
            case "destroy":
                self._lives.pop(container, None)
                # Another container may bear the name by now: a roll-back removes the old one last.
                return [] if name in self._deaths else self._resolve(event, name, UNHEALTHY)
        return []

    def patience(self) -> float | None:
        """Return the seconds until the next death on purpose has to be told; None when there is none."""
        if not self._deaths:
            return None
        return max(0.0, min(death.due for death in self._deaths.values()) - self._clock.monotonic())

    def overdue(self) -> list[Alert]:
        """Return the alerts of those that were stopped on purpose and have not come back."""
        now = self._clock.monotonic()
        due = [name for name, death in self._deaths.items() if death.due <= now]
        return [alert for name in due for alert in self._fire(DIED, self._deaths.pop(name).event)]

    def reconcile(self, containers: Sequence[Json]) -> list[Alert]:
        """Return the alerts that are over though nobody was there to hear it."""
        running = {name_of(one) for one in containers if one.get("State") == "running"}
        ill = {name_of(one) for one in containers if "(unhealthy)" in str(one.get("Status"))}
        over = [
            (name, rule)
            for name, rule in self._firing
            if (rule != UNHEALTHY and name in running) or (rule == UNHEALTHY and name not in ill)
        ]
        now = self._clock.now()
        return [self._firing.pop(key).with_(status=AlertStatus.RESOLVED, ends_at=now) for key in over]

    def _die(self, event: Json, name: str, life: _Life) -> list[Alert]:
        if life.out_of_memory:
            return []
        on_purpose = bool(life.signals) and life.signals[0] != _SIGKILL
        if on_purpose:
            self._deaths[name] = _Death(event=event, due=self._clock.monotonic() + GRACE)
            return []
        return self._fire(DIED, event)

    def _fire(self, rule: str, event: Json) -> list[Alert]:
        attributes: Mapping[str, str] = event["Actor"]["Attributes"]
        name = attributes.get("name", "")
        target = self._target(event["Actor"]["ID"], attributes)
        if (self._targets is not None and target is None) or (name, rule) in self._firing:
            return []
        labels = _labels(rule, attributes, target)
        life = self._lives.get(event["Actor"]["ID"], _Life())
        if rule == DIED and life.stopped:
            labels["stopped_by_person"] = "true"
        alert = Alert(
            fingerprint=fingerprint(labels),
            status=AlertStatus.FIRING,
            labels=labels,
            annotations=_annotations(rule, attributes, life),
            starts_at=_time(event),
            source="docker",
        )
        self._firing[name, rule] = alert
        return [alert]

    def _resolve(self, event: Json, name: str, *rules: str) -> list[Alert]:
        over = [alert for rule in rules if (alert := self._firing.pop((name, rule), None))]
        return [alert.with_(status=AlertStatus.RESOLVED, ends_at=_time(event)) for alert in over]

    def _target(self, container: str, attributes: Mapping[str, str]) -> Target | None:
        names = {container, *(attributes.get(key, "") for key in ("name", SERVICE, COMPOSE_SERVICE))} - {""}
        mine = [target for target in self._targets or () if (target.ref or target.name).removeprefix("/") in names]
        exact = {container, attributes.get("name", "")}
        return next((target for target in mine if (target.ref or target.name).removeprefix("/") in exact), None) or (
            mine[0] if mine else None
        )


def _labels(rule: str, attributes: Mapping[str, str], target: Target | None) -> dict[str, str]:
    labels = {"alertname": rule, "container": attributes.get("name", ""), "severity": "critical"}
    if service := attributes.get(SERVICE) or attributes.get(COMPOSE_SERVICE):
        labels["service"] = service
    if target is not None:
        labels["devops_agent_target"] = target.name
    return labels


def _annotations(rule: str, attributes: Mapping[str, str], life: _Life) -> dict[str, str]:
    name, code = attributes.get("name", ""), attributes.get("exitCode", "")
    if rule == UNHEALTHY:
        return {"summary": f"container {name} fails its own health check"}
    if rule == OUT_OF_MEMORY:
        return {"summary": f"container {name} ran out of memory"}
    if life.stopped:
        how = "was stopped on purpose"
    elif life.signals:
        how = f"was killed by a signal that somebody sent ({', '.join(life.signals)})"
    else:
        how = "ended by itself"
    return {
        "summary": f"container {name} {how}, exit code {code}",
        "exit_code": code,
        "image": attributes.get("image", ""),
    }


def _time(event: Json) -> datetime:
    nanoseconds = int(event.get("timeNano") or event.get("time", 0) * 1_000_000_000)
    return datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=nanoseconds // 1000)
