"""Learning: what a record of outcomes says of a strategy, of waiting instead, and of how far an action is trusted.

Pure: every judgement here is a function of records, so that each can be replayed from what was stored.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from devops_agent.model.attempt import Outcome
from devops_agent.model.fact import Fact
from devops_agent.model.target import Trust

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HELPED, USELESS, HARMFUL, MENDED = "helped", "useless", "harmful", "mended"
"""What a person may say of an outcome; `mended`: a person did it, nothing here did, and it was not over by itself."""

_SLIGHTLY_KNOWN = 2.0
"""Trials that the belief about a strategy never tried counts for: Beta(1, 1)."""
_ELSEWHERE_COUNTS = 8.0
"""Trials on this target that the record of all others counts for at most: what is learnt here soon weighs more."""
_WAITS_BEFORE = 10.0
"""Waits that the belief before any wait counts for, ..."""
_HEALS_ITSELF_BEFORE = 0.1
"""... of which this share is over by itself."""


class Terms(Fact, kw_only=True):
    """How outcomes count."""

    earned_trust: bool = True
    """Whether trust rises and falls with outcomes, under the ceiling. Off: it stays where `guard` lets it start."""
    bar: float = 0.5
    """Share by which an action has to heal more often than waiting does, for its trust to rise a rung."""
    certainty: float = 0.95
    """How sure that has to be: the bar is compared with the lower bound of what so few outcomes say."""
    minimum: int = 5
    """Verified successes that a rise takes at the least."""
    rest: timedelta = timedelta(days=7)
    """How long trust in an action cannot rise after a person called it harmful."""
    memory: timedelta = timedelta(days=90)
    """Outcomes older than this count for nothing; what is stated and what turned out right is compared as long, too."""
    half_life: timedelta = timedelta(days=30)
    """After so long an outcome counts half in the choice between runbooks."""
    other_version: float = 0.5
    """What an outcome with another version of the target counts in that choice."""
    calibrate: bool = True
    """Whether confidence is corrected by how often such confidence was right. Off: it is published as it is stated."""


class Tried(Fact, kw_only=True):
    """A plan that was carried out, and what came of it."""

    at: datetime
    incident: str
    target: str
    kind: str
    runbook: str
    actions: tuple[str, ...] = ()
    version: str = ""
    """The target's image when it is known, else the agent's version."""
    outcome: Outcome
    relapsed: bool = False
    """The trouble was back within minutes."""
    word: str = ""
    """A person's word on it: `helped`, `useless`, `harmful`; empty: none. It goes before the machine's inference."""
    word_at: datetime | None = None

    @property
    def healed(self) -> bool:
        """Whether it helped, and for good."""
        return self.word == HELPED or (not self.word and self.outcome is Outcome.HEALED and not self.relapsed)

    @property
    def harmed(self) -> bool:
        """Whether it left things changed for the worse, or nobody knows how."""
        return self.word == HARMFUL or (not self.word and self.outcome in (Outcome.UNDONE, Outcome.UNCLEAR))


class Record(Fact, kw_only=True):
    """How a strategy fared against a fault class: plain counts for people, weighted ones for judging."""

    here: tuple[int, int] = (0, 0)
    """(healed, tried) on this target."""
    elsewhere: tuple[int, int] = (0, 0)
    """The same on all others."""
    here_weighted: tuple[float, float] = (0.0, 0.0)
    """(healed, tried), older outcomes and those with other versions counting less."""
    elsewhere_weighted: tuple[float, float] = (0.0, 0.0)

    @property
    def belief(self) -> tuple[float, float]:
        """Parameters (a, b) of the Beta distribution of its success here.

        The record of all other targets, itself a Beta(1, 1) updated, is the prior for this one, worth at most some
        trials; so a target without a record borrows that of all, and its own outweighs it as it grows (partial pooling,
        Gelman et al., Bayesian Data Analysis, chapter 5, with a fixed instead of a fitted weight).
        """
        healed, tried = self.elsewhere_weighted
        mean = (healed + 1) / (tried + 2)
        worth = _SLIGHTLY_KNOWN + min(tried, _ELSEWHERE_COUNTS)
        healed, tried = self.here_weighted
        return mean * worth + healed, (1 - mean) * worth + tried - healed

    @property
    def known(self) -> bool:
        """Whether it was ever tried."""
        return self.here[1] + self.elsewhere[1] > 0

    @property
    def mean(self) -> float:
        """The expected share of successes here."""
        a, b = self.belief
        return a / (a + b)

    @property
    def says(self) -> str:
        """The plain counts in words."""
        told = [f"{self.here[0]} of {self.here[1]} here"] if self.here[1] else []
        told += [f"{self.elsewhere[0]} of {self.elsewhere[1]} elsewhere"] if self.elsewhere[1] else []
        return ", ".join(told)


class Waited(Fact, kw_only=True):
    """What became of trouble of a fault class that was left alone for as long as a plan may take.

    Told by incidents in monitoring-only mode, by refusals, and by questions that waited for their answer.
    """

    here: tuple[int, int] = (0, 0)
    """(was over by itself, was left alone) on this target."""
    elsewhere: tuple[int, int] = (0, 0)

    @property
    def belief(self) -> tuple[float, float]:
        """Parameters (a, b) of the Beta distribution of the share that heals by itself here; pooled as in `Record`."""
        over, n = self.elsewhere
        mean = (over + _HEALS_ITSELF_BEFORE * _WAITS_BEFORE) / (n + _WAITS_BEFORE)
        return mean * _WAITS_BEFORE + self.here[0], (1 - mean) * _WAITS_BEFORE + self.here[1] - self.here[0]

    @property
    def known(self) -> bool:
        """Whether such trouble was ever left alone."""
        return self.here[1] + self.elsewhere[1] > 0

    @property
    def mean(self) -> float:
        """The expected share that heals by itself here."""
        a, b = self.belief
        return a / (a + b)


def record_of(trials: Iterable[Tried], *, target: str, version: str, terms: Terms, now: datetime) -> Record:
    """Return the record of one strategy against one fault class, as it counts for `target` at `version`."""
    here, elsewhere = [0, 0], [0, 0]
    here_weighted, elsewhere_weighted = [0.0, 0.0], [0.0, 0.0]
    for one in trials:
        age = max(now - one.at, timedelta())
        if age > terms.memory:
            continue
        weight = 0.5 ** (age / terms.half_life) * (1.0 if one.version == version else terms.other_version)
        counts, weighted = (here, here_weighted) if one.target == target else (elsewhere, elsewhere_weighted)
        counts[0] += one.healed
        counts[1] += 1
        weighted[0] += weight * one.healed
        weighted[1] += weight
    return Record(
        here=(here[0], here[1]),
        elsewhere=(elsewhere[0], elsewhere[1]),
        here_weighted=(here_weighted[0], here_weighted[1]),
        elsewhere_weighted=(elsewhere_weighted[0], elsewhere_weighted[1]),
    )


def records_of(
    trials: Iterable[Tried], *, versions: Mapping[str, str], terms: Terms, now: datetime
) -> dict[str, Record]:
    """Return target → its record, as `record_of` does, for many targets in one pass; `versions` holds target → version.

    Elsewhere is what is left of the sums over all targets when those of one are taken away.
    """
    here: dict[str, dict[str, _Sums]] = {name: {} for name in versions}
    every: dict[str, _Sums] = {}
    for one in trials:
        age = max(now - one.at, timedelta())
        if age > terms.memory:
            continue
        weight = 0.5 ** (age / terms.half_life)
        every.setdefault(one.version, _Sums()).add(weight, healed=one.healed)
        if one.target in here:
            here[one.target].setdefault(one.version, _Sums()).add(weight, healed=one.healed)
    found = {}
    for name, version in versions.items():
        factors = {other: 1.0 if other == version else terms.other_version for other in every}
        ours, all_ = _together(here[name], factors), _together(every, factors)
        found[name] = Record(
            here=(ours.healed, ours.tried),
            elsewhere=(all_.healed - ours.healed, all_.tried - ours.tried),
            here_weighted=(ours.healed_weight, ours.weight),
            elsewhere_weighted=(
                max(all_.healed_weight - ours.healed_weight, 0.0),
                max(all_.weight - ours.weight, 0.0),
            ),
        )
    return found


class _Sums:
    """Trials counted, and weighed."""

    __slots__ = ("healed", "healed_weight", "tried", "weight")

    def __init__(self) -> None:
        self.healed = self.tried = 0
        self.healed_weight = self.weight = 0.0

    def add(self, weight: float, *, healed: bool) -> None:
        self.healed += healed
        self.tried += 1
        self.healed_weight += weight * healed
        self.weight += weight


def _together(by_version: Mapping[str, _Sums], factors: Mapping[str, float]) -> _Sums:
    total = _Sums()
    for version, part in by_version.items():
        total.healed += part.healed
        total.tried += part.tried
        total.healed_weight += factors[version] * part.healed_weight
        total.weight += factors[version] * part.weight
    return total


def draw(record: Record, *, seed: str) -> float:
    """Return what a strategy is believed to be worth in this one choice: a draw from its belief (Thompson 1933).

    The strategy with the highest draw is chosen with the probability that it is the best, which is all the exploring
    that pays: a poor record is tried ever more rarely, an unsure one often. An upper bound (UCB) would be as good on
    average, but would make the same choice for every incident until the next outcome is in, so that ten incidents at
    once would all explore the same way. The seed is made from the incident and the number of the try: the same
    question has the same answer whenever it is asked again.
    """
    a, b = record.belief
    return random.Random(seed).betavariate(a, b)  # noqa: S311 — a choice that can be repeated is what is wanted


def credit(record: Record, waited: Waited) -> float:
    """Return the share of troubles that the strategy heals and waiting would not have: 0 to 1."""
    return max(record.mean - waited.mean, 0.0)


class Standing(Fact, kw_only=True):
    """How far an action is trusted with a fault class on a target, and why."""

    action: str = ""
    level: Trust
    says: str
    successes: int = 0
    """Verified ones since the last fall."""
    trials: int = 0
    """Plans remembered."""
    lower: float = 0.0
    """Lower bound of the share by which it heals more often than waiting, since the last fall."""


def stand(  # noqa: PLR0913 — a standing rests on these
    action: str, *, start: Trust, top: Trust, trials: Sequence[Tried], waited: Waited, terms: Terms, now: datetime
) -> Standing:
    """Return where trust stands after `trials`, oldest first: from `start`, one rung at a time, at most up to `top`.

    - It rises a rung when the lower bound of the share healed, less the share that heals by itself, is over the bar,
      and enough successes were verified since it last moved.
    - What was earned goes with the first failure. What people gave at the start goes a rung at a time on harm, or when
      it hardly ever helps: when even the upper bound of the share healed is under half the bar. That something crashes
      in a loop now and then is no reason to ask about every restart; strikes and the breaker see to that. However often
      it is tried in vain on one incident, that is one failure: the next may have another cause.
    - A person's word "harmful" takes it to `ask` at once, and no success counts for a rise until the rest is over.
    - Successes of a time that is still to come, for the clock was ahead, count when it has come: no rest is cut short.
    - Nothing takes it below `ask`: from there a person decides each time, and what they let happen counts again.
    """
    climb = _Climb(start=start, top=top, waited=waited, terms=terms)
    remembered = [one for one in trials if now - one.at <= terms.memory and (one.at <= now or not one.healed)]
    for one in remembered:
        climb.hear(one)
    return Standing(
        action=action,
        level=climb.level,
        says=f"{climb.says}{climb.resting(now)}",
        successes=climb.healed,
        trials=len(remembered),
        lower=climb.lower(),
    )


class _Climb:
    """One walk through the trials; lives for one call of `stand`."""

    def __init__(self, *, start: Trust, top: Trust, waited: Waited, terms: Terms) -> None:
        self._start, self._top = start, top
        self._waited, self._terms = waited, terms
        self.level = start
        self.says = "as it starts"
        self.healed = self._tried = self._since_move = 0
        self._rests_until: datetime | None = None
        self._failed_in = ""

    def hear(self, one: Tried) -> None:
        if one.word == HARMFUL:
            self._rests_until = (one.word_at or one.at) + self._terms.rest
            self._fall(Trust.ASK, f"{one.incident}: a person called it harmful")
        elif one.harmed:
            self._fall(_below(self.level), f"{one.incident}: {one.outcome.value}")
        elif not one.healed:
            self._fail(one)
        elif self._rests_until is None or one.at > self._rests_until:
            self._succeed()

    def resting(self, now: datetime) -> str:
        until = self._rests_until
        return f"; it cannot rise before {until:%Y-%m-%d %H:%M} UTC" if until and now < until else ""

    def lower(self) -> float:
        if not self._tried:
            return 0.0
        a, b = self._waited.belief
        return lower_gain((self.healed, self._tried), (a, a + b), certainty=self._terms.certainty)

    def _succeed(self) -> None:
        self.healed += 1
        self._tried += 1
        self._since_move += 1
        if self.level.rank >= self._top.rank or self.level is Trust.OBSERVE or self._since_move < self._terms.minimum:
            return
        lower = self.lower()
        if lower >= self._terms.bar:
            self.level = list(Trust)[self.level.rank + 1]
            self._since_move = 0
            self.says = f"risen: it healed {self.healed} of {self._tried}, at least {lower:.0%} more often than waiting"

    def _fail(self, one: Tried) -> None:
        if one.incident == self._failed_in:
            return
        self._failed_in = one.incident
        self._tried += 1
        why = "the trouble came back" if one.relapsed and not one.word else "it did not help"
        if self.level.rank > self._start.rank:
            self._fall(_below(self.level), f"{one.incident}: {why}")
        elif wilson((self.healed, self._tried), certainty=self._terms.certainty)[1] < self._terms.bar / 2:
            self._fall(
                _below(self.level), f"{one.incident}: {why}; {self._tried - self.healed} of {self._tried} failed"
            )

    def _fall(self, to: Trust, why: str) -> None:
        self.healed = self._tried = self._since_move = 0
        self.says = f"{'fallen' if to.rank < self.level.rank else 'begins anew'}: {why}"
        self.level = min(self.level, to, key=lambda one: one.rank)


def _below(level: Trust) -> Trust:
    return list(Trust)[max(level.rank - 1, min(level.rank, Trust.ASK.rank))]


def lowest(standings: Sequence[Standing]) -> Standing | None:
    """Return the standing that counts for a plan of several actions; None when there is none."""
    return min(standings, key=lambda one: one.level.rank, default=None)


@lru_cache(maxsize=64)
def _z(certainty: float) -> float:
    """Return the normal quantile; `statistics` knows it too, but is a megabyte that the agent does not need."""
    low, high = 0.0, 8.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 + math.erf(middle / math.sqrt(2))) / 2 < certainty else (low, middle)
    return low


def wilson(counts: tuple[float, float], *, certainty: float) -> tuple[float, float]:
    """Return lower and upper bound of a share for (successes, trials), each one-sided at `certainty` (Wilson 1927)."""
    hits, n = counts
    if not n:
        return 0.0, 1.0
    z, p = _z(certainty), hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(max(p * (1 - p), 0.0) / n + z * z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def lower_gain(acted: tuple[float, float], waited: tuple[float, float], *, certainty: float) -> float:
    """Return a lower bound of how much larger the first share is, -1 to 1, for two (successes, trials).

    The hybrid score interval of Newcombe (1998, method 10): it joins two Wilson intervals, and holds for few trials.
    """
    one, other = acted[0] / acted[1], waited[0] / waited[1]
    low, _ = wilson(acted, certainty=certainty)
    _, high = wilson(waited, certainty=certainty)
    return one - other - math.sqrt((one - low) ** 2 + (high - other) ** 2)
