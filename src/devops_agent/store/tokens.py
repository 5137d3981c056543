"""API tokens as rows: only their digests are kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from devops_agent.model.account import SCOPES, Role, includes
from devops_agent.model.fact import Fact
from devops_agent.store.rows import Row, Rows, StoreError, from_us, maybe_time, maybe_us, next_number, to_us

TICKET = "login-"
"""How the names of tokens begin that open a session once."""
SESSION = "session-"
"""How the names of the page's sessions begin."""
_SELECT = (
    "SELECT t.id, t.name, t.scope, t.created_at, t.expires_at, t.revoked_at, t.account, t.address, a.role, a.disabled"
    " FROM tokens t LEFT JOIN accounts a ON a.name = t.account"
)
_LIVES = "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > :now)"


class Token(Fact, kw_only=True):
    """What is known of a token; never the token itself."""

    id: str
    name: str
    scope: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    account: str = ""
    """Whose it is: it ends with that account and never allows more than its role; empty: nobody's."""
    address: str = ""
    """From where a session was begun."""

    def allows(self, scope: str) -> bool:
        """Whether it may do what `scope` names."""
        return includes(self.scope, scope)

    def lives(self, now: datetime) -> bool:
        """Whether it was neither revoked nor has expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def create(  # noqa: PLR0913 — a token has these parts
    rows: Rows,
    name: str,
    *,
    scope: str,
    now: datetime,
    expires_at: datetime | None = None,
    account: str = "",
    address: str = "",
) -> tuple[Token, str]:
    """Write a token; return it with the secret, which nobody can read again."""
    secret = f"da_{secrets.token_urlsafe(32)}"
    token = keep(
        rows, name, secret=secret, scope=scope, now=now, expires_at=expires_at, account=account, address=address
    )
    return token, secret


def keep(  # noqa: PLR0913 — a token has these parts
    rows: Rows,
    name: str,
    *,
    secret: str,
    scope: str,
    now: datetime,
    expires_at: datetime | None = None,
    account: str = "",
    address: str = "",
) -> Token:
    """Write a token whose secret is given (from a file); one of the same name is replaced.

    Raises:
        StoreError: there is no such scope, or another token has this secret.

    """
    if scope not in SCOPES:
        raise StoreError(f"no scope {scope!r} for token {name!r}; known: {', '.join(SCOPES)}")
    rows.run("DELETE FROM tokens WHERE name = :name", name=name)
    token = Token(
        id=f"TOK-{next_number(rows, 'tokens')}",
        name=name,
        scope=scope,
        created_at=now,
        expires_at=expires_at,
        account=account,
        address=address,
    )
    rows.run(
        "INSERT INTO tokens (id, name, digest, scope, created_at, expires_at, account, address)"
        " VALUES (:id, :name, :digest, :scope, :created_at, :expires_at, :account, :address)",
        id=token.id,
        name=name,
        digest=_digest(secret),
        scope=scope,
        created_at=to_us(now),
        expires_at=maybe_us(expires_at),
        account=account,
        address=address,
    )
    return token


def find(rows: Rows, secret: str, *, now: datetime) -> Token | None:
    """Return the living token of this secret; that of a disabled account is dead."""
    row = rows.one(f"{_SELECT} WHERE t.digest = :digest AND {_LIVES}", digest=_digest(secret), now=to_us(now))
    return _within_role(row) if row else None


def named(rows: Rows, name: str, *, now: datetime) -> Token | None:
    """Return the living token of that name."""
    row = rows.one(f"{_SELECT} WHERE t.name = :name AND {_LIVES}", name=name, now=to_us(now))
    return _within_role(row) if row else None


def all_(rows: Rows) -> list[Token]:
    """Return all tokens, oldest first."""
    return [_token(row) for row in rows.all(f"{_SELECT} ORDER BY t.created_at, t.id")]


def of_account(rows: Rows, account: str, *, now: datetime) -> list[Token]:
    """Return the living tokens and sessions of an account, newest first."""
    found = rows.all(
        f"{_SELECT} WHERE t.account = :account AND {_LIVES} ORDER BY t.created_at DESC, t.id",
        account=account,
        now=to_us(now),
    )
    return [token for row in found if (token := _within_role(row)) is not None]


def revoke(rows: Rows, name: str, *, now: datetime) -> bool:
    """End a token; False when no living one has that name."""
    return bool(
        rows.run(
            "UPDATE tokens SET revoked_at = :now WHERE name = :name AND revoked_at IS NULL"
            " AND (expires_at IS NULL OR expires_at > :now)",
            now=to_us(now),
            name=name,
        )
    )


def revoke_of(rows: Rows, account: str, *, now: datetime, prefixes: tuple[str, ...] = ("",), but: str = "") -> int:
    """End an account's tokens whose names begin with one of `prefixes`, all but that of id `but`; return how many."""
    found = rows.all(f"{_SELECT} WHERE t.account = :account AND {_LIVES}", account=account, now=to_us(now))
    ended = [one for one in map(_token, found) if one.id != but and one.name.startswith(prefixes)]
    for one in ended:
        revoke(rows, one.name, now=now)
    return len(ended)


def forget(rows: Rows, *, prefix: str, ended_before: datetime) -> int:
    """Delete the tokens whose name begins with `prefix` and that expired or were revoked earlier; return how many."""
    return rows.run(
        "DELETE FROM tokens WHERE substr(name, 1, :length) = :prefix AND (expires_at < :at OR revoked_at < :at)",
        length=len(prefix),
        prefix=prefix,
        at=to_us(ended_before),
    )


def _digest(secret: str) -> str:
    # A plain hash is enough: the secret is 256 random bits, not a password that could be guessed.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _token(row: Row) -> Token:
    return Token(
        id=row["id"],
        name=row["name"],
        scope=row["scope"],
        created_at=from_us(row["created_at"]),
        expires_at=maybe_time(row["expires_at"]),
        revoked_at=maybe_time(row["revoked_at"]),
        account=row["account"],
        address=row["address"],
    )


def _within_role(row: Row) -> Token | None:
    """Return a token with the lesser of its own scope and its account's; None when nothing is left of it."""
    token = _token(row)
    if not token.account:
        return token
    if row["role"] is None or row["disabled"]:
        return None
    most = Role(row["role"]).scope
    if includes(most, token.scope):
        return token
    return None if token.scope == "alerts" else token.with_(scope=most)
