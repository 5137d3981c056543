"""The same key twice has the effect once: a bounded memory of what was done, for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from devops_agent.model.action import Result

KEYS = 1_000


class Once:
    """Remembers the results of the last `keys` executions by their key.

    It outlives no crash. What has to hold over a kill -9 needs a trace in the world (see the actuators), or the
    journal's rule to observe first.
    """

    def __init__(self, keys: int = KEYS) -> None:
        self._keys = keys
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def do(self, key: str, act: Callable[[], Awaitable[Result]]) -> Result:
        """Return what was done under `key`, and do it when nothing was.

        A second caller with the same key waits for the first. An `act` that raises is not remembered, so it may be
        tried again. An empty key is never remembered.
        """
        if not key:
            return await act()
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                return await self._recall_or_do(key, act)
        finally:
            if not lock.locked() and self._locks.get(key) is lock:
                del self._locks[key]

    async def _recall_or_do(self, key: str, act: Callable[[], Awaitable[Result]]) -> Result:
        if (known := self._results.get(key)) is not None:
            self._results.move_to_end(key)
            return known
        result = await act()
        self._results[key] = result
        while len(self._results) > self._keys:
            self._results.popitem(last=False)
        return result
