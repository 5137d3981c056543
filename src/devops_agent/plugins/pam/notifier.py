"""Tells PAM, and answers what it asks, over one WebSocket that is opened again whenever it breaks.

There is no queue here: what finds PAM offline fails for now, and the outbox, which outlives this process, sends it
again with the same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import quote

from devops_agent.kit.posting import secret
from devops_agent.kit.telling import harmless, one_line
from devops_agent.kit.tools import SettingsError, Tools, settings
from devops_agent.model.notice import Message, Receipt
from devops_agent.plugins.pam import protocol
from devops_agent.plugins.pam.config import Config
from devops_agent.plugins.pam.connection import Connection
from devops_agent.ports import NotifyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger("devops_agent.notify.pam")

_FIRST_WAIT = 0.25
_LONGEST_WAIT = 60.0
_FRAME = 64_000
_REFUSALS: Mapping[int, str] = {
    401: "renew token_file",
    403: "the token may not speak to this user: check user_id and token_file",
    404: "check url and user_id",
}


def build(config: Mapping[str, object], *, tools: Tools) -> Pam:
    """Return the notifier; `config` is `options` of its channel.

    Raises:
        SettingsError: the options are wrong, or the package that it needs is not installed.

    """
    if find_spec("websockets") is None:
        raise SettingsError("via pam needs a package more: pip install 'devops-ai-agent[notify]'")
    return Pam(settings(Config, config, where="options of a channel via pam"), tools=tools)


class Pam:
    """Speaks to one person's assistant."""

    updates = False
    knows_repeats = True
    """PAM shows the same id once."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools
        self._answer: Callable[[str], Awaitable[str]] | None = None
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()

    def listen(self, answer: Callable[[str], Awaitable[str]]) -> None:
        """Have questions answered by `answer`, which is handed their words; without it they are passed over."""
        self._answer = answer

    async def serve(self) -> None:
        """Stay connected, so that questions can be asked, until cancelled."""
        wait = _FIRST_WAIT
        try:
            while True:
                try:
                    connection = await self._connected()
                    wait = _FIRST_WAIT
                    await asyncio.wait([connection.reading])
                except (OSError, NotifyError) as error:
                    log.info("PAM is not connected", extra={"why": str(error), "again_in": round(wait, 1)})
                await self._tools.clock.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 — spreads, hides nothing
                wait = min(wait * 2, _LONGEST_WAIT)
        finally:
            await self.close()

    async def send(self, message: Message) -> Receipt:
        """Send it and wait for the receipt; a connection that breaks meanwhile is opened again.

        Raises:
            NotifyError: PAM cannot be reached or gives no receipt in time, or refuses the token or the message.

        """
        frame = protocol.notification(harmless(message))
        seconds = self._config.timeout.total_seconds()
        last = "no receipt came"
        wait = _FIRST_WAIT
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        await (await self._connected()).tell(message.key, frame)
                        return Receipt(id=message.key)
                    except OSError as error:
                        last = one_line(str(error), most=200) or type(error).__name__
                    await self._tools.clock.sleep(wait)
                    wait *= 2
        except TimeoutError as error:
            says = f"PAM does not take it within {seconds:g} s: {last}"
            raise NotifyError(says, permanent=False, unclear=True) from error

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _connected(self) -> Connection:
        """Return the open connection, or open one.

        Raises:
            OSError: PAM cannot be reached.
            NotifyError: it refuses us for good.

        """
        async with self._opening:
            if self._connection is None or not self._connection.open:
                self._connection = await self._open()
            return self._connection

    async def _open(self) -> Connection:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

        base = self._config.url.rstrip("/")
        base = f"ws{base.removeprefix('http')}" if base.startswith("http") else base
        url = f"{base}/api/v1/pam/ws/{quote(self._config.user_id, safe='')}"
        token = secret(self._tools, self._config.token_file)
        try:
            socket = await connect(
                url,
                additional_headers={"Authorization": f"Bearer {token}"},
                open_timeout=self._config.timeout.total_seconds(),
                close_timeout=1,
                max_size=_FRAME,
                proxy=None,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if way_out := _REFUSALS.get(status):
                raise NotifyError(f"PAM answers {status}; {way_out}", permanent=True) from error
            raise ConnectionError(f"PAM answers {status}") from error
        except InvalidURI as error:
            raise NotifyError(f"url is no address of a WebSocket: {error}", permanent=True) from error
        except InvalidHandshake as error:
            raise ConnectionError(f"no WebSocket answers there: {error}") from error
        return Connection(socket, answer=lambda: self._answer)
