"""Passwords: argon2id (RFC 9106, its second recommended option), a few at a time, for each takes 64 MiB."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from devops_agent.web.problem import ProblemError, busy

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from argon2 import PasswordHasher

    T = TypeVar("T")

SHORTEST = 12
LONGEST = 256
_AT_ONCE = 2
_WAITING = 20


class Passwords:
    """Hashes off the event loop, `_AT_ONCE` at a time, so that a flood of sign-ins cannot eat the memory."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Return the hash of a password, in PHC form.

        Raises:
            ProblemError: 503, too many are waiting.

        """
        return await self._do(lambda: hash_password(password))

    async def fits(self, password: str, hashed: str) -> bool:
        """Whether a password is the one of a hash; for an empty hash the answer is no, and takes as long.

        Raises:
            ProblemError: 503, too many are waiting.

        """
        if not hashed:
            await self.hash(password)
            return False
        return await self._do(lambda: _fits(password, hashed))

    async def _do(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING:
            raise busy("too many people sign in at once")
        self._waiting += 1
        try:
            async with self._room:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def hash_password(password: str) -> str:
    """Return the hash of a password, in PHC form."""
    return _hasher().hash(password)


def is_outdated(hashed: str) -> bool:
    """Whether a hash was made with other parameters than those of today."""
    return _hasher().check_needs_rehash(hashed)


def see_fit(password: str, *, name: str) -> None:
    """See that a new password may be one (NIST SP 800-63B: length, not kinds of letters).

    Raises:
        ProblemError: 422, it may not.

    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ProblemError(422, f"a password has {SHORTEST} to {LONGEST} characters; some words in a row do well")
    if name.casefold() in password.casefold() and len(password) < SHORTEST + len(name):
        raise ProblemError(422, "this password is hardly more than the name; take another")
    if len(set(password)) <= SHORTEST // 4:
        raise ProblemError(422, "this password repeats too few characters; take another")


def _fits(password: str, hashed: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher, profiles

    return PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
