"""Carries out clean-up rules in small slices and keeps account of every file."""

from __future__ import annotations

import heapq
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from devops_agent.plugins.host.compress import PART, SUFFIX, CannotCompressError, compress
from devops_agent.plugins.host.config import Config, Rule, Way
from devops_agent.plugins.host.inuse import InUse
from devops_agent.plugins.host.roots import open_root, refusal
from devops_agent.plugins.host.walk import Found, Mark, look, same, walk
from devops_agent.ports import PluginError

_TOLD = 200
"""How many files are named in a result."""
_NANO = 1_000_000_000


@dataclass(kw_only=True)
class Account:
    """What was done, or with `dry_run` would be done."""

    dry_run: bool
    files: int = 0
    freed: int = 0
    """Bytes; a dry run counts what is compressed in full."""
    refusals: int = 0
    done: list[dict[str, object]] = field(default_factory=list)
    """The first 200: `path`, `action`, `bytes`."""
    refused: list[dict[str, object]] = field(default_factory=list)
    """The first 200: `path`, `reason`."""

    def book(self, path: str, action: Way, size: int) -> None:
        """Enter a file that was cleaned."""
        self.files += 1
        self.freed += size
        if len(self.done) < _TOLD:
            self.done.append({"path": path, "action": str(action), "bytes": size})

    def refuse(self, path: str, reason: str) -> None:
        """Enter a file or root that stays as it is."""
        self.refusals += 1
        if len(self.refused) < _TOLD:
            self.refused.append({"path": path, "reason": reason})

    @property
    def says(self) -> str:
        """The account in one sentence."""
        verb = "would clean" if self.dry_run else "cleaned"
        first = f"; left alone: {self.refusals}, such as {_reason(self.refused[0])}" if self.refused else ""
        return f"{verb} {self.files} files, {self.freed / 1_000_000:.1f} MB{' freed' * (not self.dry_run)}{first}"


def sweep(rules: Sequence[Rule], *, config: Config, now: float, account: Account) -> Iterator[None]:
    """Carry out the rules one after the other; each step of the iterator is a moment to pause or to end.

    `now` is in seconds since 1970. What cannot be cleaned is entered with its reason, and the next one is taken.
    """
    in_use = InUse()
    for rule in rules:
        if reason := refusal(rule.root, config.allowed_roots):
            account.refuse(rule.root, reason)
            continue
        try:
            root = open_root(rule.root)
        except PluginError as error:
            account.refuse(rule.root, str(error))
            continue
        try:
            yield from _Sweep(rule, root, config, in_use, account).run(now)
        finally:
            os.close(root)


class _Sweep:
    """One rule on its open root."""

    def __init__(self, rule: Rule, root: int, config: Config, in_use: InUse, account: Account) -> None:
        self._rule = rule
        self._root = root
        self._cross_devices = config.cross_devices
        self._in_use = in_use
        self._account = account

    def run(self, now: float) -> Iterator[None]:
        kept = yield from self._newest()
        before = (now - self._rule.older_than.total_seconds()) * _NANO
        for folder, found in self._matching():
            if found and found.written <= before and found.mark not in kept:
                yield from self._clean(folder, found)
            yield

    def _newest(self) -> Generator[None, None, set[Mark]]:
        """Find the files that always stay; only they are held in memory, however many there are."""
        newest: list[tuple[int, Mark]] = []
        for _, found in self._matching() if self._rule.keep else ():
            if found:
                heapq.heappush(newest, (found.written, found.mark))
            if len(newest) > self._rule.keep:
                heapq.heappop(newest)
            yield
        return {mark for _, mark in newest}

    def _matching(self) -> Iterator[tuple[int, Found | None]]:
        for step in walk(self._root, cross_devices=self._cross_devices):
            if step is None:
                yield -1, None
            elif matches(self._rule, step[1]):
                yield step

    def _clean(self, folder: int, found: Found) -> Iterator[None]:
        path = f"{self._rule.root.rstrip('/')}/{found.path}"
        held = self._in_use.holds(found.mark)
        if held and not (self._rule.action is Way.COMPRESS and self._rule.truncate_open):
            self._account.refuse(path, "a process has it open")
            return
        if self._account.dry_run:
            self._account.book(path, self._rule.action, found.size)
            return
        try:
            if self._rule.action is Way.COMPRESS:
                freed = yield from compress(folder, found, truncate=held)
            else:
                freed = _delete(folder, found)
        except CannotCompressError as error:
            self._account.refuse(path, str(error))
        except OSError as error:
            self._account.refuse(path, error.strerror or str(error))
        else:
            self._account.book(path, self._rule.action, freed)


def matches(rule: Rule, found: Found) -> bool:
    """Whether a file has one of the rule's names and is large enough; what is compressed is not compressed again."""
    if found.size < rule.min_size or (rule.action is Way.COMPRESS and found.name.endswith((SUFFIX, PART))):
        return False
    return any(_fits(pattern, found) for pattern in rule.patterns)


def _fits(pattern: str, found: Found) -> bool:
    if "/" not in pattern:
        return fnmatchcase(found.name, pattern)
    wanted, given = pattern.strip("/").split("/"), (*found.folder, found.name)
    return len(wanted) == len(given) and all(map(fnmatchcase, given, wanted))


def _delete(folder: int, found: Found) -> int:
    if not same(found, look(folder, found.name)):
        raise OSError(0, "it changed meanwhile")
    os.unlink(found.name, dir_fd=folder)
    return found.size if found.links == 1 else 0


def _reason(refused: dict[str, object]) -> str:
    return f"{refused['path']}: {refused['reason']}"
