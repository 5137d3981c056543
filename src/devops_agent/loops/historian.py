"""The historian: keeps how targets were over time, in buckets that are small in memory and written once when full."""

from __future__ import annotations

import logging
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from devops_agent.model.reading import DAY, FIVE_MINUTES, HOUR, Bucket, floor, serves
from devops_agent.store import readings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from devops_agent.config.settings import Polling
    from devops_agent.model.control import Silence
    from devops_agent.model.sighting import Sighting
    from devops_agent.store import Store

log = logging.getLogger("devops_agent.historian")

_KEEP_UNWRITTEN = 50_000
"""Closed buckets that wait in memory for a store that cannot be written; then the oldest are given up."""


class _Spread:
    """Lowest, sum and highest of a reading's values, and how many they are."""

    __slots__ = ("count", "high", "low", "total")

    def __init__(self, value: float) -> None:
        self.low = self.high = self.total = value
        self.count = 1


class _Open:
    """The bucket of one target that is being filled, and how the target was when last looked at."""

    __slots__ = ("at", "counted_to", "excluded", "excluded_seconds", "known_until", "seen", "serves", "spreads", "well")

    def __init__(self, at: datetime, now: datetime) -> None:
        self.at = at
        self.counted_to = now
        self.serves: bool | None = None
        self.known_until = now
        self.excluded = False
        self.well = self.seen = self.excluded_seconds = 0.0
        self.spreads: dict[str, _Spread] = {}


class Historian:
    """Takes what the poller sees, and hands full buckets to the store."""

    def __init__(
        self,
        *,
        store: Store,
        polling: Callable[[], Polling],
        windows: Callable[[datetime], Iterable[Silence]],
        known: Callable[[], Collection[str]],
    ) -> None:
        self._store = store
        self._polling = polling
        self._windows = windows
        self._known = known
        self._open: dict[str, _Open] = {}
        self._closed: list[tuple[str, Bucket]] = []
        self._patterns: frozenset[str] = frozenset()
        self._made: datetime | None = None
        """Up to which bucket of five minutes hours and days are made."""

    def note(self, seen: Sighting) -> None:
        """Count what was seen of a target, and that it was so until now as it was before."""
        name, now = seen.target.name, seen.seen_at
        open_ = self._open.get(name)
        # A clock that was far ahead for a moment would leave nothing to count until that time has come.
        if open_ is None or open_.counted_to > now + FIVE_MINUTES:
            open_ = self._open[name] = _Open(floor(now, FIVE_MINUTES), now)
            open_.excluded = self._is_excluded(name)
        self._count(name, open_, now)
        polling = self._polling()
        open_.serves = serves(seen)
        # A look counts until the next one is well overdue; after that nobody knows.
        open_.known_until = now + 2 * max(polling.well, polling.trouble) + polling.timeout
        spreads = open_.spreads
        for reading, value in seen.readings.items():
            spread = spreads.get(reading)
            if spread is None:
                spreads[reading] = _Spread(value)
                continue
            spread.total += value
            spread.count += 1
            if value < spread.low:
                spread.low = value
            elif value > spread.high:
                spread.high = value

    async def tick(self, now: datetime) -> None:
        """Close the buckets that are over, write them in one transaction, and make hours and days of them."""
        self._follow_windows(now)
        begun = floor(now, FIVE_MINUTES)
        for name, open_ in list(self._open.items()):
            if open_.at < begun:
                self._count(name, open_, now)
        await self._write()
        if begun != self._made:
            await self._make(HOUR, until=begun)
            hours = await self._store.read(lambda rows: readings.made_until(rows, HOUR))
            if hours is not None:
                await self._make(DAY, until=hours)
            self._made = begun

    async def close(self, now: datetime) -> None:
        """Write everything, also what is not full: the next start goes on where this one ends."""
        for name, open_ in self._open.items():
            self._count(name, open_, now)
            self._closed.append((name, _bucket(open_)))
        self._open.clear()
        await self._write()

    def _follow_windows(self, now: datetime) -> None:
        """Drop targets that are gone, and take note of maintenance that begins or ends."""
        known = self._known()
        for gone in self._open.keys() - set(known):
            self._closed.append((gone, _bucket(self._open.pop(gone))))
        patterns = frozenset(window.matchers["target"] for window in self._windows(now))
        if patterns == self._patterns:
            return
        self._patterns = patterns
        for name, open_ in self._open.items():
            self._count(name, open_, now)
            open_.excluded = self._is_excluded(name)

    def _is_excluded(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._patterns)

    def _count(self, name: str, open_: _Open, now: datetime) -> None:
        """Count the time since it was counted last, closing buckets whose end lies within."""
        while now > open_.counted_to:
            end = open_.at + FIVE_MINUTES
            to = min(now, end)
            if open_.excluded:
                open_.excluded_seconds += (to - open_.counted_to).total_seconds()
            elif open_.serves is not None and open_.known_until > open_.counted_to:
                seconds = (min(to, open_.known_until) - open_.counted_to).total_seconds()
                open_.seen += seconds
                open_.well += seconds if open_.serves else 0.0
            open_.counted_to = to
            if to < end:
                return
            if open_.seen or open_.excluded_seconds or open_.spreads:
                self._closed.append((name, _bucket(open_)))
            # Time of which nothing is known is skipped at once, however long it was.
            blank = not open_.excluded and open_.known_until <= end
            open_.at = open_.counted_to = max(floor(now, FIVE_MINUTES), end) if blank else end
            open_.well = open_.seen = open_.excluded_seconds = 0.0
            open_.spreads = {}

    async def _write(self) -> None:
        if not self._closed:
            return
        closed, self._closed = self._closed, []
        try:
            await self._store.write(lambda rows: readings.add(rows, closed), tell=("readings",))
        except BaseException:
            self._closed = [*closed, *self._closed][-_KEEP_UNWRITTEN:]
            raise

    async def _make(self, step: timedelta, *, until: datetime) -> None:
        progress = await self._store.read(lambda rows: readings.next_to_make(rows, step, until=until))
        while progress is not None:
            at = progress
            progress = await self._store.write(lambda rows: readings.make(rows, step, at))  # noqa: B023 — awaited at once
            if progress is None:
                progress = await self._store.read(lambda rows: readings.next_to_make(rows, step, until=until))


def _bucket(open_: _Open) -> Bucket:
    return Bucket(
        at=open_.at,
        lasts=FIVE_MINUTES,
        well_seconds=open_.well,
        seen_seconds=open_.seen,
        excluded_seconds=open_.excluded_seconds,
        readings={
            name: (spread.low, min(max(spread.total / spread.count, spread.low), spread.high), spread.high)
            for name, spread in open_.spreads.items()
        },
        looks={name: spread.count for name, spread in open_.spreads.items()},
    )
