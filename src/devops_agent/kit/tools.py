"""What a plugin is handed when it is built: nothing else reaches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

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

    Raises:
        SettingsError: a field is unknown or of the wrong type.

    """
    try:
        return msgspec.convert(dict(config), type=kind, strict=False)
    except msgspec.ValidationError as error:
        message = f"{where}: {error}"
        raise SettingsError(message) from error
