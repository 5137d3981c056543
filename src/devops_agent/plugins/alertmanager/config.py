"""What `agent.yaml` may say under `plugins.alertmanager`."""

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Alertmanager's own API is; needed only to complete groups that it cut (`max_alerts`)."""

    url: str = ""
    """Such as `http://127.0.0.1:9093`, with its path prefix if it has one; empty: cut groups stay cut."""
    token_file: str = ""
    """File with a bearer token for it."""
    timeout: float = 5.0
    """Seconds."""
