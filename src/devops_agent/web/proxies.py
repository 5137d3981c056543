"""Where a request really comes from, when a reverse proxy that we were told of passes it on."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from starlette.types import Scope

SOCKET = "unix"
"""Stands for whoever connects to the Unix socket that the page listens on."""


class Proxies:
    """Believes `X-Forwarded-For` and `X-Forwarded-Proto` of those proxies only."""

    def __init__(self, given: Sequence[str]) -> None:
        """`given` are addresses, networks, or `unix`.

        Raises:
            ValueError: one is none of these.

        """
        self._socket = SOCKET in given
        self._networks = [network_of(one) for one in given if one != SOCKET]

    def unwrap(self, scope: Scope) -> Scope:
        """Return the request as it came to the outermost of our proxies."""
        if not self._socket and not self._networks:
            return scope
        client = scope.get("client")
        if not self._trusts(client[0] if client else ""):
            return scope
        forwarded = [one.strip() for one in _header(scope, b"x-forwarded-for").split(",") if one.strip()]
        # The last entries were written by our own proxies; the first one that is none of them is who asked.
        address = next((one for one in reversed(forwarded) if not self._trusts(one)), "")
        changed = dict(scope)
        if _is_address(address):
            changed["client"] = (address, 0)
        if _header(scope, b"x-forwarded-proto").rpartition(",")[2].strip().lower() == "https":
            changed["scheme"] = "https"
        return changed

    def _trusts(self, address: str) -> bool:
        if not address:
            return self._socket
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def network_of(text: str) -> IPv4Network | IPv6Network:
    """Return the network that an address or network in CIDR form names.

    Raises:
        ValueError: it is neither.

    """
    return ip_network(text, strict=False)


def _header(scope: Scope, name: bytes) -> str:
    """Return all headers of that name, joined as HTTP does."""
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
