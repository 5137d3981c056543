"""A channel that keeps what it is handed, and fails when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devops_agent.kit.testing.clock import START
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Message, Receipt


def message(key: str = "INC-1/escalated", **said: object) -> Message:
    """Return a message as the postman hands it over; `said` replaces parts of it."""
    told = Message(
        key=key,
        thread="INC-1",
        kind="escalated",
        severity=Severity.CRITICAL,
        title="INC-1 api: is down",
        says="restarting it did not help",
        target="api",
        next_steps=("look at the log",),
        links={"incident": "https://agent.example.com/incidents/INC-1"},
        facts={"confidence": "92%"},
        at=START,
    )
    return told.with_(**said)


@dataclass(kw_only=True)
class FakeNotifier:
    """Takes messages as a channel does; `told` is what people see there, in order."""

    updates: bool = True
    knows_repeats: bool = False
    trouble: Callable[[Message], Exception | None] = lambda _: None
    """What goes wrong before a message reaches people: an exception to be raised, or None."""
    unheard: Callable[[Message], Exception | None] = lambda _: None
    """What goes wrong after it has reached them."""
    takes: Callable[[Message], float] = lambda _: 0.0
    """Seconds that the other side takes for an answer."""
    handed: list[Message] = field(default_factory=list)
    """Every message that was handed over, whatever came of it."""
    told: list[Message] = field(default_factory=list)
    under_way: int = 0
    most_at_once: int = 0
    closed: bool = False

    async def send(self, message: Message) -> Receipt:
        """Keep a message, once for each key where `knows_repeats`."""
        self.handed.append(message)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            return await self._take(message)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        """Let go of the connection."""
        self.closed = True

    @property
    def keys(self) -> list[str]:
        """The keys of what people see, in order."""
        return [one.key for one in self.told]

    def of_thread(self, thread: str) -> Sequence[Message]:
        """Return what people see of one thread, in order."""
        return [one for one in self.told if one.thread == thread]

    async def _take(self, message: Message) -> Receipt:
        await asyncio.sleep(self.takes(message))
        if (error := self.trouble(message)) is not None:
            raise error
        if not (self.knows_repeats and message.key in self.keys):
            self.told.append(message)
        if (error := self.unheard(message)) is not None:
            raise error
        return Receipt(id=f"fake-{len(self.told)}", data={"key": message.key})
