"""How far actions are trusted, in one line: counted now and then, beside the page that shows it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.engine.lessons import lessons
from devops_agent.model.target import Trust
from devops_agent.store import targets
from devops_agent.store.rows import StoreError
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

_FOR = timedelta(minutes=1)
_SAYS = {
    Trust.AUTO: "without asking",
    Trust.NOTIFY: "told afterwards",
    Trust.ASK: "after asking",
    Trust.OBSERVE: "never",
}

Summary = tuple[tuple[str, int], ...]
"""(what they may, how many actions against a fault class on a target), the most trusted first."""


class Trusted:
    """Counts over the whole record take a while after years, so nobody waits for them: the last ones are told."""

    def __init__(self) -> None:
        self._last: Summary | None = None
        self._at: datetime | None = None
        self._counting: asyncio.Task[None] | None = None

    def told(self, desk: Desk) -> Summary | None:
        """Return the last counts, None before the first; when they are old, begin to count anew."""
        now = desk.parts.clock.now()
        idle = self._counting is None or self._counting.done()
        if idle and (self._at is None or now - self._at > _FOR):
            self._at = now
            self._counting = asyncio.create_task(self.count(desk))
        return self._last

    def close(self) -> None:
        """Count no more."""
        if self._counting is not None:
            self._counting.cancel()

    async def count(self, desk: Desk) -> None:
        """Count now."""
        with contextlib.suppress(ProblemError, StoreError):  # the store cannot be asked; it is tried again soon
            self._last = await desk.read(lambda rows: _counted(rows, desk))


def _counted(rows: Rows, desk: Desk) -> Summary:
    known = [one.target for one in targets.all_(rows)]
    found = lessons(
        rows,
        settings=desk.parts.settings(),
        actions=desk.parts.actions().values(),
        targets=known,
        now=desk.parts.clock.now(),
    )
    counts = Counter(one.standing.level for one in found.actions)
    return tuple((says, counts[level]) for level, says in _SAYS.items() if counts[level])
