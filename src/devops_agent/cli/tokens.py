"""Tokens for the API, and links that open the page once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import SPAN, Call, command
from devops_agent.model.account import SCOPES

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.store.rows import Rows
    from devops_agent.store.tokens import Token

_TOPICS = ("tokens", "events")
_LINK_LASTS = timedelta(minutes=10)


@click.group("token")
def GROUP() -> None:  # noqa: N802 — the table of commands names it so
    """Make, list and revoke tokens for the API.

    A token's scope says what it may do: `alerts` sends alerts only, `read` reads, `operate` also approves, pauses and
    orders, `admin` also manages tokens and switches. Only digests are kept: a secret is shown once.
    """


@command(
    "create",
    "devops-agent token create alertmanager --scope alerts",
    "devops-agent token create ada --scope operate --expires 90d",
)
@click.argument("name")
@click.option("--scope", type=click.Choice(SCOPES), required=True, help="What it may do.")
@click.option("--expires", type=SPAN, metavar="DURATION", help="Ends after so long (90d); else never.")
@click.option("--account", default="", metavar="NAME", help="Whose it is: it ends with that account.")
def create(call: Call, name: str, *, scope: str, expires: timedelta | None, account: str) -> None:
    """Make a token, and print its secret once.

    In Alertmanager it goes into the receiver's `http_config.authorization.credentials_file`. One of an account is
    called `ACCOUNT/NAME` and never allows more than the account's role.
    """
    now = call.now
    ends = now + expires if expires else None

    def make(rows: Rows) -> tuple[Token, str]:
        from devops_agent.engine import accounts

        return accounts.make_token(rows, name, scope=scope, by=call.by, now=now, expires_at=ends, account=account)

    token, secret = call.write(make, tell=_TOPICS, make=True)
    if call.as_json:
        say.document({**say.plain(token), "secret": secret})
        return
    click.echo(secret)
    lasts = f"until {say.at(ends)}" if ends else "without end"
    say.note(f"token {token.name}, scope {scope}, {lasts}; nobody can read it again")


@command("list", "devops-agent token list")
@click.option("--all", "everything", is_flag=True, help="Also those that ended, and sessions of the page.")
def list_tokens(call: Call, *, everything: bool) -> None:
    """List tokens, oldest first; never their secrets."""
    from devops_agent.store import tokens

    now = call.now
    found = [
        token
        for token in call.read(tokens.all_)
        if everything or (token.lives(now) and not token.name.startswith((tokens.TICKET, tokens.SESSION)))
    ]
    if call.as_json:
        say.document([{**say.plain(token), "lives": token.lives(now)} for token in found])
        return
    rows = [(token.name, token.scope, say.at(token.created_at), _end(token, now=now)) for token in found]
    say.table(("name", "scope", "made", "ends"), rows)


@command("revoke", "devops-agent token revoke ada", data=False)
@click.argument("name")
def revoke(call: Call, name: str) -> None:
    """End a token at once; sessions that were opened with it end too."""
    now = call.now

    def end(rows: Rows) -> None:
        from devops_agent.engine import accounts

        accounts.revoke_token(rows, name, by=call.by, now=now)

    call.write(end, tell=_TOPICS)
    say.line(f"revoked {name}")


@command("login", "devops-agent login", "devops-agent login --json")
def make_link(call: Call) -> None:
    """Print a link that opens the page once, as administrator.

    It is good for ten minutes and one use. Whoever can write the store may log in; the timeline says who did.
    """
    settings = call.settings()
    page = page_url(settings, settings.web.listen)
    link = new_link(call, page)
    if call.as_json:
        say.document({"link": link, "expires_at": call.now + _LINK_LASTS})
        return
    click.echo(link)
    say.note("good for one use within 10 minutes")


def new_link(call: Call, page: str) -> str:
    """Return a link for one use; only its path where nobody said how the page is reached."""
    now, by = call.now, call.by

    def make(rows: Rows) -> str:
        from devops_agent.store import events, tokens

        name = tokens.TICKET + by.removeprefix("cli:")
        _, secret = tokens.create(rows, name, scope="admin", now=now, expires_at=now + _LINK_LASTS)
        events.add(rows, "token", f"{by} made a link that opens the page once", at=now, actor=by)
        return secret

    return f"{page}/login?token={call.write(make, tell=_TOPICS, make=True)}"


def page_url(settings: Settings, listen: str) -> str:
    """Return how the page is reached; empty when it listens on a Unix socket and nobody said."""
    return settings.web.page(listen)


def _end(token: Token, *, now: datetime) -> str:
    if token.revoked_at is not None:
        return f"revoked {say.ago(token.revoked_at, now=now)}"
    if token.expires_at is None:
        return "never"
    return f"{'expired ' if token.expires_at <= now else ''}{say.ago(token.expires_at, now=now)}"


GROUP.add_command(create)
GROUP.add_command(list_tokens)
GROUP.add_command(revoke)
