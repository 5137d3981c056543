"""What `agent.yaml` may say under `options` of a channel `via: twilio`."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

_SID = re.compile(r"AC[0-9a-fA-F]{32}")
_NUMBER = re.compile(r"(?:[a-z]+:)?\+[1-9][0-9]{6,14}")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which account sends text messages, from which number, and to whom."""

    account_sid: str
    """The account, `AC…`."""
    auth_token_file: str
    """File that holds the account's auth token, or the secret of the API key."""
    api_key: str = ""
    """The API key's SID, `SK…`, when one is used instead of the account's own token."""
    sender: str = ""
    """The number that sends, such as `+15550100200`, or a name that the account may send under."""
    messaging_service_sid: str = ""
    """The messaging service that chooses a number, `MG…`; instead of `sender`."""
    to: str
    """The phone's number with `+` and its country; `whatsapp:+…` works too where the account may."""
    timeout: timedelta = timedelta(seconds=10)
    """How long Twilio may take to answer."""
    url: str = "https://api.twilio.com"
    """Where Twilio's API is; another one for tests and proxies."""

    def __post_init__(self) -> None:
        """Refuse what Twilio could not take."""
        if not _SID.fullmatch(self.account_sid):
            raise ValueError("account_sid is AC and 32 hexadecimal digits; Twilio's console shows it")
        if bool(self.sender) == bool(self.messaging_service_sid):
            raise ValueError("say one of sender and messaging_service_sid")
        if not _NUMBER.fullmatch(self.to):
            raise ValueError(f"to is {self.to!r}; it is a number such as +15550100300")
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url is {self.url!r}; it begins with http:// or https://")
