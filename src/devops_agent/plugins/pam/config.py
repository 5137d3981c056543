"""What `agent.yaml` may say under `options` of a channel `via: pam`."""

from __future__ import annotations

from datetime import timedelta

import msgspec

_SCHEMES = ("ws://", "wss://", "http://", "https://")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where PAM is, and whose assistant is told."""

    url: str
    """Its address, such as `wss://pam.example.com`; the path `/api/v1/pam/ws/USER` is added."""
    user_id: str
    """Whose assistant it is."""
    token_file: str
    """File with the bearer token for it."""
    timeout: timedelta = timedelta(seconds=10)
    """How long a notice may wait for its receipt, new connections included; then it is sent again later."""

    def __post_init__(self) -> None:
        """Refuse what could not be connected to."""
        if not self.url.startswith(_SCHEMES):
            raise ValueError(f"url is {self.url!r}; it begins with ws:// or wss://")
        if not self.user_id:
            raise ValueError("user_id is empty; say whose assistant is told")
