"""What a plugin is handed when it is built: nothing else reaches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, TypeVar, get_args, get_origin

import msgspec

from devops_agent.model.duration import DurationError, parse_duration

if TYPE_CHECKING:
    from pathlib import Path

    from devops_agent.kit.http import Http
    from devops_agent.ports import Clock, Guardian

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """A plugin's factory is `build(config, *, tools)`; `config` is its part of `agent.yaml`."""

    clock: Clock
    guardian: Guardian
    """Every actuator asks it right before it acts."""
    http: Http
    state_dir: Path
    """A folder for files that have to outlive the process; plugins write to a sub-folder of their own name."""
    secret: Callable[[str], str]
    """Path of a secret file → its text without trailing newline; raises PluginError when it cannot be read."""


class SettingsError(ValueError):
    """A plugin's settings do not fit; says the field, what was given and what is allowed."""


def settings(kind: type[T], config: Mapping[str, object], *, where: str) -> T:
    """Convert a plugin's part of `agent.yaml` to its frozen struct; `where` is the path shown in errors.

    Durations are read as everywhere in that file: `30s`, `1h`, or a number of seconds.

    Raises:
        SettingsError: a field is unknown or of the wrong type.

    """
    try:
        return msgspec.convert(_with_durations(dict(config), kind), type=kind, strict=False)
    except (msgspec.ValidationError, DurationError) as error:
        message = f"{where}: {error}"
        raise SettingsError(message) from error


def _with_durations(value: object, kind: object) -> object:
    """Return `value` with every text that stands where `kind` wants a duration turned into one."""
    if isinstance(value, str):
        return parse_duration(value) if timedelta in (kind, *get_args(kind)) else value
    for one in (kind, *get_args(kind)):
        inner = get_args(one)
        if isinstance(value, Mapping) and isinstance(one, type) and issubclass(one, msgspec.Struct):
            kinds = _kinds(one)
            return {name: _with_durations(each, kinds.get(name)) for name, each in value.items()}
        if isinstance(value, Mapping) and get_origin(one) is dict:
            return {name: _with_durations(each, inner[1]) for name, each in value.items()}
        if isinstance(value, (list, tuple)) and get_origin(one) in (list, tuple):
            return [_with_durations(each, inner[0]) for each in value]
    return value


@cache
def _kinds(struct: type[msgspec.Struct]) -> Mapping[str, object]:
    """Return key → type; kept, because reading annotations takes longer than all else here and actions ask often."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
