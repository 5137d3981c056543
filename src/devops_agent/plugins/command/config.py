"""The settings of the command plugin: the list of commands that may be run, checked as a whole."""

from __future__ import annotations

import re
from datetime import timedelta
from string import Formatter

import msgspec

from devops_agent.kit.tools import SettingsError
from devops_agent.model.action import Risk

TARGET = "target"
"""The placeholder that stands for the target's name without being declared."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,60}")


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of a command that a step fills in."""

    pattern: str
    """Regular expression that the whole value has to match."""
    says: str = ""
    default: str | None = None
    """None: it has to be given."""


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command; there is no shell, so nothing in it is expanded but `{parameter}`."""

    argv: tuple[str, ...]
    says: str = ""
    risk: Risk = Risk.RISKY
    timeout: timedelta = timedelta(seconds=60)
    idempotent: bool = False
    """Whether it may be run again when nobody knows whether it was run."""
    cwd: str = "/"
    env: dict[str, str] = {}
    undo: str = ""
    """Name of the command of this list that undoes it; it is given the same arguments."""
    params: dict[str, Parameter] = {}


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`plugins.command` in `agent.yaml`."""

    commands: dict[str, Command] = {}


def check(config: Config) -> None:
    """See that the commands can be run as they are written.

    Raises:
        SettingsError: says which command is wrong, and why.

    """
    for name, command in config.commands.items():
        where = f"plugins.command.commands.{name}"
        if not _NAME.fullmatch(name):
            raise SettingsError(f"{where}: a name is made of small letters, digits, - and _")
        if not command.argv or not command.argv[0]:
            raise SettingsError(f"{where}.argv: no program is named")
        if placeholders(command.argv[0]):
            raise SettingsError(f"{where}.argv: the program itself cannot be filled in by a step")
        if command.undo and command.undo not in config.commands:
            known = ", ".join(sorted(config.commands))
            raise SettingsError(f"{where}.undo: no command {command.undo!r}; known: {known}")
        _check_parameters(where, command)


def placeholders(text: str) -> list[str]:
    """Return the names in braces in one argument.

    Raises:
        SettingsError: the braces do not fit together.

    """
    try:
        parts = [(field, spec or conversion) for _, field, spec, conversion in Formatter().parse(text)]
    except ValueError as error:
        raise SettingsError(f"plugins.command: cannot read {text!r}: {error}; write {{{{ for a brace") from error
    if any(extra for _, extra in parts):
        raise SettingsError(f"plugins.command: cannot read {text!r}: between braces only a parameter's name may stand")
    return [field for field, _ in parts if field is not None]


def _check_parameters(where: str, command: Command) -> None:
    for name, parameter in command.params.items():
        if not name.isidentifier() or name == TARGET:
            raise SettingsError(f"{where}.params.{name}: cannot be a parameter's name")
        try:
            re.compile(parameter.pattern)
        except re.error as error:
            raise SettingsError(f"{where}.params.{name}.pattern: {error}") from error
    used = {field for part in command.argv for field in placeholders(part)}
    if unknown := sorted(used - {TARGET, *command.params}):
        known = ", ".join(sorted({TARGET, *command.params}))
        raise SettingsError(f"{where}.argv: no parameter {unknown[0]!r}; known: {known}")
    if unused := sorted(command.params.keys() - used):
        raise SettingsError(f"{where}.params.{unused[0]}: argv does not use it")
