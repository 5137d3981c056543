"""Sessions of the page: rows of 256 random bits each, which only the browser's cookie holds.

A session belongs to an account, or to a token that somebody typed in and with which it ends, or to nobody: one that
`devops-agent login` opened. Its row's name says which.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from devops_agent.store import accounts, events, tokens
from devops_agent.store.tokens import SESSION, TICKET

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from starlette.requests import Request
    from starlette.responses import Response

    from devops_agent.config.settings import Settings
    from devops_agent.model.account import Account
    from devops_agent.store.rows import Rows
    from devops_agent.store.tokens import Token

COOKIE = "devops_agent_session"
SAFE_COOKIE = f"__Host-{COOKIE}"
"""The same over HTTPS: browsers let no neighbouring site or network set a cookie of this prefix (RFC 6265bis)."""
_OF_NAME = " of "
_OF_LINK = " by link of "
_AS = " as "
_LINKED = " by link"
_RANDOM = 12
"""Letters of a session's random part."""
_MARK_AT = len(SESSION) + _RANDOM


def of_account(rows: Rows, account: Account, *, now: datetime, lasts: timedelta, address: str, how: str) -> str:
    """Begin a session of an account; return its secret. `how` they signed in is told on the timeline."""
    tokens.forget(rows, prefix=SESSION, ended_before=now)
    name = f"{_new_name()}{_AS}{account.name}{_LINKED if how == 'a link' else ''}"
    _, secret = tokens.create(
        rows, name, scope=account.role.scope, now=now, expires_at=now + lasts, account=account.name, address=address
    )
    accounts.saw(rows, account.name, now=now)
    events.add(rows, "login", f"{account.name} signed in with {how}", at=now, actor=f"page:{account.name}")
    return secret


def of_token(rows: Rows, token: Token, *, now: datetime, lasts: timedelta, address: str) -> str | None:
    """Begin a session of a token, or of a ticket, which is used up; None when the ticket was used in between."""
    is_ticket = token.name.startswith(TICKET)
    if is_ticket and not tokens.revoke(rows, token.name, now=now):
        return None
    if is_ticket and token.account:
        account = accounts.get(rows, token.account)
        return of_account(rows, account, now=now, lasts=lasts, address=address, how="a link") if account else None
    tokens.forget(rows, prefix=SESSION, ended_before=now)
    ends = now + lasts
    if not is_ticket and token.expires_at is not None:
        ends = min(ends, token.expires_at)
    name = f"{_new_name()}{_OF_LINK if is_ticket else _OF_NAME}{token.name.removeprefix(TICKET)}"
    _, secret = tokens.create(
        rows, name, scope=token.scope, now=now, expires_at=ends, account=token.account, address=address
    )
    events.add(rows, "login", f"{token.name} opened a session on the page", at=now, actor=f"page:{_of(name)}")
    return secret


def living(rows: Rows, secret: str, *, now: datetime) -> Token | None:
    """Return the living token of a secret; a session of a named token lives only as long as that."""
    token = tokens.find(rows, secret, now=now)
    if token is None or not token.name.startswith(SESSION) or not token.name.startswith(_OF_NAME, _MARK_AT):
        return token
    owner = tokens.named(rows, _of(token.name), now=now)
    # One made later under the name of a revoked one is another token.
    return token if owner is not None and owner.created_at <= token.created_at else None


def owner(token: Token) -> str:
    """Return whose session it is: the account, else the token's name or who made the link."""
    return token.account or _of(token.name)


def is_of_link(token: Token) -> bool:
    """Whether an account's session was begun by a link, which stands in for a forgotten password."""
    return token.name.startswith(_AS, _MARK_AT) and token.name.endswith(_LINKED)


def is_secure(request: Request, settings: Settings) -> bool:
    """Whether browsers reach the page by HTTPS."""
    return request.url.scheme == "https" or settings.web.public_url.startswith("https://")


def secret_of(request: Request, settings: Settings) -> str:
    """Return the secret that a browser's cookie holds; empty: none."""
    return request.cookies.get(SAFE_COOKIE if is_secure(request, settings) else COOKIE, "")


def give(answer: Response, request: Request, settings: Settings, *, secret: str) -> None:
    """Let a browser keep a session's secret, out of reach of scripts and of other sites."""
    secure = is_secure(request, settings)
    answer.set_cookie(
        SAFE_COOKIE if secure else COOKIE,
        secret,
        max_age=int(settings.accounts.session.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=secure,
        path="/",
    )


def take(answer: Response, request: Request, settings: Settings) -> None:
    """Let a browser forget a session's secret."""
    secure = is_secure(request, settings)
    answer.delete_cookie(SAFE_COOKIE if secure else COOKIE, path="/", secure=secure, httponly=True, samesite="strict")


def _new_name() -> str:
    return f"{SESSION}{secrets.token_hex(_RANDOM // 2)}"


def _of(name: str) -> str:
    """Return the token's name, or who made the link; the names of tokens may hold any words, so the place tells."""
    mark = next(mark for mark in (_OF_LINK, _OF_NAME, _AS) if name.startswith(mark, _MARK_AT))
    return name[_MARK_AT + len(mark) :]
