"""What a plugin is handed, for tests: guardians and a set of tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent.kit.testing.clock import FakeClock
from devops_agent.kit.tools import Tools
from devops_agent.model.identity import Identity, Protected, forbids
from devops_agent.ports import Clock, Guardian, PluginError, Untouchable

if TYPE_CHECKING:
    from devops_agent.kit.http import Http


class OpenGuardian:
    """Refuses nothing."""

    def refuse(self, identity: Identity) -> None:
        """Let everything pass."""


class StrictGuardian:
    """Refuses what is on the list it was given; remembers what it was asked."""

    def __init__(self, *protected: Protected) -> None:
        self.protected = protected
        self.asked: list[Identity] = []

    def refuse(self, identity: Identity) -> None:
        """Raise Untouchable when `identity` meets one of the list."""
        self.asked.append(identity)
        if (thing := forbids(self.protected, identity)) is not None:
            raise Untouchable(thing)


def tools(
    state_dir: Path,
    *,
    clock: Clock | None = None,
    guardian: Guardian | None = None,
    http: Http | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Tools:
    """Return what a plugin is built with: a fake clock and an open guardian unless others are given.

    `secrets` maps the path of a secret file to its text. Close `http` when the plugin under test uses it.
    """
    if http is None:
        from devops_agent.kit.http import Http

        http = Http()

    def secret(path: str) -> str:
        try:
            return (secrets or {})[path]
        except KeyError:
            raise PluginError(f"cannot read the secret file {path}", retryable=False) from None

    return Tools(
        clock=clock or FakeClock(),
        guardian=guardian or OpenGuardian(),
        http=http,
        state_dir=state_dir,
        secret=secret,
    )
