"""What `agent.yaml` may say under `options` of a channel `via: apprise`."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which service is told, in Apprise's words (https://github.com/caronc/apprise/wiki)."""

    url: str = ""
    """Such as `ntfy://ntfy.example.com/operations`. Most hold a secret: then use `url_file`."""
    url_file: str = ""
    """File that holds the URL; instead of `url`."""
    timeout: timedelta = timedelta(seconds=20)
    """How long the service may take in all; its answers are waited for 4 s, or as `?rto=` in the URL says."""

    def __post_init__(self) -> None:
        """Refuse what names no service."""
        if bool(self.url) == bool(self.url_file):
            raise ValueError("say one of url and url_file")
        if self.url and "://" not in self.url:
            raise ValueError("url has no scheme, such as ntfy://")
