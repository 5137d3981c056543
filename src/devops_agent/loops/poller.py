"""The poller: looks at every target, more often in trouble, and raises alerts for what it sees."""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import random
from collections import Counter
from typing import TYPE_CHECKING

from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.watch import Patience, Watch, advance, begin_again, recalled
from devops_agent.store.rows import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from devops_agent.config.settings import Polling
    from devops_agent.engine.look import Eyes
    from devops_agent.engine.receive import Received
    from devops_agent.model.alert import Alert
    from devops_agent.model.directory import Directory
    from devops_agent.model.target import Target
    from devops_agent.model.view import View
    from devops_agent.ports import Clock

log = logging.getLogger("devops_agent.poller")

_FIRST_WITHIN = 2.0  # seconds over which the first polls after a start are spread
_IDLE = 0.5
_UNHURRIED = 2.0
_BEAT = 0.2
"""Seconds. Polls at least `_UNHURRIED` seconds away begin on a beat: of 1,000 every 10 s, many share a wake-up, which
costs two fifths less.
"""


class Poller:
    """Keeps a queue of due polls and what each target's looks add up to."""

    def __init__(
        self,
        *,
        eyes: Eyes,
        receive: Callable[[Sequence[Alert]], Awaitable[Received]],
        polling: Callable[[], Polling],
        directory: Callable[[], Directory],
        clock: Clock,
    ) -> None:
        self._eyes = eyes
        self._receive = receive
        self._polling = polling
        self._directory = directory
        self._clock = clock
        self._watches: dict[str, Watch] = {}
        self._due: list[tuple[float, int, str]] = []
        self._turn: dict[str, int] = {}
        """Target → number of its only valid entry in the queue: an earlier poll replaces a later one."""
        self._rounds: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._chance = random.Random()  # noqa: S311 — spreads polls, guards nothing
        self._wake = asyncio.Event()
        self.sightings: dict[str, Sighting] = {}
        self.unsaved: set[str] = set()
        """Targets whose sighting is newer than the store's."""
        self.polls = 0
        self.lateness: list[float] = []
        """Seconds by which polls began late, since somebody took them."""
        self.changed: Callable[[Sighting], None] = lambda _: None
        """Called with what is seen when a target's health has changed."""
        self.on = True

    def follow(self) -> None:
        """Take note of the targets of now: new ones are looked at soon, those that are gone are forgotten."""
        names = {target.name for target in self._directory()}
        for gone in self._turn.keys() - names:
            del self._turn[gone]
            for memory in (self._watches, self.sightings, self._rounds):
                memory.pop(gone, None)
        for name in names - self._turn.keys():
            self._schedule(name, self._chance.random() * min(_FIRST_WITHIN, len(names) / 100))
        self._wake.set()

    def recall(self, firing: Iterable[Alert]) -> None:
        """Remember what fires since before this start; else nobody would ever say that it ended."""
        for alert in firing:
            name = alert.labels["devops_agent_target"]
            self._watches[name] = recalled(self._watches.get(name, Watch()), alert)

    def soon(self, name: str) -> None:
        """Look at a target now: something happened to it."""
        if name in self._turn:
            self._schedule(name, 0.0)
            self._wake.set()

    async def run(self) -> None:
        """Begin polls as they become due; until cancelled."""
        while True:
            self._wake.clear()
            wait = self._begin_due() if self.on else _IDLE
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    async def drain(self) -> None:
        """Let the polls under way end."""
        self.on = False
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def tell(self, now: datetime) -> None:
        """Log how all targets are: that checks go on, without a line for each."""
        del now
        health = Counter(one.health.value for one in self.sightings.values())
        if health:
            log.info("health checks", extra={"targets": len(self.sightings), **health, "polls": self.polls})

    def _begin_due(self) -> float:
        """Begin what is due while there is room; return seconds until the next is."""
        now = self._clock.monotonic()
        while self._due and self._due[0][0] <= now and len(self._tasks) < self._polling().concurrent:
            due, turn, name = heapq.heappop(self._due)
            target = self._directory().get(name)
            if target is None or self._turn.get(name) != turn:
                continue
            self.lateness.append(now - due)
            task = asyncio.create_task(self._poll(target, turn))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        if not self._due or self._due[0][0] <= now:
            return _IDLE
        return min(self._due[0][0] - now, _IDLE)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._due and self._due[0][0] <= self._clock.monotonic():
            self._wake.set()

    async def _poll(self, target: Target, turn: int) -> None:
        try:
            await self.look_at(target)
        except StoreError as error:
            log.warning("cannot write what was seen, looks again", extra={"target": target.name, "error": str(error)})
        except Exception:  # the edge of a poll: the target is looked at again
            log.exception("poll failed", extra={"target": target.name})
        finally:
            if self._turn.get(target.name) == turn:  # else `soon` asked for another look meanwhile
                self._schedule(target.name, self._interval(target.name))

    async def look_at(self, target: Target) -> View:
        """Look at a target once, remember it, and hand on the alerts that follow."""
        polling = self._polling()
        round_ = self._rounds.get(target.name, -1) + 1
        self._rounds[target.name] = round_
        due = tuple(check for check in target.checks if round_ % max(check.every, 1) == 0)
        partial = target if len(due) == len(target.checks) else target.with_(checks=due)
        view = await self._eyes.look(partial)
        self.polls += 1
        log.debug("health check", extra={"target": target.name, "health": view.health.value, "says": view.says})
        if self._directory().get(target.name) is None:
            return view  # it went while it was looked at; remembered, it would count as one in trouble for ever
        self._remember(target, view)
        patience = Patience(
            rise=polling.rise,
            fall=polling.fall,
            flapping_changes=polling.flapping_changes,
            flapping_window=polling.flapping_window,
        )
        watch, alerts = advance(
            self._watches.get(target.name, Watch()), view, target=target, patience=patience, now=view.at
        )
        self._watches[target.name] = watch
        if alerts:
            await self._hand_on(target, alerts)
        return view

    async def _hand_on(self, target: Target, alerts: Sequence[Alert]) -> None:
        received = await self._receive(alerts)
        if received.ended:
            kinds = frozenset(alert.labels["devops_agent_kind"] for alert in received.ended)
            self._watches[target.name] = begin_again(self._watches[target.name], kinds, now=self._clock.now())

    def _remember(self, target: Target, view: View) -> None:
        before = self.sightings.get(target.name)
        health = view.health
        if health is Health.UNKNOWN and before is not None:
            health = before.health  # a look that saw nothing vital says nothing new
        since = before.since if before is not None and before.health is health else view.at
        readings = {**(before.readings if before else {}), **view.readings}
        known = before.results if before else {}
        self.sightings[target.name] = Sighting(
            target=target,
            health=health,
            since=since,
            seen_at=view.at,
            says=view.says,
            readings=readings,
            results={check.name: known[check.name] for check in target.checks if check.name in known}
            | view.results(target),
        )
        self.unsaved.add(target.name)
        if before is not None and before.health is not health:
            log.info(
                "health changed",
                extra={"target": target.name, "was": before.health.value, "health": health.value, "says": view.says},
            )
            self.changed(self.sightings[target.name])

    def _interval(self, name: str) -> float:
        polling = self._polling()
        watch = self._watches.get(name)
        sighting = self.sightings.get(name)
        trouble = (watch is not None and watch.in_trouble) or (
            sighting is not None and sighting.health is Health.STARTING
        )
        seconds = (polling.trouble if trouble else polling.well).total_seconds()
        return seconds * (1 + polling.jitter * (2 * self._chance.random() - 1))

    def _schedule(self, name: str, seconds: float) -> None:
        if name not in self._turn and self._directory().get(name) is None:
            return
        turn = self._turn.get(name, 0) + 1
        self._turn[name] = turn
        due = self._clock.monotonic() + seconds
        if seconds >= _UNHURRIED:
            due = math.ceil(due / _BEAT) * _BEAT
        heapq.heappush(self._due, (due, turn, name))
