"""What `agent.yaml` may say under `plugins.loki`, and at a target under `options.loki`."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from devops_agent.kit.tools import SettingsError, settings
from devops_agent.model.target import Target
from devops_agent.ports import PluginError

_LEAST_PAGE = 10


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Loki, or what speaks its API, is, and how targets are found there."""

    url: str
    """Such as `http://127.0.0.1:3100`, with its path prefix if it has one."""
    token_file: str = ""
    """File with a bearer token for it."""
    username: str = ""
    """For basic authentication."""
    password_file: str = ""
    """File with the password that goes with it."""
    tenant: str = ""
    """Sent as `X-Scope-OrgID`, where Loki serves several."""
    timeout: timedelta = timedelta(seconds=10)
    """How long one query may take."""
    page: int = 5_000
    """Lines that one query asks for; more are read page by page. Loki refuses more than its `max_entries_limit`."""
    labels: tuple[str, ...] = (
        "service_name",
        "service",
        "container",
        "container_name",
        "compose_service",
        "job",
        "app",
        "pod",
        "unit",
        "instance",
        "host",
    )
    """Labels that may carry a target's name, the most telling first."""

    def __post_init__(self) -> None:
        """Refuse what could not be asked."""
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url is {self.url!r}; it begins with http:// or https://")
        if self.page < _LEAST_PAGE:
            raise ValueError(f"page is at least {_LEAST_PAGE}")


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`options.loki` of a target."""

    selector: str = ""
    """Selects its streams, such as `{app="shop", env="prod"}`; empty: found by its names."""


def options(target: Target) -> Options:
    """Return what a target says to this plugin.

    Raises:
        PluginError: it says it wrongly.

    """
    given = target.options.get("loki") or {}
    where = f"targets[{target.name}].options.loki"
    if not isinstance(given, dict):
        raise PluginError(f"{where}: it is a table with selector", retryable=False)
    try:
        return settings(Options, given, where=where)
    except SettingsError as error:
        raise PluginError(str(error), retryable=False) from error
