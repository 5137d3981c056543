"""API tokens as rows: only their digests are kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from devops_agent.model.fact import Fact
from devops_agent.store.rows import Row, Rows, StoreError, from_us, maybe_time, maybe_us, next_number, to_us

SCOPES = ("alerts", "read", "operate", "admin")
"""What a token may do: send alerts only; read; also approve, pause and order; also manage tokens and flags."""

_COLUMNS = "id, name, scope, created_at, expires_at, revoked_at"


class Token(Fact, kw_only=True):
    """What is known of a token; never the token itself."""

    id: str
    name: str
    scope: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def allows(self, scope: str) -> bool:
        """Whether it may do what `scope` names; `alerts` stands alone, the others contain the lesser ones."""
        if scope == "alerts":
            return self.scope in ("alerts", "operate", "admin")
        return self.scope != "alerts" and SCOPES.index(self.scope) >= SCOPES.index(scope)


def create(
    rows: Rows, name: str, *, scope: str, now: datetime, expires_at: datetime | None = None
) -> tuple[Token, str]:
    """Write a token; return it with the secret, which nobody can read again."""
    secret = f"da_{secrets.token_urlsafe(32)}"
    return keep(rows, name, secret=secret, scope=scope, now=now, expires_at=expires_at), secret


def keep(rows: Rows, name: str, *, secret: str, scope: str, now: datetime, expires_at: datetime | None = None) -> Token:
    """Write a token whose secret is given (from a file); one of the same name is replaced.

    Raises:
        StoreError: there is no such scope, or another token has this secret.

    """
    if scope not in SCOPES:
        raise StoreError(f"no scope {scope!r} for token {name!r}; known: {', '.join(SCOPES)}")
    rows.run("DELETE FROM tokens WHERE name = :name", name=name)
    token = Token(
        id=f"TOK-{next_number(rows, 'tokens')}", name=name, scope=scope, created_at=now, expires_at=expires_at
    )
    rows.run(
        "INSERT INTO tokens (id, name, digest, scope, created_at, expires_at)"
        " VALUES (:id, :name, :digest, :scope, :created_at, :expires_at)",
        id=token.id,
        name=name,
        digest=_digest(secret),
        scope=scope,
        created_at=to_us(now),
        expires_at=maybe_us(expires_at),
    )
    return token


def find(rows: Rows, secret: str, *, now: datetime) -> Token | None:
    """Return the living token of this secret."""
    row = rows.one(
        f"SELECT {_COLUMNS} FROM tokens WHERE digest = :digest AND revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > :now)",
        digest=_digest(secret),
        now=to_us(now),
    )
    return _token(row) if row else None


def all_(rows: Rows) -> list[Token]:
    """Return all tokens, oldest first."""
    return [_token(row) for row in rows.all(f"SELECT {_COLUMNS} FROM tokens ORDER BY created_at, id")]


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
    )
