"""Who asks, and what they may do: bearer tokens for programs, sessions for the page.

A session is a token too: a row of its own with 256 random bits that only the browser's cookie holds (HttpOnly,
SameSite=Strict), of the scope of the token it was exchanged for and with an end. So the page survives a restart of this
process, a stolen database holds digests only, and revoking works as for any token. The cookie never holds the token
that a person typed. A session of a named token ends with that token; one of a ticket (`login-…`, good for one use)
stands alone. Forms carry a value derived from the cookie, which another site can neither read nor guess.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.store import events, tokens
from devops_agent.store.rows import StoreError
from devops_agent.web.limits import RateLimit
from devops_agent.web.problem import ProblemError, busy, too_many, unauthorized

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows
    from devops_agent.store.tokens import Token

TOPIC = "tokens"
"""Rung when a token was made or revoked."""
COOKIE = "devops_agent_session"
TICKET = "login-"
"""How the names of tokens begin that `/login?token=` takes once."""
SESSION = "session-"
SESSION_LASTS = timedelta(hours=12)
_OF_NAME = " of "
_OF_LINK = " by link of "
"""Between a session's random part and the name of the token, or link, that it was exchanged for."""
_RANDOM = 12
"""Letters of a session's random part."""
_MARK_AT = len(SESSION) + _RANDOM
_REMEMBERED = 5.0
"""Seconds after which a token is looked up again, for the case that a wake-up was lost."""
_REMEMBERED_AT_MOST = 10_000
_WRONG_PER_MINUTE = 30
_WRONG_AT_ONCE = 10


class Gate:
    """Knows who holds which token; asks the store once in a while, not for every request."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._changed = store.bell.on(TOPIC)
        self._known: dict[bytes, tuple[Token, float]] = {}
        self._right: set[bytes] = set()
        """Digests of tokens that lived when they were last looked up: whoever guesses, who holds one is let in."""
        self._wrong = RateLimit(_WRONG_PER_MINUTE, burst=_WRONG_AT_ONCE)

    async def admit(self, header: str, scope: str, *, address: str) -> Token:
        """Return the token of an `Authorization` header if it may do what `scope` names.

        Raises:
            ProblemError: 401 no or no living token, 403 a token of a lesser scope, 429 too many wrong ones from this
                address, 503 the store cannot be asked.

        """
        kind, _, secret = header.partition(" ")
        secret = secret.strip()
        if kind.lower() != "bearer" or not secret:
            raise unauthorized(
                "this needs a token: send `Authorization: Bearer TOKEN` (`devops-agent token create` makes one)"
            )
        token = await self.find(secret, address=address)
        if token is None or token.name.startswith((TICKET, SESSION)):
            raise unauthorized("this token is unknown, expired or revoked")
        if not token.allows(scope):
            raise ProblemError(403, f"the token {token.name!r} has scope {token.scope}; this needs {scope}")
        return token

    async def find(self, secret: str, *, address: str) -> Token | None:
        """Return the living token of this secret, asked for from `address`.

        Raises:
            ProblemError: 429 too many wrong ones from this address, 503 the store cannot be asked.

        """
        if self._changed.is_set():
            self._changed.clear()
            self._known.clear()
        digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        moment = self._clock.monotonic()
        known = self._known.get(digest)
        if known is not None and moment < known[1] and _lives(known[0], self._clock):
            return known[0]
        if digest not in self._right and self._wrong.is_over(address, now=moment):
            raise too_many(60.0 / _WRONG_PER_MINUTE, f"too many wrong tokens from {address}")
        token = await self._look_up(secret)
        if token is None:
            self._known.pop(digest, None)
            self._right.discard(digest)
            self._wrong.wait(address, now=moment)
            return None
        for remembered in (self._known, self._right):
            if len(remembered) >= _REMEMBERED_AT_MOST:
                remembered.clear()
        self._right.add(digest)
        self._known[digest] = (token, moment + _REMEMBERED)
        return token

    async def _look_up(self, secret: str) -> Token | None:
        now = self._clock.now()
        try:
            return await self._store.read(lambda rows: _living(rows, secret, now=now))
        except UnicodeEncodeError:
            return None
        except StoreError as error:
            raise busy(f"cannot check the token: {error}") from error

    async def log_in(self, secret: str, *, address: str) -> str:
        """Exchange a token for a session; return the session's secret, for the cookie. A ticket is used up.

        Raises:
            ProblemError: 401 no such token, 403 one that may only send alerts, 429 or 503 as for `find`.

        """
        token = await self.find(secret, address=address)
        if token is None or token.name.startswith(SESSION):
            raise unauthorized("this token is unknown, expired, revoked, or was used already")
        if not token.allows("read"):
            raise ProblemError(403, f"the token {token.name!r} may only send alerts")
        now = self._clock.now()
        self._known.clear()
        made = await self._store.write(lambda rows: _begin_session(rows, token, now=now), tell=(TOPIC,))
        if made is None:
            raise unauthorized("this link was used already; ask for a new one")
        return made

    async def log_out(self, secret: str) -> None:
        """End a session."""
        token = await self.find(secret, address="log-out")
        if token is not None and token.name.startswith(SESSION):
            now = self._clock.now()
            await self._store.write(lambda rows: tokens.revoke(rows, token.name, now=now), tell=(TOPIC,))
        self._known.clear()

    async def viewer(self, request: Request) -> Viewer:
        """Return who looks at the page.

        Raises:
            ProblemError: 401 no living session, 503 the store cannot be asked.

        """
        secret = request.cookies.get(COOKIE, "")
        token = await self.find(secret, address=address_of(request)) if secret else None
        if token is None or not token.name.startswith(SESSION):
            raise unauthorized("log in to see this")
        return Viewer(token=token, secret=secret)


class Viewer:
    """Somebody with a session."""

    def __init__(self, *, token: Token, secret: str) -> None:
        self.token = token
        self.name = _owner(token.name)
        self.by = f"page:{self.name}"
        self.form_key = hashlib.sha256(b"form:" + secret.encode()).hexdigest()
        """What forms carry, so that no other site can post them."""

    def allows(self, scope: str) -> bool:
        """Whether they may do what `scope` names."""
        return self.token.allows(scope)

    def check_form(self, given: str) -> None:
        """See that a form was ours.

        Raises:
            ProblemError: 403.

        """
        if not hmac.compare_digest(given.encode(), self.form_key.encode()):
            raise ProblemError(403, "this form is not from your session; load the page again")


def address_of(request: Request) -> str:
    """Return where a request comes from."""
    return request.client.host if request.client else "local"


def _living(rows: Rows, secret: str, *, now: datetime) -> Token | None:
    """Return the living token of a secret; a session of a named token lives only as long as that."""
    token = tokens.find(rows, secret, now=now)
    if token is None or not token.name.startswith(SESSION) or _is_of_link(token.name):
        return token
    owner = _owner(token.name)
    for one in tokens.all_(rows):
        lives = one.revoked_at is None and (one.expires_at is None or one.expires_at > now)
        # One made later under the name of a revoked one is another token.
        if one.name == owner and lives and one.created_at <= token.created_at:
            return token
    return None


def _begin_session(rows: Rows, token: Token, *, now: datetime) -> str | None:
    """Write a session of a token; None when the token is a ticket that somebody else used in between."""
    is_ticket = token.name.startswith(TICKET)
    if is_ticket and not tokens.revoke(rows, token.name, now=now):
        return None
    tokens.forget(rows, prefix=SESSION, ended_before=now)
    ends = now + SESSION_LASTS
    if not is_ticket and token.expires_at is not None:
        ends = min(ends, token.expires_at)
    mark = _OF_LINK if is_ticket else _OF_NAME
    name = f"{SESSION}{secrets.token_hex(_RANDOM // 2)}{mark}{token.name.removeprefix(TICKET)}"
    _, secret = tokens.create(rows, name, scope=token.scope, now=now, expires_at=ends)
    events.add(rows, "login", f"{token.name} opened a session on the page", at=now, actor=f"page:{_owner(name)}")
    return secret


def _owner(name: str) -> str:
    """Return whose session it is."""
    return name[_MARK_AT:].removeprefix(_OF_LINK if _is_of_link(name) else _OF_NAME)


def _is_of_link(name: str) -> bool:
    """Whether a session was begun by a link; the names of tokens may hold any words, so only the place tells."""
    return name.startswith(_OF_LINK, _MARK_AT)


def _lives(token: Token, clock: Clock) -> bool:
    return token.expires_at is None or token.expires_at > clock.now()
