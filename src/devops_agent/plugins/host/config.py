"""The settings of the host plugin, and what a target's `options` may say to it."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import msgspec

from devops_agent.kit.tools import SettingsError, settings
from devops_agent.model.target import Target
from devops_agent.ports import PluginError


class Way(StrEnum):
    """What is done to a file that a rule finds."""

    DELETE = "delete"
    COMPRESS = "compress"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`plugins.host` in `agent.yaml`."""

    allowed_roots: tuple[str, ...] = ()
    """Folders below which rules may delete and compress; none by default. Real paths: links are never followed."""
    cross_devices: bool = False
    """Whether to go on into other file systems that are mounted below a root."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which files may go: all conditions have to hold."""

    root: str
    """Folder within one of `allowed_roots`."""
    patterns: tuple[str, ...]
    """With `*`: for a file's name, or, with a slash, for its path below `root`, part by part."""
    older_than: timedelta = timedelta(days=1)
    """Since it was last written."""
    keep: int = 0
    """How many of the newest matching files always stay."""
    action: Way = Way.DELETE
    min_size: int = 0
    """Smaller files, in bytes, stay."""
    truncate_open: bool = False
    """Compress a log that somebody writes by copying and emptying it. Lines written in that instant are lost."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a target's `options` that this plugin reads; others may stand beside it."""

    clean: tuple[Rule, ...] = ()
    logs: tuple[str, ...] = ()
    """Files whose growth is measured; folders stand for all files right in them."""
    path: str = ""
    """A path on the file system whose fill level matters."""


def options(target: Target) -> Options:
    """Return what the target says to this plugin.

    Raises:
        PluginError: it says it wrongly.

    """
    ours = {name: target.options[name] for name in Options.__struct_fields__ if name in target.options}
    try:
        chosen = settings(Options, ours, where=f"targets[{target.name}].options")
    except SettingsError as error:
        raise PluginError(str(error), retryable=False) from error
    for rule in chosen.clean:
        if not rule.patterns or rule.keep < 0 or rule.older_than < timedelta(0):
            where = f"targets[{target.name}].options.clean"
            raise PluginError(
                f"{where}: a rule needs patterns, and neither keep nor older_than below 0", retryable=False
            )
    return chosen
