"""Lines: how each channel does, and with how much it may be trusted at this moment."""

from __future__ import annotations

from datetime import datetime, timedelta

from devops_agent.durable.retry import backoff

AT_ONCE = 8
"""Messages that one channel is handed at the same time."""
_DOWN = 5
"""Failures in a row after which a channel counts as down."""
_MOST = timedelta(minutes=1)
"""The longest rest between two tries whether a channel is back."""
_LONGEST_WISH = timedelta(hours=1)
"""For so long at most a channel is left alone because it asked for it."""


class Line:
    """One channel: once it fails again and again, one message at a time finds out whether it is back.

    The others then wait without being tried, so that a channel is not hammered, and what waits keeps its order.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._rests_until: datetime | None = None
        self.under_way = 0
        """Messages that it has been handed and not answered."""

    @property
    def down(self) -> bool:
        """Whether it fails again and again."""
        return self._failures >= _DOWN

    def room(self, now: datetime) -> int:
        """Return how many more messages it may be handed now."""
        if self._rests_until is not None and now < self._rests_until:
            return 0
        return max(0, (1 if self.down else AT_ONCE) - self.under_way)

    def opens(self, now: datetime) -> datetime | None:
        """Return until when it rests; None when it does not."""
        return self._rests_until if self._rests_until is not None and self._rests_until > now else None

    def answered(self) -> bool:
        """Note that it works; return whether it was down."""
        was_down, self._failures, self._rests_until = self.down, 0, None
        return was_down

    def failed(self, now: datetime, *, after: timedelta | None) -> None:
        """Note that it does not work; `after`: how long it wants to be left."""
        self._failures += 1
        rest = backoff(self._failures - _DOWN + 1, most=_MOST) if self.down else timedelta()
        rest = max(rest, min(after or rest, _LONGEST_WISH))
        if rest:
            self._rests_until = max(now + rest, self._rests_until or now)
