"""Restarts, starts, stops and reloads systemd units.

No systemd runs where the tests of this project run: this is tested against a fake systemctl that answers as systemd's
manual says (systemctl(1), org.freedesktop.systemd1(5)).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from devops_agent.kit import proc
from devops_agent.kit.once import Once
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.action import Action, Blast, Effect, Param, Result, Risk, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.target import Target
from devops_agent.plugins.systemd.client import Systemd, SystemdError, unit_name
from devops_agent.plugins.systemd.config import Config
from devops_agent.ports import PluginError, Untouchable

_NEVER = {
    "systemd-*": "it is part of the service manager",
    "dbus*": "the service manager speaks through it",
    "init.scope": "it is the service manager",
    "user@*": "a person's whole session hangs on it",
    "docker.*": "every container hangs on it",
    "containerd.*": "every container hangs on it",
    "devops-agent*": "it is the agent itself",
}
_SAYS = {
    "systemd.restart": "restarted",
    "systemd.start": "started",
    "systemd.stop": "stopped",
    "systemd.reload": "reloaded",
}
_LOGS = "systemd.logs"


def build(config: Mapping[str, object], *, tools: Tools) -> SystemdActuator:
    """Build the actuator from `plugins.systemd`."""
    return SystemdActuator(settings(Config, config, where="plugins.systemd"), tools=tools)


class SystemdActuator:
    """Acts on units; a target's `ref` is a unit's name, a service when it has no kind."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._tools = tools
        self._once = Once()
        self._booted = proc.boot_time()
        self._systemd = Systemd(systemctl=config.systemctl, journalctl=config.journalctl, user=config.user)

    def actions(self) -> list[Action]:
        """Return everything it can do."""
        return [
            Action(name="systemd.restart", says="Stop the unit and start it again.", risk=Risk.SAFE),
            Action(name="systemd.start", says="Start the unit.", risk=Risk.SAFE, idempotent=True, undo="systemd.stop"),
            Action(name="systemd.stop", says="Stop the unit.", risk=Risk.RISKY, idempotent=True, undo="systemd.start"),
            Action(name="systemd.reload", says="Let it read its settings again.", risk=Risk.SAFE, idempotent=True),
            Action(
                name=_LOGS,
                says="Read the end of the unit's journal.",
                risk=Risk.READ,
                blast=Blast.NOTHING,
                idempotent=True,
                params={"lines": Param(kind="whole", says="How many lines.", default=100)},
            ),
        ]

    async def observe(self, target: Target) -> State:
        """Return the unit's state, with systemd's own words for it in `extra`."""
        return self._state(*await self._show(target))

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        """Return all names of the unit, its processes and their ports."""
        unit, shown = await self._show(target)
        return _identity(target, unit, shown)

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        """Do it, within the step's timeout."""
        if step.action not in (*_SAYS, _LOGS):
            raise PluginError(f"no action {step.action!r}; known: {', '.join((*_SAYS, _LOGS))}", retryable=False)
        return await self._once.do(key, lambda: self._bounded(step, target))

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        """Tell from two observations whether the step took place."""
        match step.action:
            case "systemd.restart":
                seen = after.running is True and after.instance != before.instance
            case "systemd.start":
                seen = after.running is True
            case "systemd.stop":
                seen = after.running is False
            case _:
                return Effect.UNKNOWN
        return Effect.DONE if seen else Effect.ABSENT

    async def _bounded(self, step: Step, target: Target) -> Result:
        seconds = step.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await self._do(step, target, seconds)
        except TimeoutError as error:
            raise PluginError(f"cannot finish {step.action} of {target.name} within {seconds:g} s") from error
        except SystemdError as error:
            raise PluginError(f"cannot {step.action.partition('.')[2]} {target.name}: {error}") from error

    async def _do(self, step: Step, target: Target, seconds: float) -> Result:
        unit, shown = await self._show(target)
        if shown["LoadState"] != "loaded":
            raise PluginError(f"systemd cannot use {unit}: {shown['LoadState']}", retryable=False)
        if step.action == _LOGS:
            lines = await self._systemd.log(unit, lines=int(str(step.args.get("lines", 100))), timeout=seconds)
            return Result(ok=True, says=f"read {len(lines)} lines of {unit}", changed=False, data={"lines": lines})
        identity = _identity(target, unit, shown)
        _refuse_by_nature(identity)
        self._tools.guardian.refuse(identity)
        # Its own name, not the alias that was asked for: that is the one the guardian saw last.
        await self._systemd.do(step.action.partition(".")[2], shown["Id"], timeout=seconds)
        after = self._state(*await self._show(target))
        return Result(ok=True, says=f"{_SAYS[step.action]} {unit}: {after.says}")

    async def _show(self, target: Target) -> tuple[str, Mapping[str, str]]:
        try:
            unit = unit_name(target.ref or target.name)
        except ValueError as error:
            raise PluginError(f"cannot ask systemd for {target.name}: {error}", retryable=False) from error
        try:
            shown = await self._systemd.show(unit)
        except SystemdError as error:
            raise PluginError(f"cannot ask systemd for {unit}: {error}") from error
        if "LoadState" not in shown:
            raise PluginError(f"cannot read what systemctl says of {unit}")
        return unit, shown

    def _state(self, unit: str, shown: Mapping[str, str]) -> State:
        if shown["LoadState"] == "not-found":
            return State(exists=False, running=False, says=f"systemd knows no unit {unit}")
        active, sub = shown.get("ActiveState", ""), shown.get("SubState", "")
        pid = int(shown.get("MainPID") or 0)
        running = active in ("active", "reloading", "deactivating") or (active == "activating" and pid > 0)
        began = int(shown.get("ExecMainStartTimestampMonotonic") or 0) / 1_000_000
        return State(
            exists=True,
            running=running,
            healthy=False if active == "failed" else None,
            starting=active == "activating",
            since=datetime.fromtimestamp(self._booted + began, tz=UTC) if running and began else None,
            pid=pid or None,
            instance=shown.get("InvocationID", "") if running else "",
            exit_code=None if running else int(shown.get("ExecMainStatus") or 0),
            oom_killed=shown.get("Result") == "oom-kill",
            restarts=int(shown.get("NRestarts") or 0),
            says=f"unit {unit} is {active} ({sub})" + (f", pid {pid}" if pid else ""),
            extra={"active": active, "sub": sub, "result": shown.get("Result", "")},
        )


def _identity(target: Target, unit: str, shown: Mapping[str, str]) -> Identity:
    units = {unit, shown.get("Id", ""), *shown.get("Names", "").split()} - {""}
    names = {target.name, target.ref, *units, *(each.rpartition(".")[0] for each in units)}
    pid = int(shown.get("MainPID") or 0)
    return proc.recognise({pid, *proc.descendants(pid)} if pid else set(), names=names)


def _refuse_by_nature(identity: Identity) -> None:
    for name in sorted(identity.names):
        for pattern, why in _NEVER.items():
            if fnmatchcase(name, pattern):
                raise Untouchable(Protected(what=f"unit {name}", why=why, is_=Identity(names=frozenset({name}))))
    for pid in identity.pids:
        if (process := proc.look_up(pid)) is not None:
            proc.refuse_by_nature(process)
