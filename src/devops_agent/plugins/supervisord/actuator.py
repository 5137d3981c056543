"""Restarts, starts and stops programs under supervisord.

Supervisord acts by name and keeps no keys: over a crash of the agent the two observations decide (`effect`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from devops_agent.kit import proc
from devops_agent.kit.once import Once
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.action import Action, Blast, Effect, Param, Result, Risk, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.plugins.supervisord.client import (
    ALREADY_STARTED,
    BAD_NAME,
    NOT_RUNNING,
    Supervisord,
    SupervisordError,
)
from devops_agent.plugins.supervisord.config import Config
from devops_agent.ports import PluginError

_ASK = 5.0
_RUNS = frozenset({"RUNNING", "STARTING", "STOPPING"})
_LOCAL = ("unix://", "http://127.0.0.1", "http://localhost", "http://[::1]")
_CHANNELS = {"stdout": "Stdout", "stderr": "Stderr"}

Verb = Callable[[Step, str, float], Awaitable[Result]]


def build(config: Mapping[str, object], *, tools: Tools) -> SupervisordActuator:
    """Build the actuator from `plugins.supervisord`; it connects on first use."""
    chosen = settings(Config, config, where="plugins.supervisord")
    return SupervisordActuator(chosen, tools=tools)


class SupervisordActuator:
    """Acts on the programs of one supervisord; a target's `ref` is `program` or `group:program`."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools
        self._once = Once()
        self._connected: Supervisord | None = None
        self._verbs: dict[str, Verb] = {
            "supervisord.restart": self._restart,
            "supervisord.start": self._start,
            "supervisord.stop": self._stop,
            "supervisord.logs": self._logs,
        }

    def actions(self) -> list[Action]:
        """Return everything it can do."""
        return [
            Action(name="supervisord.restart", says="Stop the program and start it again.", risk=Risk.SAFE),
            Action(
                name="supervisord.start",
                says="Start the program.",
                risk=Risk.SAFE,
                idempotent=True,
                undo="supervisord.stop",
            ),
            Action(
                name="supervisord.stop",
                says="Stop the program.",
                risk=Risk.RISKY,
                idempotent=True,
                undo="supervisord.start",
            ),
            Action(
                name="supervisord.logs",
                says="Read the end of the program's log.",
                risk=Risk.READ,
                blast=Blast.NOTHING,
                idempotent=True,
                params={
                    "bytes": Param(kind="whole", says="How much to read.", default=16_000),
                    "channel": Param(says="stdout or stderr.", default="stdout"),
                },
            ),
        ]

    async def observe(self, target: Target) -> State:
        """Return the program's state, with supervisord's own word for it in `extra["state"]`."""
        name = _ref(target)
        try:
            info = await self._supervisord.info(name, timeout=_ASK)
        except SupervisordError as error:
            if error.code == BAD_NAME:
                return State(exists=False, running=False, says=f"supervisord knows no program {name}")
            raise PluginError(str(error)) from error
        return _state(name, info)

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        """Return the program's names, process and ports."""
        state = await self.observe(target)
        name = _ref(target)
        names = {target.name, name, name.rpartition(":")[2]}
        # A process id that another machine tells says nothing about the processes of this one.
        family = {state.pid, *proc.descendants(state.pid)} if state.pid and self._local else set()
        return proc.recognise(family, names=names)

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        """Do it, within the step's timeout."""
        verb = self._verbs.get(step.action)
        if verb is None:
            raise PluginError(f"no action {step.action!r}; known: {', '.join(self._verbs)}", retryable=False)
        return await self._once.do(key, lambda: self._bounded(verb, step, target))

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        """Tell from two observations whether the step took place."""
        match step.action:
            case "supervisord.restart":
                seen = after.running is True and after.instance != before.instance
            case "supervisord.start":
                seen = after.running is True
            case "supervisord.stop":
                seen = after.running is False
            case _:
                return Effect.UNKNOWN
        return Effect.DONE if seen else Effect.ABSENT

    @property
    def _local(self) -> bool:
        return self._config.url.startswith(_LOCAL)

    @property
    def _supervisord(self) -> Supervisord:
        if self._connected is None:
            password = self._tools.secret(self._config.password_file) if self._config.password_file else ""
            self._connected = Supervisord(
                self._tools.http, self._config.url, username=self._config.username, password=password
            )
        return self._connected

    async def _bounded(self, verb: Verb, step: Step, target: Target) -> Result:
        seconds = step.timeout.total_seconds()
        name = _ref(target)
        try:
            async with asyncio.timeout(seconds):
                await self._refuse(target, step)
                return await verb(step, name, seconds)
        except TimeoutError as error:
            raise PluginError(f"cannot finish {step.action} of {name} within {seconds:g} s") from error
        except SupervisordError as error:
            raise PluginError(f"cannot {step.action.partition('.')[2]} {name}: {error}") from error

    async def _refuse(self, target: Target, step: Step) -> None:
        # A name such as `group:*` is one that supervisord would act on, but that no single program has.
        if not (state := await self.observe(target)).exists:
            raise PluginError(state.says, retryable=False)
        if step.action == "supervisord.logs":
            return
        identity = await self.identify(target, step=step)
        for pid in identity.pids:
            if (process := proc.look_up(pid)) is not None:
                proc.refuse_by_nature(process)
        self._tools.guardian.refuse(identity)

    async def _restart(self, step: Step, name: str, seconds: float) -> Result:
        before = await self._supervisord.info(name, timeout=_ASK)
        await self._stopped(name, seconds)
        after = await self._started(name, seconds)
        was = f"pid {before['pid']}" if before["pid"] else before["statename"]
        return Result(ok=True, says=f"restarted program {name}: {was} before, pid {after['pid']} runs")

    async def _start(self, step: Step, name: str, seconds: float) -> Result:
        before = await self._supervisord.info(name, timeout=_ASK)
        if before["statename"] in _RUNS:
            return Result(ok=True, says=f"program {name} runs already as pid {before['pid']}", changed=False)
        after = await self._started(name, seconds)
        return Result(ok=True, says=f"started program {name}: pid {after['pid']} runs")

    async def _stop(self, step: Step, name: str, seconds: float) -> Result:
        changed = await self._stopped(name, seconds)
        return Result(ok=True, says=f"program {name} is stopped", changed=changed)

    async def _logs(self, step: Step, name: str, seconds: float) -> Result:
        channel = _CHANNELS.get(str(step.args.get("channel", "stdout")))
        if channel is None:
            raise PluginError(f"no channel {step.args['channel']!r}; known: stdout, stderr", retryable=False)
        length = int(str(step.args.get("bytes", 16_000)))
        text = await self._supervisord.tail(name, channel=channel, length=length, timeout=seconds)
        lines = text.splitlines()
        return Result(ok=True, says=f"read {len(lines)} lines of {name}", changed=False, data={"lines": lines})

    async def _stopped(self, name: str, seconds: float) -> bool:
        """Stop a program; return False when it did not run."""
        try:
            await self._supervisord.stop(name, timeout=seconds)
        except SupervisordError as error:
            if error.code != NOT_RUNNING:
                raise
            return False
        return True

    async def _started(self, name: str, seconds: float) -> dict[str, Any]:
        try:
            await self._supervisord.start(name, timeout=seconds)
        except SupervisordError as error:
            # Its own autorestart may have been quicker.
            if error.code != ALREADY_STARTED:
                raise
        return await self._supervisord.info(name, timeout=_ASK)


def _ref(target: Target) -> str:
    return target.ref or target.name


def _state(name: str, info: Mapping[str, Any]) -> State:
    word = str(info["statename"])
    running = word in _RUNS
    since = datetime.fromtimestamp(info["start"], tz=UTC) if running and info["start"] else None
    why = info["spawnerr"] or info["description"]
    return State(
        exists=True,
        running=running,
        healthy=False if word in {"FATAL", "BACKOFF"} else None,
        starting=word == "STARTING",
        since=since,
        pid=info["pid"] or None,
        instance=f"{info['pid']}@{info['start']}" if info["pid"] else "",
        exit_code=None if running else info["exitstatus"],
        says=f"program {name} is {word}: {why}",
        extra={"state": word},
    )
