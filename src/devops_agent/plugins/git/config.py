"""What `agent.yaml` may say under `plugins.git`, and at a target."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from devops_agent.model.target import Target
from devops_agent.ports import PluginError


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the plugin."""

    timeout: timedelta = timedelta(seconds=10)
    """How long git may take to answer."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a target's `options` that this plugin reads; others may stand beside it."""

    repository: str = ""
    """Folder of the checkout that the target runs from."""


def repository_of(target: Target) -> str:
    """Return the folder; empty when the target names none.

    Raises:
        PluginError: what it names cannot be one.

    """
    path = target.options.get("repository", "")
    if not isinstance(path, str) or (path and not path.startswith("/")):
        where = f"targets[{target.name}].options.repository"
        raise PluginError(f"{where}: it is the whole path of a folder, not {path!r}", retryable=False)
    return path
