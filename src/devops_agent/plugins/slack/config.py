"""What `agent.yaml` may say under `options` of a channel `via: slack`."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

from devops_agent.kit.blocks import HOOKS

_CHANNEL = re.compile(r"[CGDU][A-Z0-9]{2,}|#?[\w.-]{1,80}")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which app posts where, and who may answer there."""

    token_file: str
    """File with the bot's token, `xoxb-…`; the app needs the scope `chat:write`."""
    channel: str
    """The channel's id, `C…`, which survives a renaming, or its name; a person's id, `U…`, for messages to one."""
    signing_secret_file: str = ""
    """File with the app's signing secret. With it messages have buttons, whose clicks come to `/hooks/slack`."""
    users: dict[str, str] = {}
    """Slack's id of a person → the name of their account: who may approve, acknowledge and mute in Slack."""
    timeout: timedelta = timedelta(seconds=10)
    """How long Slack may take to answer."""
    url: str = "https://slack.com/api"
    """Where Slack's API is; another one for tests and proxies."""
    hooks_url: str = HOOKS
    """Where answers to clicks are sent: Slack names an address below it with each click, and no other is taken."""

    def __post_init__(self) -> None:
        """Refuse what Slack could not take."""
        if not _CHANNEL.fullmatch(self.channel):
            raise ValueError(f"channel is {self.channel!r}; it is an id such as C0123456789, or a name such as #ops")
        for name, url in (("url", self.url), ("hooks_url", self.hooks_url)):
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{name} is {url!r}; it begins with http:// or https://")
        if self.users and not self.signing_secret_file:
            raise ValueError("users may answer only with signing_secret_file, by which clicks are known to be Slack's")
