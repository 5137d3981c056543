"""One connection to PAM: who waits for which receipt, and a task that reads what comes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeAlias

from devops_agent.plugins.pam import protocol
from devops_agent.ports import NotifyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from websockets.asyncio.client import ClientConnection

log = logging.getLogger("devops_agent.notify.pam")

Answering: TypeAlias = "Callable[[str], Awaitable[str]]"
"""A question's words → its answer."""

_QUESTIONS = 4
"""Questions that are answered at once; more wait."""
_WAITING = 100
"""Questions that wait at most; further ones get no answer."""


class Connection:
    """An open WebSocket; it ends when PAM goes away, and is then replaced by another."""

    def __init__(self, socket: ClientConnection, *, answer: Callable[[], Answering | None]) -> None:
        self._socket = socket
        self._answer = answer
        self._receipts: dict[str, asyncio.Future[None]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(_QUESTIONS)
        self.reading = asyncio.create_task(self._read())
        """Ends with the connection."""

    @property
    def open(self) -> bool:
        """Whether it can still be used."""
        return not self.reading.done()

    async def tell(self, id_: str, frame: str) -> None:
        """Send a notification and wait for its receipt.

        Raises:
            ConnectionError: the connection ended first; nobody knows whether it was taken.
            NotifyError: PAM refused it.

        """
        from websockets.exceptions import ConnectionClosed

        receipt = self._receipts.setdefault(id_, asyncio.get_running_loop().create_future())
        try:
            await self._socket.send(frame)
            await asyncio.shield(receipt)
        except ConnectionClosed as error:
            raise ConnectionError(str(error)) from error
        finally:
            self._receipts.pop(id_, None)

    async def close(self) -> None:
        """End it."""
        await self._socket.close()
        await asyncio.gather(self.reading, return_exceptions=True)

    async def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            async for frame in self._socket:
                self._take(protocol.read(frame))
        except ConnectionClosed as error:
            log.info("PAM went away", extra={"why": str(error)})
        finally:
            for task in self._answering:
                task.cancel()
            for receipt in self._receipts.values():
                if not receipt.done():
                    receipt.set_exception(ConnectionError("the connection ended before the receipt"))
                    receipt.exception()  # whoever waited may have given up; then nobody else looks at it
            await self._socket.close()

    def _take(self, said: protocol.Said | None) -> None:
        match said:
            case protocol.Said(type="receipt", id=id_) if id_ in self._receipts:
                _settle(self._receipts[id_], None)
            case protocol.Said(type="refused", id=id_, reason=reason) if id_ in self._receipts:
                _settle(self._receipts[id_], NotifyError(f"PAM refuses it: {reason[:200]}", permanent=True))
            case protocol.Said(type="question") if len(self._answering) >= _WAITING:
                log.warning("PAM asks faster than it is answered; a question is passed over")
            case protocol.Said(type="question") if (answer := self._answer()) is not None:
                task = asyncio.create_task(self._reply(said, answer))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case _:
                log.debug("PAM said something unknown")

    async def _reply(self, said: protocol.Said, answer: Answering) -> None:
        from websockets.exceptions import ConnectionClosed

        async with self._turns:
            try:
                text = await answer(said.question)
            except Exception:  # a question that cannot be answered must not end the connection
                log.exception("PAM's question was not answered")
                text = "I cannot look that up now; the page shows it."
            try:
                await self._socket.send(protocol.answer(said.id, text))
            except ConnectionClosed:
                log.info("PAM went away before its question was answered")


def _settle(receipt: asyncio.Future[None], error: NotifyError | None) -> None:
    if receipt.done():
        return
    if error is None:
        receipt.set_result(None)
    else:
        receipt.set_exception(error)
