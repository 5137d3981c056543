"""The settings of the systemd plugin."""

from __future__ import annotations

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`plugins.systemd` in `agent.yaml`."""

    systemctl: str = "systemctl"
    journalctl: str = "journalctl"
    user: bool = False
    """Whether to act on the user's own units instead of the system's."""
