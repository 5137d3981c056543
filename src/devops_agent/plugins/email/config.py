"""What `agent.yaml` may say under `options` of a channel `via: email`."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum

import msgspec

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")


class Security(StrEnum):
    """How the way to the server is kept from others."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which server sends the mail, from whom, and to whom."""

    host: str
    """The server that takes mail."""
    port: int = 0
    """Its port; 0: 587 for starttls, 465 for tls, 25 for none."""
    security: Security = Security.STARTTLS
    """starttls: begin in the clear and insist on encryption; tls: encrypted from the first byte; none: in the clear,
    for a server on this machine."""
    ca_file: str = ""
    """File with the certificates that the server's is checked against; empty: those of the system."""
    username: str = ""
    """For logging in; empty: without."""
    password_file: str = ""
    """File with the password that goes with it."""
    sender: str
    """The address it comes from, such as `devops-agent@example.com`."""
    to: tuple[str, ...]
    """The addresses it goes to."""
    timeout: timedelta = timedelta(seconds=10)
    """How long the server may take for one answer."""

    def __post_init__(self) -> None:
        """Refuse what no server would take."""
        for name, address in (("sender", self.sender), *(("to", one) for one in self.to)):
            if not address.isascii() or not _ADDRESS.fullmatch(address):
                raise ValueError(f"{name}: {address!r} is no address; write name@example.com")
        if not self.to:
            raise ValueError("to is empty; list at least one address")
        if bool(self.username) != bool(self.password_file):
            raise ValueError("username and password_file go together")
        if self.username and self.security is Security.NONE:
            raise ValueError("a password is not sent in the clear; set security to starttls or tls")

    @property
    def at(self) -> int:
        """The port."""
        return self.port or _PORTS[self.security]
