"""What `agent.yaml` may say under `options` of a channel `via: webhook`."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where notices are posted, and how the receiver knows that they are ours."""

    url: str = ""
    """Where they are posted."""
    url_file: str = ""
    """File that holds the URL, when it is a secret itself; instead of `url`."""
    secret_file: str = ""
    """File with the key of the signature (HMAC-SHA256); without it nothing is signed."""
    token_file: str = ""
    """File with a bearer token that is sent along."""
    knows_repeats: bool = False
    """Say true when the receiver takes the same `Idempotency-Key` once: repeats are then not counted as possible."""
    timeout: timedelta = timedelta(seconds=10)
    """How long the receiver may take to answer."""

    def __post_init__(self) -> None:
        """Refuse what could not be posted to."""
        if bool(self.url) == bool(self.url_file):
            raise ValueError("say one of url and url_file")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url is {self.url!r}; it begins with http:// or https://")
