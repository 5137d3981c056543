"""Remembers what was said and is on the disk, so that saying it again costs next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

K = TypeVar("K")
V = TypeVar("V")


class Memory(Generic[K, V]):
    """A mapping that forgets: each entry lasts between one and two spans, and no more than `2 * most` are held.

    Two generations and no clock for each entry: asking is one or two look-ups. Entries are not renewed by being asked
    for, so that what is repeated for hours still reaches the store every few minutes.
    """

    def __init__(self, *, most: int, span: float) -> None:
        self._most = most
        self._span = span
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._turned_at = 0.0

    def __contains__(self, key: K) -> bool:
        """Whether it was remembered and is not forgotten yet."""
        return key in self._young or key in self._old

    def get(self, key: K) -> V | None:
        """Return what was remembered with `key`; None when it is forgotten."""
        found = self._young.get(key)
        return self._old.get(key) if found is None else found

    def turn(self, now: float) -> None:
        """Forget what is too old at `now` (monotonic seconds); to be called before asking."""
        if now - self._turned_at >= self._span:
            self._old = self._young if now - self._turned_at < 2 * self._span else {}
            self._young = {}
            self._turned_at = now

    def add(self, entries: Mapping[K, V]) -> None:
        """Remember."""
        self._young.update(entries)
        if len(self._young) > self._most:
            self._old = self._young
            self._young = {}
