"""How often somebody may ask."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from devops_agent.web.problem import too_many

if TYPE_CHECKING:
    from collections.abc import Callable

_SWEEP_ABOVE = 10_000
"""Askers that are remembered before those whose time is over are forgotten."""
_FAMILIAR = 10_000
_BLOCK = 64
_PLACES_PER_NAME = 5
"""As one name, so many times as often as from one address: whoever guesses from one cannot keep the owner out."""


class RateLimit:
    """So many a minute for each key, and `burst` of them at once (GCRA, ATM Forum traffic management 4.0)."""

    def __init__(self, per_minute: int, *, burst: int) -> None:
        self._gap = 60.0 / per_minute
        self._burst = self._gap * (burst - 1)
        self._due: dict[str, float] = {}

    def wait(self, key: str, *, now: float) -> float:
        """Count one request of `key` at `now` (monotonic seconds); return 0, or the seconds to wait when refused."""
        due = max(self._due.get(key, now), now)
        if due - now > self._burst:
            return due - now - self._burst
        if len(self._due) > _SWEEP_ABOVE:
            self._sweep(now)
        self._due[key] = due + self._gap
        return 0.0

    def is_over(self, key: str, *, now: float) -> bool:
        """Whether the next request of `key` would be refused."""
        return self._due.get(key, now) - now > self._burst

    def give_back(self, key: str) -> None:
        """Count one request of `key` less."""
        if key in self._due:
            self._due[key] -= self._gap

    def _sweep(self, now: float) -> None:
        """Forget those whose time is over; when too many are left, those who would be let in first."""
        left = sorted((moment, name) for name, moment in self._due.items() if moment > now)
        self._due = {name: moment for moment, name in left[-_SWEEP_ABOVE // 2 :]}


class Attempts:
    """Slows down whoever tries passwords, by where they are and by whom they say they are; never for good.

    Who has signed in from an address before is counted apart there, so that a stranger's guesses do not keep the
    owner out ("device cookies", OWASP, with addresses instead of cookies).
    """

    def __init__(self, per_minute: Callable[[], int]) -> None:
        self._per_minute = per_minute
        self._made_for = 0
        self._by_place = self._by_name = RateLimit(1, burst=1)
        self._familiar: OrderedDict[tuple[str, str], None] = OrderedDict()

    def take(self, name: str, address: str, *, now: float) -> None:
        """Count one try before it is made, so that many at once are no way around.

        Raises:
            ProblemError: 429, there were too many.

        """
        if (allowed := self._per_minute()) != self._made_for:
            many = allowed * _PLACES_PER_NAME
            self._by_place, self._by_name = RateLimit(allowed, burst=allowed), RateLimit(many, burst=many)
            self._made_for = allowed
        for limit, key in self._counted(name, address):
            if wait := limit.wait(key, now=now):
                raise too_many(wait, "too many tries; wait a moment")

    def succeeded(self, name: str, address: str) -> None:
        """Take back the count of a try that was right."""
        for limit, key in self._counted(name, address):
            limit.give_back(key)
        self._familiar[name.casefold(), neighbourhood(address)] = None
        self._familiar.move_to_end((name.casefold(), neighbourhood(address)))
        if len(self._familiar) > _FAMILIAR:
            self._familiar.popitem(last=False)

    def _counted(self, name: str, address: str) -> tuple[tuple[RateLimit, str], ...]:
        place, who = neighbourhood(address), name.casefold()
        as_who = f"{who} from {place}" if (who, place) in self._familiar else who
        return (self._by_place, place), (self._by_name, as_who)


def neighbourhood(address: str) -> str:
    """Return what one asker has: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, _BLOCK), strict=False))
