"""Accounts: who may sign in, and what their role lets them do."""

import re
from datetime import datetime
from enum import StrEnum

from devops_agent.model.fact import Fact

SCOPES = ("alerts", "read", "operate", "admin")
"""What a token may do: send alerts only; read; also approve, pause and order; also manage accounts and flags."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,62}")


class Role(StrEnum):
    """What a person may do; the scopes of tokens say the same to programs."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def scope(self) -> str:
        """The scope of this role's sessions."""
        return _SCOPE_OF[self]


_SCOPE_OF = {Role.VIEWER: "read", Role.OPERATOR: "operate", Role.ADMIN: "admin"}


class Account(Fact, kw_only=True):
    """Somebody who may sign in; never what they sign in with."""

    name: str
    """As people are named in `notify.people`, so that answers from any channel are one person's."""
    role: Role
    created_at: datetime
    seen_at: datetime | None = None
    """When they last signed in."""
    disabled: bool = False
    has_password: bool = False
    subject: str = ""
    """Issuer and subject at the identity provider; empty: they sign in here."""


def is_name(text: str) -> bool:
    """Whether an account may be called so: letters, digits and `_.@+-`, at most 63, a letter or digit first."""
    return _NAME.fullmatch(text) is not None


def includes(held: str, asked: str) -> bool:
    """Whether who holds scope `held` may do what `asked` names; `alerts` stands alone, others contain the lesser."""
    if asked == "alerts":
        return held in ("alerts", "operate", "admin")
    return held != "alerts" and SCOPES.index(held) >= SCOPES.index(asked)


def role_of(scope: str) -> Role:
    """Return the role that is allowed what a scope allows; `alerts`, which shows nobody anything, counts as viewer."""
    return next((role for role in Role if role.scope == scope), Role.VIEWER)
