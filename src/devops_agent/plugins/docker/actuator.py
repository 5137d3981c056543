"""Acts on containers: restart, start, stop, scale, roll back, and reads their logs and usage."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from devops_agent.kit.once import Once
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.action import Action, Blast, Effect, Param, Result, Risk, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.plugins.docker import cgroup
from devops_agent.plugins.docker.client import Engine, Json, frames
from devops_agent.plugins.docker.config import AUTOHEAL_STOP_TIMEOUT, Config
from devops_agent.plugins.docker.find import (
    find,
    identity_of,
    labels_of,
    must_find,
    name_of,
    plainly,
    ref_of,
    replicas,
    scalable,
    short,
)
from devops_agent.plugins.docker.rollback import Names, Rollback
from devops_agent.plugins.docker.scale import Scaling
from devops_agent.plugins.docker.state import gone, state_of, word_of
from devops_agent.plugins.docker.usage import Usage, usage_of
from devops_agent.ports import PluginError

Verb = Callable[[Step, Target, str], Awaitable[Result]]

_SHARE_FOR_STOPPING = 0.7
"""Share of a step's timeout that a container may take to stop, so that time is left to start it again."""
_LOG_BYTES = 1_000_000
_LINE = 2_000
_SAMPLES_APART = 0.25

_TIMEOUT = Param(
    kind="whole", says="Seconds it gets to stop before it is killed; empty: its label, else its own setting."
)
_ACTIONS = (
    Action(
        name="docker.restart",
        says="Stop the container and start it again.",
        risk=Risk.SAFE,
        params={"timeout": _TIMEOUT},
        idempotent=True,
    ),
    Action(name="docker.start", says="Start the container.", risk=Risk.SAFE, idempotent=True, undo="docker.stop"),
    Action(
        name="docker.stop",
        says="Stop the container; its restart policy does not bring it back.",
        risk=Risk.RISKY,
        params={"timeout": _TIMEOUT},
        idempotent=True,
        undo="docker.start",
    ),
    Action(
        name="docker.scale",
        says="Bring the service to a number of replicas, by copying the container or removing the newest.",
        risk=Risk.RISKY,
        blast=Blast.GROUP,
        params={"replicas": Param(kind="whole", says="How many there are to be.", required=True)},
        idempotent=True,
        undo="docker.scale",
    ),
    Action(
        name="docker.rollback",
        says="Make the container again from the image before, with the same settings and name.",
        risk=Risk.RISKY,
        params={"image": Param(says="Image to run; empty: the one before, as far as it is known.", default="")},
        # One key makes one new container, however often it is tried: see rollback.py.
        idempotent=True,
        undo="docker.rollback",
    ),
    Action(
        name="docker.logs",
        says="Read the end of its log.",
        risk=Risk.READ,
        blast=Blast.NOTHING,
        params={
            "lines": Param(kind="whole", says="How many lines at most.", default=100),
            "minutes": Param(kind="number", says="Only lines of the last minutes; 0: of any age.", default=0),
        },
        idempotent=True,
    ),
    Action(
        name="docker.stats",
        says="Read what memory and processor time it uses.",
        risk=Risk.READ,
        blast=Blast.NOTHING,
        idempotent=True,
    ),
)


def build(config: Mapping[str, object], *, tools: Tools) -> "DockerActuator":
    """Build the actuator from `plugins.docker`."""
    return DockerActuator(settings(Config, config, where="plugins.docker"), tools=tools)


class DockerActuator:
    """Acts on the containers of one engine. A target's `ref` is a container's name or its full id."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools
        self._engine = Engine(tools.http, socket=config.socket)
        self._once = Once()
        self._verbs: dict[str, Verb] = {
            "docker.restart": self._restart,
            "docker.start": self._start,
            "docker.stop": self._stop,
            "docker.scale": self._scale,
            "docker.rollback": self._rollback,
            "docker.logs": self._logs,
            "docker.stats": self._stats,
        }

    def actions(self) -> list[Action]:
        """Return everything it can do."""
        return list(_ACTIONS)

    async def observe(self, target: Target) -> State:
        """Return the container's state; `instance` is its id, and `since` changes with each start."""
        with plainly():
            container = await find(self._engine, ref_of(target))
            if container is None:
                return gone(ref_of(target))
            if not scalable(container):
                return state_of(container)
            running = [one for one in await replicas(self._engine, container) if one["State"] == "running"]
            return state_of(container, replicas=len(running))

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        """Return the container's names, id, processes, images and ports; just the names when it does not exist."""
        with plainly():
            container = await find(self._engine, ref_of(target))
            if container is None:
                return Identity(names=frozenset({target.name, ref_of(target).removeprefix("/")}))
            return await identity_of(self._engine, container, also=(target.name, ref_of(target)))

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        """Do it within the step's timeout. See `Actuator.execute`."""
        verb = self._verbs.get(step.action)
        if verb is None:
            raise PluginError(f"no action {step.action!r}; known: {', '.join(self._verbs)}", retryable=False)
        known = next(action.params for action in _ACTIONS if action.name == step.action)
        if strange := step.args.keys() - known.keys():
            says = f"{step.action} takes {', '.join(known) or 'no arguments'}; given: {', '.join(sorted(strange))}"
            raise PluginError(says, retryable=False)
        return await self._once.do(key, lambda: self._bounded(verb, step, target, key))

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        """Tell from two observations whether the step took place."""
        match step.action:
            case "docker.restart":
                return _restarted(before, after)
            case "docker.start":
                return Effect.DONE if after.running else Effect.ABSENT
            case "docker.stop":
                return Effect.DONE if not after.running else Effect.ABSENT
            case "docker.scale":
                return _scaled(step, before, after)
            case "docker.rollback":
                return _rolled_back(before, after)
            case _:
                return Effect.UNKNOWN

    async def _bounded(self, verb: Verb, step: Step, target: Target, key: str) -> Result:
        seconds = step.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                with plainly():
                    return await verb(step, target, key)
        except TimeoutError as error:
            raise PluginError(f"cannot finish {step.action} of {target.name} within {seconds:g} s") from error

    async def _restart(self, step: Step, target: Target, key: str) -> Result:
        container = await must_find(self._engine, target)
        await self._refuse(container)
        began = self._tools.clock.monotonic()
        patience = self._patience(step, container)
        await self._engine.restart(container["Id"], patience=patience, timeout=step.timeout.total_seconds())
        return await self._now(container, "restarted", began)

    async def _start(self, step: Step, target: Target, key: str) -> Result:
        container = await must_find(self._engine, target)
        if word_of(container) == "running":
            return Result(ok=True, says=f"container {short(container)} runs already", changed=False)
        await self._refuse(container)
        began = self._tools.clock.monotonic()
        await self._engine.start(container["Id"], timeout=step.timeout.total_seconds())
        return await self._now(container, "started", began)

    async def _stop(self, step: Step, target: Target, key: str) -> Result:
        container = await must_find(self._engine, target)
        if word_of(container) in {"exited", "created", "dead"}:
            return Result(ok=True, says=f"container {short(container)} does not run", changed=False)
        await self._refuse(container)
        began = self._tools.clock.monotonic()
        patience = self._patience(step, container)
        await self._engine.stop(container["Id"], patience=patience, timeout=step.timeout.total_seconds())
        seconds = self._tools.clock.monotonic() - began
        return Result(ok=True, says=f"stopped container {short(container)} in {seconds:.1f} s")

    async def _scale(self, step: Step, target: Target, key: str) -> Result:
        wanted = _whole(step, "replicas")
        container = await must_find(self._engine, target)
        scaling = Scaling(self._engine, self._config, refuse=self._refuse)
        return await scaling.to(wanted, container=container, patience=self._patience(step, container))

    async def _rollback(self, step: Step, target: Target, key: str) -> Result:
        # Half-way through, nothing bears the name: then it is looked for by what only this roll-back would have made.
        container = await find(self._engine, ref_of(target))
        name = name_of(container) if container else ref_of(target).removeprefix("/")
        rollback = Rollback(self._engine, Names.of(name, key), refuse=self._refuse)
        patience = self._patience(step, container) if container else round(self._config.patience.total_seconds())
        seconds = step.timeout.total_seconds() * _SHARE_FOR_STOPPING
        return await rollback.to(str(step.args.get("image", "")), patience=patience, seconds=seconds)

    async def _logs(self, step: Step, target: Target, key: str) -> Result:
        container = await must_find(self._engine, target)
        minutes = float(str(step.args.get("minutes", 0)))
        since = self._tools.clock.now() - timedelta(minutes=minutes) if minutes else None
        body = await self._engine.logs(
            container["Id"],
            tail=_whole(step, "lines", default=100),
            since=since.timestamp() if since else 0.0,
            timeout=step.timeout.total_seconds(),
            limit=_LOG_BYTES,
        )
        text = body if container["Config"].get("Tty") else b"".join(content for _, content in frames(body))
        lines = [line[:_LINE] for line in text.decode(errors="replace").splitlines()]
        says = f"read {len(lines)} lines of the log of container {short(container)}"
        return Result(ok=True, says=says, changed=False, data={"lines": lines})

    async def _stats(self, step: Step, target: Target, key: str) -> Result:
        container = await must_find(self._engine, target)
        before = await self._sample(container)
        await self._tools.clock.sleep(_SAMPLES_APART)
        now = await self._sample(container)
        cpu = now.cpu_percent(before)
        data: dict[str, object] = {
            "memory_bytes": now.memory_bytes,
            "memory_limit_bytes": now.memory_limit_bytes,
            "memory_percent": now.memory_percent,
            "cpu_percent": cpu,
            "pids": now.pids,
        }
        shares = f"{now.memory_percent or 0:.0f} % of its memory and {cpu or 0:.0f} % of a processor"
        says = f"container {short(container)} uses {shares} with {now.pids} processes"
        return Result(ok=True, says=says, changed=False, data=data)

    async def _sample(self, container: Json) -> Usage:
        at_once = cgroup.sample(container["Id"], container["State"].get("Pid") or 0)
        return at_once or usage_of(await self._engine.stats(container["Id"], timeout=5.0))

    async def _refuse(self, container: Json) -> None:
        """Ask the guardian about the very container that is acted on next, by its id."""
        self._tools.guardian.refuse(await identity_of(self._engine, container))

    async def _now(self, container: Json, done: str, began: float) -> Result:
        seconds = self._tools.clock.monotonic() - began
        now = await self._engine.inspect(container["Id"])
        if word_of(now) != "running":
            said = state_of(now).says
            raise PluginError(f"{done} container {short(container)}, but it ended again: {said}")
        return Result(
            ok=True,
            says=f"{done} container {short(container)}: running after {seconds:.1f} s",
            data={"container": container["Id"], "seconds": round(seconds, 3)},
        )

    def _patience(self, step: Step, container: Json) -> int:
        """Return the seconds to wait before killing: the step's, the label's, the container's own, or the setting."""
        label = labels_of(container).get(AUTOHEAL_STOP_TIMEOUT, "")
        chosen = _whole(step, "timeout", default=-1)
        if chosen < 0:
            own = container["Config"].get("StopTimeout")
            chosen = int(label) if label.isdecimal() else own if own is not None else -1
        if chosen < 0:
            chosen = round(self._config.patience.total_seconds())
        return min(chosen, int(step.timeout.total_seconds() * _SHARE_FOR_STOPPING))


def _whole(step: Step, name: str, *, default: int | None = None) -> int:
    value = step.args.get(name, default)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise PluginError(f"{step.action}: {name} has to be a whole number, not {value!r}", retryable=False)


def _restarted(before: State, after: State) -> Effect:
    if after.running:
        began_anew = after.since != before.since or after.instance != before.instance
        return Effect.DONE if began_anew else Effect.ABSENT
    # One that ran and does not now may be between stop and start.
    return Effect.UNKNOWN if before.running else Effect.ABSENT


def _scaled(step: Step, before: State, after: State) -> Effect:
    if after.replicas == _whole(step, "replicas"):
        return Effect.DONE
    return Effect.ABSENT if after.replicas == before.replicas else Effect.UNKNOWN


def _rolled_back(before: State, after: State) -> Effect:
    if after.running and after.instance != before.instance and _image(after) != _image(before):
        return Effect.DONE
    same = after.running == before.running and after.instance == before.instance and after.since == before.since
    return Effect.ABSENT if same and after.exists else Effect.UNKNOWN


def _image(state: State) -> str:
    return state.extra.get("image_id", state.image)
