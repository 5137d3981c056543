"""The way to a host: its addresses, connections, our routes; each try ends as an Outcome, never as an exception."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

Resolve = Callable[[str], Awaitable[list[str]]]
"""Name → addresses; raises OSError when there are none."""
Connect = Callable[[str, int], Awaitable[None]]
"""Opens a connection and closes it; raises OSError when that fails."""
Routed = Callable[[], bool]
"""Whether this machine has a default route."""

_ROUTES = (Path("/proc/net/route"), Path("/proc/net/ipv6_route"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a try."""

    says: str
    reason: str = ""
    """`timeout`, `refused`, `no route`, `no such name`, `dns` or `unreachable`; empty: it worked."""

    @property
    def ok(self) -> bool:
        """Whether it worked."""
        return not self.reason


async def resolve(name: str) -> list[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def connect(host: str, port: int) -> None:
    """Open a TCP connection and close it at once."""
    _, writer = await asyncio.open_connection(host, port)
    writer.transport.abort()


def has_default_route(tables: tuple[Path, Path] = _ROUTES) -> bool:
    """Read the kernel's IPv4 and IPv6 routes; where they cannot be read, suppose that there is one."""
    try:
        four, six = (table.read_text().splitlines() for table in tables)
    except OSError:
        return True
    nowhere = "0" * 32 + " 00 "
    return any(line.split()[1] == "00000000" for line in four[1:]) or any(
        line.startswith(nowhere) and not line.endswith(" lo") for line in six
    )


@dataclass(frozen=True, kw_only=True)
class Way:
    """How the world is touched; tests hand in their own."""

    resolve: Resolve = resolve
    connect: Connect = connect
    routed: Routed = has_default_route

    async def look_up(self, name: str, *, timeout: timedelta) -> tuple[list[str], Outcome]:
        """Return the addresses of a name (an address is its own)."""
        if is_address(name):
            return [name], Outcome(says=f"{name} is an address")
        addresses: list[str] = []

        async def ask() -> None:
            addresses.extend(await self.resolve(name))

        outcome = await _try(ask(), timeout, f"resolve {name}")
        return addresses, Outcome(says=f"{name} is {', '.join(addresses)}") if addresses else outcome

    async def reach(self, host: str, port: int, *, timeout: timedelta) -> Outcome:
        """Try to connect."""
        return await _try(self.connect(host, port), timeout, f"connect to {host}:{port}")


def host_and_port(where: str) -> tuple[str, int] | None:
    """Read `host:port` or a URL; None when it is neither."""
    try:
        parts = urlsplit(where if "://" in where else f"//{where}")
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def is_address(host: str) -> bool:
    """Tell an address from a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _try(doing: Awaitable[None], timeout: timedelta, what: str) -> Outcome:
    seconds = timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            await doing
    except TimeoutError:
        return Outcome(reason="timeout", says=f"cannot {what}: no answer within {seconds:g} s")
    except OSError as error:
        return Outcome(reason=_reason(error), says=f"cannot {what}: {error.strerror or error}")
    return Outcome(says=f"can {what}")


_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "no route",
    errno.ENETDOWN: "no route",
}


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "no such name" if error.errno == socket.EAI_NONAME else "dns"
    # Over several addresses asyncio raises one error that only quotes the others.
    if error.errno is None and f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return "refused"
    return _REASONS.get(error.errno or 0, "unreachable")
