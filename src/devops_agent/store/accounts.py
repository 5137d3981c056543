"""Accounts as rows; of passwords only their hashes are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.account import Account, Role
from devops_agent.store.rows import from_us, maybe_time, to_us

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Row, Rows

_COLUMNS = "name, role, password, subject, disabled, created_at, seen_at"


def add(rows: Rows, account: Account) -> bool:
    """Write an account without a password; False when there is one of that name already."""
    return bool(
        rows.run(
            "INSERT INTO accounts (name, role, password, subject, disabled, created_at)"
            " VALUES (:name, :role, '', :subject, 0, :at) ON CONFLICT DO NOTHING",
            name=account.name,
            role=account.role.value,
            subject=account.subject,
            at=to_us(account.created_at),
        )
    )


def get(rows: Rows, name: str) -> Account | None:
    """Return the account of that name, in whichever case its letters are."""
    row = rows.one(f"SELECT {_COLUMNS} FROM accounts WHERE lower(name) = lower(:name)", name=name)
    return _account(row) if row else None


def of_subject(rows: Rows, subject: str) -> Account | None:
    """Return the account of somebody at an identity provider."""
    row = rows.one(f"SELECT {_COLUMNS} FROM accounts WHERE subject = :subject", subject=subject)
    return _account(row) if row else None


def all_(rows: Rows) -> list[Account]:
    """Return all accounts by name."""
    return [_account(row) for row in rows.all(f"SELECT {_COLUMNS} FROM accounts ORDER BY lower(name)")]


def password_of(rows: Rows, name: str) -> str:
    """Return the hash of a living account's password; empty when it has none, is disabled, or is not there."""
    row = rows.one("SELECT password FROM accounts WHERE lower(name) = lower(:name) AND disabled = 0", name=name)
    return str(row["password"]) if row else ""


def set_password(rows: Rows, name: str, hashed: str) -> None:
    """Replace the hash of a password."""
    rows.run("UPDATE accounts SET password = :hashed WHERE name = :name", name=name, hashed=hashed)


def set_role(rows: Rows, name: str, role: Role) -> None:
    """Replace a role."""
    rows.run("UPDATE accounts SET role = :role WHERE name = :name", name=name, role=role.value)


def set_disabled(rows: Rows, name: str, *, disabled: bool) -> None:
    """Shut an account out, or let it in again."""
    rows.run("UPDATE accounts SET disabled = :disabled WHERE name = :name", name=name, disabled=int(disabled))


def saw(rows: Rows, name: str, *, now: datetime) -> None:
    """Keep that somebody signed in."""
    rows.run("UPDATE accounts SET seen_at = :now WHERE name = :name", name=name, now=to_us(now))


def _account(row: Row) -> Account:
    return Account(
        name=row["name"],
        role=Role(row["role"]),
        created_at=from_us(row["created_at"]),
        seen_at=maybe_time(row["seen_at"]),
        disabled=bool(row["disabled"]),
        has_password=bool(row["password"]),
        subject=row["subject"],
    )
