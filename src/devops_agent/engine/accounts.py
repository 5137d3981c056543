"""What people tell the agent about accounts and tokens. Each is rows in one transaction, and an event that says who."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.engine.commands import NotFoundError, RefusedError
from devops_agent.model.account import Account, Role, includes, is_name
from devops_agent.store import accounts, events, tokens
from devops_agent.store.tokens import SESSION, TICKET

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows
    from devops_agent.store.tokens import Token

TOPICS = ("tokens", "events")
"""What to ring after such a command."""
LINK_LASTS = timedelta(hours=24)
"""How long a link waits for somebody to whom it is sent."""
_ENDS_WITH_ROLE = (SESSION, TICKET)


def add(rows: Rows, name: str, role: Role, *, by: str, now: datetime, subject: str = "") -> Account:
    """Make an account; it has no password until somebody signs in by a link and sets one.

    Raises:
        RefusedError: it cannot be called so, or there is one of that name, in whichever case its letters are.

    """
    if not is_name(name):
        raise RefusedError(f"cannot name an account {name!r}; use at most 63 letters, digits and any of _.@+-")
    account = Account(name=name, role=role, created_at=now, subject=subject)
    if not accounts.add(rows, account):
        raise RefusedError(f"there is an account {name!r} already; `devops-agent account list` lists them")
    events.add(rows, "account", f"{by} made account {name} ({role.value})", at=now, actor=by, account=name)
    return account


def get(rows: Rows, name: str) -> Account:
    """Return an account.

    Raises:
        NotFoundError: there is none of that name.

    """
    account = accounts.get(rows, name)
    if account is None:
        raise NotFoundError(f"no account {name!r}; `devops-agent account list` lists them")
    return account


def set_role(rows: Rows, name: str, role: Role, *, by: str, now: datetime, comment: str = "") -> Account:
    """Give an account another role; its sessions end, its tokens allow no more than that from now on.

    Raises:
        RefusedError: it is the last administrator.

    """
    account = get(rows, name)
    if account.role is role:
        return account
    if role is not Role.ADMIN:
        _see_another_admin(rows, account)
    accounts.set_role(rows, account.name, role)
    tokens.revoke_of(rows, account.name, now=now, prefixes=_ENDS_WITH_ROLE)
    says = f"{by} made {account.name} {role.value}, was {account.role.value}" + (f" — {comment}" if comment else "")
    events.add(rows, "account", says, at=now, actor=by, account=account.name)
    return account.with_(role=role)


def set_disabled(rows: Rows, name: str, *, disabled: bool, by: str, now: datetime, comment: str = "") -> Account:
    """Shut an account out, which ends its sessions and tokens for good; or let it in again.

    Raises:
        RefusedError: it is the last administrator.

    """
    account = get(rows, name)
    if account.disabled is disabled:
        return account
    if disabled:
        _see_another_admin(rows, account)
        tokens.revoke_of(rows, account.name, now=now)
    accounts.set_disabled(rows, account.name, disabled=disabled)
    did = "disabled" if disabled else "enabled"
    says = f"{by} {did} account {account.name}" + (f" — {comment}" if comment else "")
    events.add(rows, "account", says, at=now, actor=by, account=account.name)
    return account.with_(disabled=disabled)


def set_password(rows: Rows, name: str, hashed: str, *, by: str, now: datetime, keep: str = "") -> None:
    """Replace a password by its hash; sessions and links end, but for the session of id `keep`.

    Raises:
        RefusedError: the account signs in at the identity provider.

    """
    account = get(rows, name)
    if account.subject:
        raise RefusedError(f"{account.name} signs in at the identity provider; the password is changed there")
    accounts.set_password(rows, account.name, hashed)
    tokens.revoke_of(rows, account.name, now=now, prefixes=_ENDS_WITH_ROLE, but=keep)
    says = f"{by} set the password of {account.name}; its other sessions ended"
    events.add(rows, "account", says, at=now, actor=by, account=account.name)


def end_sessions(rows: Rows, name: str, *, by: str, now: datetime) -> int:
    """End all sessions of an account; return how many."""
    account = get(rows, name)
    ended = tokens.revoke_of(rows, account.name, now=now, prefixes=(SESSION,))
    says = f"{by} ended {ended} session{'s' if ended != 1 else ''} of {account.name}"
    events.add(rows, "account", says, at=now, actor=by, account=account.name)
    return ended


def make_link(rows: Rows, name: str, *, by: str, now: datetime, lasts: timedelta = LINK_LASTS) -> str:
    """Return the secret of a link by which somebody signs in once; an earlier one of theirs ends.

    Raises:
        RefusedError: the account is disabled, or signs in at the identity provider.

    """
    account = get(rows, name)
    if account.disabled:
        raise RefusedError(f"{account.name} is disabled; `devops-agent account enable {account.name}` lets it in again")
    if account.subject:
        raise RefusedError(f"{account.name} signs in at the identity provider, which says its role each time")
    ticket = f"{TICKET}account {account.name}"
    _, secret = tokens.create(
        rows, ticket, scope=account.role.scope, now=now, expires_at=now + lasts, account=account.name
    )
    says = f"{by} made a link by which {account.name} signs in once"
    events.add(rows, "account", says, at=now, actor=by, account=account.name)
    return secret


def make_token(  # noqa: PLR0913 — a token has these parts
    rows: Rows, name: str, *, scope: str, by: str, now: datetime, expires_at: datetime | None = None, account: str = ""
) -> tuple[Token, str]:
    """Make a token for the API; return it with its secret. One of an account is called `ACCOUNT/NAME`.

    Raises:
        RefusedError: it cannot be called so, a living one is, or the account's role does not allow the scope.

    """
    if name.startswith((TICKET, SESSION)) or not name.isprintable() or not name.strip():
        raise RefusedError(f"cannot name a token {name!r}; names beginning with {TICKET} and {SESSION} are the page's")
    if account:
        owner = get(rows, account)
        if owner.disabled or not includes(owner.role.scope, scope):
            raise RefusedError(f"{owner.name} is {owner.role.value}; a token of that account cannot have {scope}")
        account, name = owner.name, f"{owner.name}/{name}"
    if tokens.named(rows, name, now=now) is not None:
        raise RefusedError(
            f"there is a token {name!r} already; `devops-agent token revoke` ends it; or choose another name"
        )
    made = tokens.create(rows, name, scope=scope, now=now, expires_at=expires_at, account=account)
    events.add(rows, "token", f"{by} made token {name} ({scope})", at=now, actor=by)
    return made


def revoke_token(rows: Rows, name: str, *, by: str, now: datetime) -> None:
    """End a token or session at once.

    Raises:
        NotFoundError: no living one has that name.

    """
    if not tokens.revoke(rows, name, now=now):
        raise NotFoundError(f"no living token {name!r}; `devops-agent token list` lists them")
    events.add(rows, "token", f"{by} revoked token {name}", at=now, actor=by)


def meet(rows: Rows, name: str, role: Role, *, subject: str, now: datetime) -> Account:
    """Return the account of somebody whom the identity provider vouches for, made or given the role that it says.

    Somebody is known by `subject`: names at a provider may be changed by their owners, so a name that an account here
    has already is not enough.

    Raises:
        RefusedError: the account is disabled, the name cannot be one, or it is somebody else's.

    """
    account = accounts.of_subject(rows, subject)
    if account is None:
        return add(rows, name, role, by="identity provider", now=now, subject=subject)
    if account.disabled:
        raise RefusedError(f"the account {account.name} is disabled; ask an administrator")
    if account.role is role:
        return account
    return set_role(rows, account.name, role, by="identity provider", now=now)


def _see_another_admin(rows: Rows, account: Account) -> None:
    admins = [one.name for one in accounts.all_(rows) if one.role is Role.ADMIN and not one.disabled]
    if admins == [account.name]:
        raise RefusedError(f"{account.name} is the last administrator; make somebody else one first")
