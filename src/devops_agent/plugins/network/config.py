"""What `agent.yaml` may say under `plugins.network`."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from devops_agent.kit.tools import SettingsError, settings
from devops_agent.plugins.network.way import host_and_port


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the plugin."""

    references: tuple[str, ...] = ()
    """`host:port` of things that are as good as always up (a gateway, a name server): one that answers shows that our
    own network works. Without any, the default route is all that can be looked at."""
    known_name: str = ""
    """A name that resolves whenever name resolution works, such as `example.org`."""
    timeout: timedelta = timedelta(seconds=3)
    """For each connection and each look-up."""


def read(config: Mapping[str, object]) -> Config:
    """Read the settings.

    Raises:
        SettingsError: a field does not fit, or a reference is not `host:port`.

    """
    chosen = settings(Config, config, where="plugins.network")
    for reference in chosen.references:
        if host_and_port(reference) is None:
            message = f"plugins.network.references: {reference!r} is no address; write host:port"
            raise SettingsError(message)
    return chosen
