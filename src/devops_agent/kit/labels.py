"""By which label a monitoring system knows a target, and how PromQL and LogQL say so without being broken into."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import chain
from urllib.parse import urlsplit

from devops_agent.model.target import Target
from devops_agent.ports import Clock, PluginError

_KEPT = timedelta(minutes=2)
_KEPT_WHEN_UNKNOWN = timedelta(seconds=15)
"""A target that nothing was known of may just have been started."""


def quoted(text: str) -> str:
    """Write a text as a string of PromQL or LogQL: nothing in it can end the string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped.replace(chr(0), "")}"'


def matcher(label: str, values: Sequence[str]) -> str:
    """Return the matcher that selects these values of a label: `job="api"`, or `job=~"api|till"`."""
    if len(values) == 1:
        return f"{label}={quoted(values[0])}"
    return f"{label}=~{quoted('|'.join(map(re.escape, values)))}"


def names_of(target: Target) -> tuple[str, ...]:
    """Return what a label's value may be when it means this target; `host:port` is what `instance` has."""
    urls = (check.url for check in target.checks if check.url)
    places = (urlsplit(url).netloc if "://" in url else url for url in urls)
    hosts = (place.rpartition("@")[2] for place in places)
    return tuple(dict.fromkeys(name for name in chain((target.name, target.ref), target.aliases, hosts) if name))


class LabelBook:
    """Remembers for a while which values the labels have that may carry a target's name."""

    def __init__(
        self, order: Iterable[str], *, values: Callable[[str], Awaitable[Collection[str]]], clock: Clock
    ) -> None:
        """Build an empty book.

        Args:
            order: the labels, the most telling first.
            values: asks the monitoring system for the values of one label.
            clock: tells how old the book is.

        """
        self._order = tuple(order)
        self._ask = values
        self._clock = clock
        self._read_at: float | None = None
        self._values: dict[str, frozenset[str]] = {}

    async def carrying(self, targets: Iterable[Target]) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
        """Return for each target's name the labels that carry it, in order, each with the values that mean it.

        Raises:
            PluginError: the monitoring system cannot be asked.

        """
        names = {target.name: names_of(target) for target in targets}
        if self._older_than(_KEPT):
            await self._read()
        found = {target: list(self._found(given)) for target, given in names.items()}
        if not all(found.values()) and self._older_than(_KEPT_WHEN_UNKNOWN):
            await self._read()
            found = {target: list(self._found(given)) for target, given in names.items()}
        return found

    def _found(self, names: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        for label in self._order:
            known = self._values.get(label, frozenset())
            if values := tuple(name for name in names if name in known):
                yield label, values

    def _older_than(self, age: timedelta) -> bool:
        return self._read_at is None or self._clock.monotonic() - self._read_at > age.total_seconds()

    async def _read(self) -> None:
        values: dict[str, frozenset[str]] = {}
        refused: PluginError | None = None
        for label in self._order:
            try:
                values[label] = frozenset(await self._ask(label))
            except PluginError as error:
                # One label may have too many values to be listed; when the system is away, no other will answer.
                if error.retryable:
                    raise
                refused = error
        if refused is not None and not values:
            raise refused
        self._values, self._read_at = values, self._clock.monotonic()
