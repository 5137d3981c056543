"""What a first start needs: its owner's account and token; and the tokens that the configuration keeps in files."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent.config.secrets import read_secret
from devops_agent.engine import accounts
from devops_agent.model.account import Role
from devops_agent.store import accounts as kept_accounts
from devops_agent.store import events
from devops_agent.store import tokens as kept

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows

log = logging.getLogger("devops_agent.web")

OWNER = "owner"
FILE = "owner-token"
"""In the state folder: the secret of the first token, readable by the owner only."""
SENDER = "alert-sender"
ADMIN = "admin"
"""What the first account is called."""
_BY = "web"


async def tokens(store: Store, settings: Settings, *, now: datetime) -> None:
    """Make the owner's token if there is none at all, and take over the alert senders' from its file."""
    if not await store.read(kept.all_):
        _, secret = await store.write(lambda rows: kept.create(rows, OWNER, scope="admin", now=now))
        file = Path(settings.state_dir) / FILE
        write_secret(file, secret)
        log.info("made the owner's token, the first", extra={"file": str(file)})
    if settings.web.alert_token_file:
        secret = read_secret(settings.web.alert_token_file)
        known = await store.read(lambda rows: kept.find(rows, secret, now=now))
        if known is None:
            await store.write(lambda rows: kept.keep(rows, SENDER, secret=secret, scope="alerts", now=now))
            says = "took over the alert senders' token from web.alert_token_file"
            await store.write(lambda rows: events.add(rows, "token", says, at=now, actor=_BY))


async def account(store: Store, *, page: str, now: datetime) -> None:
    """Make an administrator's account if there is none at all, and tell the link by which its owner signs in once."""

    def make(rows: Rows) -> str:
        if kept_accounts.all_(rows):
            return ""
        accounts.add(rows, ADMIN, Role.ADMIN, by=_BY, now=now)
        return accounts.make_link(rows, ADMIN, by=_BY, now=now)

    if secret := await store.write(make, tell=accounts.TOPICS):
        log.info(
            "made the first account; its owner signs in with this link, once, within a day",
            extra={"account": ADMIN, "link": f"{page}/login?token={secret}"},
        )


def write_secret(file: Path, secret: str) -> None:
    """Write a secret that only its owner can read, from the first byte on."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secret + "\n")
