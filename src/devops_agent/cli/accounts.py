"""Accounts: who may sign in to the page, and what they may do there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command
from devops_agent.cli.exits import Exit
from devops_agent.model.account import Role

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from devops_agent.store.rows import Rows

    T = TypeVar("T")

_ROLE = click.Choice([role.value for role in Role])
_WHY = click.option("--comment", default="", metavar="TEXT", help="Why; kept in the timeline.")


@click.group("account")
def GROUP() -> None:  # noqa: N802 — the table of commands names it so
    """Make accounts, and change what they may do.

    A `viewer` looks, an `operator` also approves, pauses and orders, an `admin` also manages accounts, tokens and
    switches. Name accounts as people are named under `notify.people`.
    """


@command("add", "devops-agent account add ada --role operator")
@click.argument("name")
@click.option("--role", type=_ROLE, required=True, help="What they may do.")
def add(call: Call, name: str, *, role: str) -> None:
    """Make an account, and print the link by which its owner signs in first, once."""

    def make(rows: Rows) -> str:
        from devops_agent.engine import accounts

        account = accounts.add(rows, name, Role(role), by=call.by, now=call.now)
        return accounts.make_link(rows, account.name, by=call.by, now=call.now)

    _tell_link(call, name, _write(call, make, make=True))


@command("list", "devops-agent account list")
def list_accounts(call: Call) -> None:
    """List accounts, how they sign in, and when they last did."""
    from devops_agent.store import accounts

    now = call.now
    found = call.read(accounts.all_)
    if call.as_json:
        say.document([say.plain(one) for one in found])
        return
    rows = [
        (
            one.name,
            one.role.value,
            "disabled" if one.disabled else _way_in(has_password=one.has_password, subject=one.subject),
            say.ago(one.seen_at, now=now) if one.seen_at else "never",
        )
        for one in found
    ]
    say.table(("name", "role", "signs in by", "last"), rows)


@command("role", "devops-agent account role ada admin", data=False)
@click.argument("name")
@click.argument("role", type=_ROLE)
@_WHY
def change_role(call: Call, name: str, role: str, *, comment: str) -> None:
    """Give an account another role; its sessions end, its tokens allow no more than that."""

    def change(rows: Rows) -> str:
        from devops_agent.engine import accounts

        return accounts.set_role(rows, name, Role(role), by=call.by, now=call.now, comment=comment).name

    say.line(f"{_write(call, change)} is {role}")


@command("password", "devops-agent account password ada", data=False)
@click.argument("name")
def set_password(call: Call, name: str) -> None:
    """Ask for a password and set it; the account's sessions end."""
    from devops_agent.web.passwords import hash_password, see_fit
    from devops_agent.web.problem import ProblemError

    password = click.prompt("New password", hide_input=True, confirmation_prompt="Again")
    try:
        see_fit(password, name=name)
    except ProblemError as error:
        raise Trouble(error.detail, Exit.USAGE) from error
    hashed = hash_password(password)

    def change(rows: Rows) -> None:
        from devops_agent.engine import accounts

        accounts.set_password(rows, name, hashed, by=call.by, now=call.now)

    _write(call, change)
    say.line(f"set the password of {name}")


@command("disable", "devops-agent account disable ada --comment 'has left'", data=False)
@click.argument("name")
@_WHY
def disable(call: Call, name: str, *, comment: str) -> None:
    """Shut an account out at once; its sessions and tokens end for good."""
    _set_disabled(call, name, disabled=True, comment=comment)


@command("enable", "devops-agent account enable ada", data=False)
@click.argument("name")
@_WHY
def enable(call: Call, name: str, *, comment: str) -> None:
    """Let a disabled account in again."""
    _set_disabled(call, name, disabled=False, comment=comment)


@command("login-link", "devops-agent account login-link ada")
@click.argument("name")
def make_link(call: Call, name: str) -> None:
    """Print a link by which somebody signs in once and can set a new password; an earlier one ends."""

    def make(rows: Rows) -> str:
        from devops_agent.engine import accounts

        return accounts.make_link(rows, name, by=call.by, now=call.now)

    _tell_link(call, name, _write(call, make))


def _set_disabled(call: Call, name: str, *, disabled: bool, comment: str) -> None:
    def change(rows: Rows) -> str:
        from devops_agent.engine import accounts

        return accounts.set_disabled(rows, name, disabled=disabled, by=call.by, now=call.now, comment=comment).name

    say.line(f"{_write(call, change)} is {'disabled' if disabled else 'enabled'}")


def _tell_link(call: Call, name: str, secret: str) -> None:
    from devops_agent.engine.accounts import LINK_LASTS

    link = f"{call.settings().web.page()}/login?token={secret}"
    if call.as_json:
        say.document({"account": name, "link": link, "expires_at": call.now + LINK_LASTS})
        return
    click.echo(link)
    say.note(f"{name} signs in with it once, within {say.span(LINK_LASTS)}; nobody can read it again")


def _write(call: Call, work: Callable[[Rows], T], *, make: bool = False) -> T:
    from devops_agent.engine.accounts import TOPICS

    return call.write(work, tell=TOPICS, make=make)


def _way_in(*, has_password: bool, subject: str) -> str:
    if subject:
        return "identity provider"
    return "password" if has_password else "link only"


for _one in (add, list_accounts, change_role, set_password, disable, enable, make_link):
    GROUP.add_command(_one)
