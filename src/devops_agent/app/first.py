"""What a first start needs: a token for its owner; and the tokens that the configuration keeps in files."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent.config.secrets import read_secret
from devops_agent.store import events
from devops_agent.store import tokens as kept

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.store import Store

log = logging.getLogger("devops_agent.web")

OWNER = "owner"
FILE = "owner-token"
"""In the state folder: the secret of the first token, readable by the owner only."""
SENDER = "alert-sender"


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
            await store.write(lambda rows: events.add(rows, "token", says, at=now, actor="web"))


def write_secret(file: Path, secret: str) -> None:
    """Write a secret that only its owner can read, from the first byte on."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secret + "\n")
