"""What `agent.yaml` may say under `plugins.http`."""

import msgspec

from devops_agent.model.action import Risk


class Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outgoing call that runbooks may make."""

    url: str
    method: str = "POST"
    headers: dict[str, str] = {}
    body: str = ""
    """Text to send; `{name}` stands for the step's argument of that name, quoted to fit the body's form."""
    expect_status: tuple[int, ...] = (200, 201, 202, 204)
    """Anything else is a failure."""
    risk: Risk = Risk.RISKY
    idempotent: bool | None = None
    """Whether calling twice is the same as calling once; None: true for GET, HEAD, PUT and DELETE."""
    token_file: str = ""
    """File with a token, sent as `Authorization: Bearer …`."""
    says: str = ""
    """What the call does, for people."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the plugin."""

    calls: dict[str, Call] = {}
    """Name → call; each becomes the action `http.call.NAME`."""
