"""Runs the commands that `agent.yaml` lists, and no others: one action for each, without a shell.

A command leaves no trace that could be recognised in general, so over a crash of the agent only those marked
`idempotent` are run again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from devops_agent.kit.once import Once
from devops_agent.kit.process import run
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.action import Action, Effect, Param, Result, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.plugins.command.config import TARGET, Command, Config, Parameter, check
from devops_agent.ports import PluginError

_KEPT_OUTPUT = 4_000
_TARGET_NAME = Parameter(pattern=r"[A-Za-z0-9_.:@/-]+", says="The target's name.")


def build(config: Mapping[str, object], *, tools: Tools) -> CommandActuator:
    """Build the actuator from `plugins.command`; raises SettingsError when a command cannot be run as written."""
    chosen = settings(Config, config, where="plugins.command")
    check(chosen)
    return CommandActuator(chosen, tools=tools)


class CommandActuator:
    """Runs commands for targets; of the targets themselves it sees nothing."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._commands = {f"command.{name}": command for name, command in config.commands.items()}
        self._tools = tools
        self._once = Once()

    def actions(self) -> list[Action]:
        """Return one action for each command."""
        return [
            Action(
                name=name,
                says=command.says or f"Run {' '.join(command.argv)}.",
                risk=command.risk,
                idempotent=command.idempotent,
                undo=f"command.{command.undo}" if command.undo else "",
                params={
                    each: Param(
                        says=parameter.says or f"Matches {parameter.pattern}.",
                        required=parameter.default is None,
                        default=parameter.default,
                    )
                    for each, parameter in command.params.items()
                },
            )
            for name, command in self._commands.items()
        ]

    async def observe(self, target: Target) -> State:
        """Return that nothing is known: commands only act."""
        if target.via != "command":
            return State(exists=False, says=f"{target.name} is no target of commands (via: {target.via or 'nothing'})")
        return State(exists=True, says=f"commands see no state of {target.name}")

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        """Return the target's names, and with a step the program's name and every path among its arguments."""
        names = {target.name, target.ref} - {""}
        if step is None:
            return Identity(names=frozenset(names))
        command = self._command(step)
        argv = _fill(step, command, target)
        names.add(argv[0].rpartition("/")[2])
        return Identity(names=frozenset(names), paths=_paths(argv[1:], command.cwd))

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        """Run it, within the shorter of the step's and the command's own timeout; exit code 0 means that it worked."""
        command = self._command(step)
        return await self._once.do(key, lambda: self._run(step, command, target))

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        """Return that it cannot be known."""
        return Effect.UNKNOWN

    async def _run(self, step: Step, command: Command, target: Target) -> Result:
        argv = _fill(step, command, target)
        self._tools.guardian.refuse(await self.identify(target, step=step))
        seconds = min(step.timeout, command.timeout).total_seconds()
        ended = await run(argv, timeout=seconds, cwd=command.cwd, env=command.env)
        if ended.code != 0:
            said = f": {ended.last_words}" if ended.last_words else ""
            raise PluginError(f"{step.action} ended with code {ended.code}{said}", retryable=command.idempotent)
        return Result(
            ok=True,
            says=f"ran {step.action} for {target.name} in {ended.seconds:.1f} s",
            undo=dict(step.args) if command.undo else {},
            data={"output": ended.out[-_KEPT_OUTPUT:], "errors": ended.err[-_KEPT_OUTPUT:]},
        )

    def _command(self, step: Step) -> Command:
        command = self._commands.get(step.action)
        if command is None:
            known = ", ".join(self._commands) or "none"
            raise PluginError(f"no action {step.action!r}; known: {known} (plugins.command.commands)", retryable=False)
        return command


def _fill(step: Step, command: Command, target: Target) -> list[str]:
    """Return the arguments with every placeholder filled in by a value that matches its pattern in full."""
    if unknown := sorted(step.args.keys() - command.params.keys()):
        known = ", ".join(command.params) or "none"
        raise PluginError(f"{step.action}: no parameter {unknown[0]!r}; known: {known}", retryable=False)
    values = {
        name: _value(step, name, parameter, step.args.get(name, parameter.default))
        for name, parameter in command.params.items()
    }
    if any(f"{{{TARGET}}}" in part for part in command.argv):
        values[TARGET] = _value(step, TARGET, _TARGET_NAME, target.name)
    return [part.format_map(values) for part in command.argv]


def _value(step: Step, name: str, parameter: Parameter, given: object) -> str:
    if given is None:
        raise PluginError(f"{step.action}: the parameter {name!r} is missing", retryable=False)
    text = str(given)
    if not re.fullmatch(parameter.pattern, text):
        raise PluginError(f"{step.action}: {name} is {text!r}; it has to match {parameter.pattern}", retryable=False)
    if text.startswith("-") and not parameter.pattern.startswith("-"):
        raise PluginError(
            f"{step.action}: {name} is {text!r}, which the program would take for an option", retryable=False
        )
    return text


def _paths(arguments: list[str], cwd: str) -> frozenset[str]:
    found = set()
    for argument in arguments:
        text = argument.rpartition("=")[2] if argument.startswith("-") else argument
        if "/" in text or cwd != "/":
            found.add(os.path.realpath(os.path.join(cwd, text)))  # noqa: PTH118 — realpath takes text
    return frozenset(found)
