"""What systemctl and journalctl are asked, and how they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from devops_agent.kit.process import Completed, run

PROPERTIES = (
    *("Id", "Names", "LoadState", "ActiveState", "SubState", "Result", "MainPID", "NRestarts", "InvocationID"),
    *("ExecMainStartTimestampMonotonic", "ExecMainStatus", "Description"),
)
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.\\@-]{0,250}")
_KINDS = (".service", ".socket", ".timer", ".path", ".mount", ".target")
_ASK = 5.0


class SystemdError(Exception):
    """Systemd refused, with its own words."""


class Systemd:
    """The system's or a user's service manager."""

    def __init__(self, *, systemctl: str, journalctl: str, user: bool) -> None:
        self._systemctl = systemctl
        self._journalctl = journalctl
        self._scope = "--user" if user else "--system"

    async def show(self, unit: str) -> Mapping[str, str]:
        """Return the properties of a unit; `LoadState` is `not-found` for one that is not there."""
        ended = await self._run(self._systemctl, "show", f"--property={','.join(PROPERTIES)}", "--", unit)
        pairs = (line.partition("=") for line in ended.out.splitlines())
        return {name: value for name, _, value in pairs}

    async def do(self, verb: str, unit: str, *, timeout: float) -> None:
        """Restart, start, stop or reload a unit and wait for the end of it.

        Raises:
            SystemdError: it did not work.
            PluginError: systemctl is not there, or did not end in time.

        """
        await self._run(self._systemctl, verb, "--no-ask-password", "--", unit, timeout=timeout)

    async def log(self, unit: str, *, lines: int, timeout: float) -> list[str]:
        """Return the last lines of a unit's journal."""
        options = (f"--unit={unit}", f"--lines={lines}", "--no-pager", "--quiet", "--output=short-iso")
        return (await self._run(self._journalctl, *options, timeout=timeout)).out.splitlines()

    async def _run(self, program: str, *args: str, timeout: float = _ASK) -> Completed:
        scope = (self._scope,) if program == self._systemctl or self._scope == "--user" else ()
        ended = await run([program, *scope, *args], timeout=timeout)
        if ended.code != 0:
            raise SystemdError(ended.last_words or f"{program} ended with code {ended.code}")
        return ended


def unit_name(text: str) -> str:
    """Return the full name of a unit; a name without a kind is a service.

    Raises:
        ValueError: it is no unit name: options and patterns are none.

    """
    if not _UNIT.fullmatch(text):
        raise ValueError(f"{text!r} is no name of a unit, such as nginx.service")
    return text if text.endswith(_KINDS) else f"{text}.service"
