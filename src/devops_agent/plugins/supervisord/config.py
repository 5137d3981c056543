"""The settings of the supervisord plugin."""

from __future__ import annotations

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`plugins.supervisord` in `agent.yaml`."""

    url: str = "unix:///var/run/supervisor.sock"
    """`unix:///path` or `http://host:port`, as in supervisord's own `serverurl`."""
    username: str = ""
    password_file: str = ""
    """File that holds the password; needed when supervisord asks for one."""
