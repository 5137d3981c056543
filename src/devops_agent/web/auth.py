"""Who asks, and what they may do: bearer tokens for programs, sessions for the page.

A session is a token too (see `sessions`): the page survives a restart of this process, a stolen database holds digests
only, and revoking works as for any token. The cookie never holds what a person typed. Forms carry a value derived from
the cookie, which another site can neither read nor guess; beside that, what another site sends is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import TYPE_CHECKING

from devops_agent.model.account import is_name, role_of
from devops_agent.store import accounts, events, tokens
from devops_agent.store.rows import StoreError
from devops_agent.store.tokens import SESSION, TICKET
from devops_agent.web import sessions
from devops_agent.web.crossing import see_ours
from devops_agent.web.limits import Attempts, RateLimit, neighbourhood
from devops_agent.web.passwords import LONGEST, Passwords, is_outdated
from devops_agent.web.problem import ProblemError, busy, too_many, unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from devops_agent.config.settings import Settings
    from devops_agent.model.account import Account
    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows
    from devops_agent.store.tokens import Token

log = logging.getLogger("devops_agent.web")

TOPIC = "tokens"
"""Rung when a token or an account was made or changed."""
TOPICS = (TOPIC, "events")
_REMEMBERED = 5.0
"""Seconds after which a token is looked up again, for the case that a wake-up was lost."""
_REMEMBERED_AT_MOST = 10_000
_WRONG_PER_MINUTE = 30
_WRONG_AT_ONCE = 10
_READS = ("GET", "HEAD")
_UNKNOWN = (
    "this link or token is unknown, expired, revoked, or was used already; an administrator can make you a new link, or"
    " on the machine: devops-agent account login-link NAME"
)


class Gate:
    """Knows who holds which token; asks the store once in a while, not for every request."""

    def __init__(self, store: Store, *, clock: Clock, settings: Callable[[], Settings]) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._changed = store.bell.on(TOPIC)
        self._known: dict[bytes, tuple[Token, float]] = {}
        self._right: set[bytes] = set()
        """Digests of tokens that lived when they were last looked up: whoever guesses, who holds one is let in."""
        self._wrong = RateLimit(_WRONG_PER_MINUTE, burst=_WRONG_AT_ONCE)
        self._attempts = Attempts(lambda: settings().accounts.attempts_per_minute)
        self.passwords = Passwords()

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
        if known is not None and moment < known[1] and known[0].lives(self._clock.now()):
            return known[0]
        place = neighbourhood(address)
        if digest not in self._right and self._wrong.is_over(place, now=moment):
            raise too_many(60.0 / _WRONG_PER_MINUTE, f"too many wrong tokens from {address}")
        token = await self._look_up(secret)
        if token is None:
            self._known.pop(digest, None)
            self._right.discard(digest)
            self._wrong.wait(place, now=moment)
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
            return await self._store.read(lambda rows: sessions.living(rows, secret, now=now))
        except UnicodeEncodeError:
            return None
        except StoreError as error:
            raise busy(f"cannot check the token: {error}") from error

    async def exchange(self, secret: str, request: Request, *, ticket: bool = False) -> str:
        """Exchange a token, or only a `ticket` for one use, for a session; return its secret, for the cookie.

        Raises:
            ProblemError: 401 no such token, 403 one that may only send alerts, 429 or 503 as for `find`.

        """
        token = await self.find(secret, address=address_of(request))
        if token is None or token.name.startswith(SESSION) or (ticket and not token.name.startswith(TICKET)):
            raise unauthorized(_UNKNOWN)
        if not token.allows("read"):
            raise ProblemError(403, f"the token {token.name!r} may only send alerts")
        now, lasts, address = self._clock.now(), self._settings().accounts.session, address_of(request)
        made = await self._begin(
            request, lambda rows: sessions.of_token(rows, token, now=now, lasts=lasts, address=address)
        )
        if made is None:
            raise unauthorized(_UNKNOWN)
        return made

    async def sign_in(self, name: str, password: str, request: Request) -> str:
        """Exchange name and password for a session; return its secret, for the cookie.

        What is answered, and when, is the same whether there is such an account or not.

        Raises:
            ProblemError: 401 they do not fit, 429 too many tries, 503 too many at once, or no store.

        """
        address = address_of(request)
        kept = await self.check(name, password, address=address)
        fresh = await self.passwords.hash(password) if is_outdated(kept) else kept
        now, lasts = self._clock.now(), self._settings().accounts.session

        def begin(rows: Rows) -> str | None:
            account = accounts.get(rows, name)
            if account is None or accounts.password_of(rows, name) != kept:  # changed since it was compared
                return None
            if fresh != kept:
                accounts.set_password(rows, account.name, fresh)
            return sessions.of_account(rows, account, now=now, lasts=lasts, address=address, how="a password")

        made = await self._begin(request, begin)
        if made is None:
            raise unauthorized("name or password is wrong")
        return made

    async def check(self, name: str, password: str, *, address: str) -> str:
        """Return the hash that a password fits.

        Raises:
            ProblemError: 401 it is not the one of `name`, 429 too many tries, 503 too many at once, or no store.

        """
        moment = self._clock.monotonic()
        self._attempts.take(name[:LONGEST], address, now=moment)
        kept = await self._store.read(lambda rows: accounts.password_of(rows, name)) if is_name(name) else ""
        if not await self.passwords.fits(password[: LONGEST + 1], kept):
            log.warning("sign-in refused", extra={"account": name[:LONGEST], "address": address})
            raise unauthorized("name or password is wrong")
        self._attempts.succeeded(name, address)
        return kept

    async def begin_for(self, meet: Callable[[Rows], Account], request: Request) -> str:
        """Begin a session of the account that `meet` returns, which the identity provider vouches for.

        Raises:
            RefusedError: `meet` refused.

        """
        now, lasts, address = self._clock.now(), self._settings().accounts.session, address_of(request)
        how = "the identity provider"
        made = await self._begin(
            request,
            lambda rows: sessions.of_account(rows, meet(rows), now=now, lasts=lasts, address=address, how=how),
        )
        assert made is not None  # noqa: S101 — an account always gets its session
        return made

    async def _begin(self, request: Request, begin: Callable[[Rows], str | None]) -> str | None:
        """Begin a session in the place of the one that the browser had; return its secret."""
        old = sessions.secret_of(request, self._settings())
        now, address = self._clock.now(), address_of(request)

        def work(rows: Rows) -> str | None:
            with events.asked_from(address):
                made = begin(rows)
            before = tokens.find(rows, old, now=now) if made and old else None
            if before is not None and before.name.startswith(SESSION):
                tokens.revoke(rows, before.name, now=now)
            return made

        made = await self._store.write(work, tell=TOPICS)
        self._known.clear()
        return made

    async def log_out(self, token: Token) -> None:
        """End a session."""
        now = self._clock.now()
        await self._store.write(lambda rows: tokens.revoke(rows, token.name, now=now), tell=(TOPIC,))
        self._known.clear()

    async def viewer(self, request: Request) -> Viewer:
        """Return who looks at the page, or sends a form of it.

        Raises:
            ProblemError: 401 no living session, 403 another site sent it, 503 the store cannot be asked.

        """
        secret = sessions.secret_of(request, self._settings())
        token = await self.find(secret, address=address_of(request)) if secret else None
        if token is None or not token.name.startswith(SESSION):
            raise unauthorized("log in to see this")
        if request.method not in _READS:
            see_ours(request, public_url=self._settings().web.public_url)
        return Viewer(token=token, secret=secret)


class Viewer:
    """Somebody with a session."""

    def __init__(self, *, token: Token, secret: str) -> None:
        self.token = token
        self.account = token.account
        """Empty: the session is that of a token or of `devops-agent login`."""
        self.role = role_of(token.scope)
        self.name = sessions.owner(token)
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
    """Return where a request comes from; the edge has asked the proxies that are believed."""
    return request.client.host if request.client else "local"
