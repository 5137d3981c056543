"""The settings of the process plugin and what a target's `options` may say."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from devops_agent.kit.tools import SettingsError, settings
from devops_agent.model.target import Target
from devops_agent.ports import PluginError


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`plugins.process` in `agent.yaml`."""

    stop_timeout: timedelta = timedelta(seconds=10)
    """How long a process may take to end after the stop signal before it is killed."""
    signals: tuple[str, ...] = ("HUP", "USR1", "USR2")
    """What `process.signal` may send."""
    look_again: timedelta = timedelta(seconds=2)
    """How often the watcher looks whether a dead process is back; slower the longer it is gone."""
    events: bool = True
    """Whether the end of a process is noticed at once; without it only polls and alerts tell of it."""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`options` of a target whose `via` is `process`."""

    command: tuple[str, ...] = ()
    """Program and arguments; needed to start it."""
    cwd: str = "/"
    """Folder that it is started in."""
    env: dict[str, str] = {}
    """Beside PATH and LANG it gets nothing of the agent's own environment."""
    log: str = ""
    """File that its output is appended to; empty: thrown away."""
    pid_file: str = ""
    """File that the process writes its number to; for those that daemonize."""
    match: tuple[str, ...] = ()
    """Arguments, with `*`, of a process that the agent did not start; a last `...` stands for any further ones."""
    stop_signal: str = "TERM"
    """Signal that asks it to end."""
    stop_timeout: timedelta | None = None
    """As in `plugins.process`, for this target."""
    memory_limit_mb: float | None = None
    """What `memory_percent` is a share of."""
    clean: object = None
    """Read by the host plugin."""
    logs: object = None
    """Read by the host plugin."""
    path: object = None
    """Read by the host plugin."""
    log_file: str = ""
    """File that it writes its log to by itself; read when its trouble is looked into. Empty: `log`.

    Any target on this machine may name one below `options`.
    """
    prometheus: object = None
    """Read by the Prometheus plugin."""
    loki: object = None
    """Read by the Loki plugin."""
    repository: object = None
    """Read by the git plugin."""
    deployments: object = None
    """Read by the deployments plugin."""


def options(target: Target) -> Options:
    """Return what the target says of its process.

    Raises:
        PluginError: an option is unknown or of the wrong type.

    """
    try:
        return settings(Options, target.options, where=f"targets[{target.name}].options")
    except SettingsError as error:
        raise PluginError(str(error), retryable=False) from error
