"""Lessons: all that was learnt, told as figures: how far to trust what is said, what helps, and what may act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.engine.stock import standing_of
from devops_agent.model.action import Risk
from devops_agent.model.calibration import Reliability, left_out, reliability
from devops_agent.model.fact import Fact
from devops_agent.model.learning import Standing, Tried, Waited, credit, records_of
from devops_agent.model.target import Target
from devops_agent.store import learning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.model.action import Action
    from devops_agent.model.learning import Record, Terms
    from devops_agent.model.prediction import Prediction
    from devops_agent.store.rows import Rows


class Confidence(Fact, kw_only=True):
    """How far the stated confidence of one source can be trusted."""

    source: str
    """`rules`, or a model's name."""
    judged_by: dict[str, int]
    """Who judged (`outcome`, `person`) → how many diagnoses."""
    stated: Reliability
    """As stated, before any correction."""
    published: Reliability
    """As it was published then."""
    unseen: Reliability
    """Corrected by what all other services taught: what the correction is worth for a service it has not seen."""


class Helped(Fact, kw_only=True):
    """What a runbook did against a fault class, on all targets."""

    runbook: str
    kind: str
    healed: int
    tried: int


class Learnt(Fact, kw_only=True):
    """What is known of an action against a fault class on a target."""

    action: str
    kind: str
    target: str
    healed: int
    tried: int
    over_by_itself: int
    """Of those troubles that were left alone, on this target."""
    left_alone: int
    credit: float
    """Share of troubles that it heals and waiting would not have, 0 to 1."""
    standing: Standing


class Lessons(Fact, kw_only=True):
    """All that was learnt."""

    confidence: tuple[Confidence, ...] = ()
    runbooks: tuple[Helped, ...] = ()
    actions: tuple[Learnt, ...] = ()


def lessons(
    rows: Rows, *, settings: Settings, actions: Iterable[Action], targets: Iterable[Target], now: datetime
) -> Lessons:
    """Return all that was learnt within the memory that the settings allow.

    `actions` are those that there are: what a plugin no longer offers is counted, but stands nowhere. `targets` may
    have ceilings of their own; one that is not known any more has none.
    """
    since = now - settings.learning.memory
    trials = learning.all_trials(rows, since=since)
    return Lessons(
        confidence=tuple(_confidence(learning.judged(rows, since=since))),
        runbooks=tuple(_runbooks(trials)),
        actions=tuple(
            _learnt(
                trials,
                learning.waits(rows, since=since),
                settings=settings,
                actions={one.name: one for one in actions},
                targets={one.name: one for one in targets},
                now=now,
            )
        ),
    )


def _confidence(judged: list[Prediction]) -> Iterable[Confidence]:
    for source in sorted({one.source for one in judged}, key=lambda source: (source != "rules", source)):
        made = [one for one in judged if one.source == source]
        claims = [one.judged for one in made]
        by = [one.judged_by for one in made]
        yield Confidence(
            source=source,
            judged_by={one: by.count(one) for one in sorted(set(by))},
            stated=reliability([(one.raw, one.right) for one in claims]),
            published=reliability([(one.published, one.right) for one in claims]),
            unseen=left_out(claims),
        )


def _runbooks(trials: list[Tried]) -> Iterable[Helped]:
    counts: dict[tuple[str, str], list[int]] = {}
    for one in trials:
        count = counts.setdefault((one.kind, one.runbook), [0, 0])
        count[0] += one.healed
        count[1] += 1
    for (kind, runbook), (healed, tried) in sorted(counts.items()):
        yield Helped(runbook=runbook, kind=kind, healed=healed, tried=tried)


def _learnt(
    trials: list[Tried],
    waits: Mapping[tuple[str, str], tuple[int, int]],
    *,
    settings: Settings,
    actions: Mapping[str, Action],
    targets: Mapping[str, Target],
    now: datetime,
) -> Iterable[Learnt]:
    groups: dict[tuple[str, str, str], list[Tried]] = {}
    for one in trials:
        for name in one.actions:
            if name in actions and actions[name].risk is not Risk.READ:
                groups.setdefault((one.kind, one.target, name), []).append(one)
    records = _records(trials, groups, terms=settings.learning, now=now)
    everywhere = _waited_everywhere(waits)
    for (kind, place, name), some in sorted(groups.items()):
        target = targets.get(place) or Target(name=place)
        over, left = waits.get((kind, place), (0, 0))
        every = everywhere.get(kind, (0, 0))
        waited = Waited(here=(over, left), elsewhere=(every[0] - over, every[1] - left))
        record = records[kind, name][place]
        yield Learnt(
            action=name,
            kind=kind,
            target=place,
            healed=record.here[0],
            tried=record.here[1],
            over_by_itself=waited.here[0],
            left_alone=waited.here[1],
            credit=credit(record, waited),
            standing=standing_of(actions[name], target=target, trials=some, waited=waited, settings=settings, now=now),
        )


def _records(
    trials: list[Tried], groups: Mapping[tuple[str, str, str], list[Tried]], *, terms: Terms, now: datetime
) -> dict[tuple[str, str], dict[str, Record]]:
    """Return (fault class, action) → target → record."""
    made: dict[tuple[str, str], list[Tried]] = {}
    for one in trials:
        for name in dict.fromkeys(one.actions):
            made.setdefault((one.kind, name), []).append(one)
    versions: dict[tuple[str, str], dict[str, str]] = {}
    for (kind, place, name), some in groups.items():
        versions.setdefault((kind, name), {})[place] = some[-1].version
    return {key: records_of(made[key], versions=places, terms=terms, now=now) for key, places in versions.items()}


def _waited_everywhere(waits: Mapping[tuple[str, str], tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Return fault class → (was over by itself, was left alone), on all targets."""
    found: dict[str, tuple[int, int]] = {}
    for (kind, _), (over, left) in waits.items():
        before = found.get(kind, (0, 0))
        found[kind] = (before[0] + over, before[1] + left)
    return found
