"""What learning is worth: confidence after 200 outcomes, the choice between two strategies, trust, and what it costs.

Recorded: the ranking of `analysis/ranking.py` on PetShop and Nezha states a share of suspicion for the component that
it puts first, and the recording knows the cause. The map is fitted to the faults of all other services each time.
Simulated: sources whose confidence is wrong in known ways, and strategies of known worth; the product's own code fits,
chooses and judges.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from benchmarks import nezha, petshop
from benchmarks.table import Row, median
from devops_agent.analysis.graph import Component
from devops_agent.analysis.ranking import rank
from devops_agent.engine.plan import Options, choose
from devops_agent.model.action import Step
from devops_agent.model.alert import Severity
from devops_agent.model.attempt import Outcome
from devops_agent.model.calibration import Judged, Reliability, calibrate, fit, left_out, reliability
from devops_agent.model.incident import Incident, Status
from devops_agent.model.learning import HARMFUL, Terms, Tried, Waited, record_of, stand
from devops_agent.model.prediction import Prediction
from devops_agent.model.runbook import Match, Runbook
from devops_agent.model.target import Target, Trust
from devops_agent.store import learning, open_store
from devops_agent.store.rows import Rows

_NOW = datetime(2026, 1, 5, tzinfo=UTC)
_TERMS = Terms()
_OUTCOMES = 200
_SERVICES = 12
_ECE = 0.05


def measure(*, quick: bool, data: Path) -> list[Row]:
    """Return calibration errors before and after, what the choices cost, how trust moves, and times."""
    runs = 3 if quick else 40
    return [
        *_recorded(data, most=6 if quick else None),
        *_simulated(runs),
        *_choices(runs),
        *_trust(),
        *asyncio.run(_times(1_000 if quick else 20_000)),
    ]


def _recorded(data: Path, *, most: int | None) -> Iterator[Row]:
    claims: list[Judged] = []
    for split in petshop.SPLITS:
        claims += [
            one for issue in islice(petshop.issues(data / "petshop", split), most)
            if (one := _claim(issue.cause, issue.components, issue.window))
        ]  # fmt: skip
    for system in nezha.SYSTEMS:
        claims += [
            one for fault in islice(nezha.faults(data / "nezha", system), most)
            if (one := _claim(fault.cause, fault.components, fault.window))
        ]  # fmt: skip
    yield from _before_after(f"recorded, {len(claims)} faults, other services", claims, left_out(claims), below=None)


def _claim(cause: str, components: Iterable[Component], window: tuple[float, float]) -> Judged | None:
    first = next(iter(rank(components, window=window)), None)
    if first is None:
        return None
    return Judged(target=cause, raw=first.score, published=first.score, right=first.component == cause)


def _before_after(what: str, stated: Sequence[Judged], after: Reliability, *, below: float | None) -> Iterator[Row]:
    before = reliability([(one.raw, one.right) for one in stated])
    yield Row(
        what=f"{what}: ECE (by chance {after.by_chance:.3f})",
        value=after.ece,
        unit="",
        below=below,
        peer="as stated",
        peer_value=before.ece,
    )
    yield Row(what=f"{what}: Brier", value=after.brier, unit="", peer="as stated", peer_value=before.brier)


_WORLDS: Mapping[str, Callable[[float], float]] = {
    "overconfident": lambda stated: 0.3 + 0.5 * stated,
    "underconfident": lambda stated: stated + 0.6 * stated * (1 - stated),
    "two steps": lambda stated: 0.3 if stated < 0.7 else 0.9,
    "already right": lambda stated: stated,
}
"""Stated confidence → share that is right."""
_HARD = "two steps"
"""No smooth map is like it; more outcomes than 200 have to bend the map, so it has no budget."""


def _simulated(runs: int) -> Iterator[Row]:
    """Fit 200 outcomes of ten services and look at many fresh claims of two services that were not among them."""
    for name, truth in _WORLDS.items():
        before, after, brier = [], [], []
        for seed in range(runs):
            claims = _world(_OUTCOMES + 20_000, truth, seed=seed)
            seen = [one for one in claims[:_OUTCOMES] if one.target not in ("s0", "s1")]
            fresh = [one for one in claims[_OUTCOMES:] if one.target in ("s0", "s1")]
            curve = fit(seen).curves["rules"]
            stated = reliability([(one.raw, one.right) for one in fresh])
            published = reliability([(calibrate(one.raw, curve), one.right) for one in fresh])
            before.append(stated.ece)
            after.append(published.ece)
            brier.append(published.brier - stated.brier)
        what = f"simulated, {name}, {_OUTCOMES} outcomes, other services"
        below = None if name == _HARD else _ECE
        yield Row(
            what=f"{what}: ECE", value=median(after), unit="", below=below, peer="as stated", peer_value=median(before)
        )
        yield Row(what=f"{what}: Brier, less what it was as stated", value=median(brier), unit="")


def _world(many: int, truth: Callable[[float], float], *, seed: int) -> list[Judged]:
    chance = random.Random(seed)  # noqa: S311 — the same world each time
    stated = [chance.betavariate(4, 1.5) for _ in range(many)]
    return [
        Judged(target=f"s{chance.randrange(_SERVICES)}", raw=raw, published=raw, right=chance.random() < truth(raw))
        for raw in stated
    ]


_WORTH = {"first": 0.4, "second": 0.85}
"""Share of troubles that each of two strategies heals; the worse one is shown first."""
_BOOKS = tuple(
    Runbook(name=name, says=name, match=Match(kinds=("down",)), steps=(Step(name=name, action="fake.restart"),))
    for name in _WORTH
)
_INCIDENTS = 200
_LAST = 50
Rule = Callable[[Sequence[Tried], int, Target, str], str]


def _choices(runs: int) -> Iterator[Row]:
    """Let two strategies meet the same 200 incidents on five targets; count what the best one would have healed."""
    ours, old = [_simulate(_choose, seed=s) for s in range(runs)], [_simulate(_laplace, seed=s) for s in range(runs)]
    yield Row(
        what=f"better of two strategies (.85 and .4), share of the last {_LAST} of {_INCIDENTS} incidents",
        value=median([_share(chosen[-_LAST:], "second") for chosen in ours]),
        unit="of 1",
        above=0.9,
        peer="always the first shown",
        peer_value=0.0,
    )
    yield _regret("incidents not healed at once for want of knowing better", ours, old, _lost)
    ours = [_simulate(_choose, seed=s, turns=True) for s in range(runs)]
    old = [_simulate(_laplace, seed=s, turns=True) for s in range(runs)]
    yield _regret("the same when a release turns their worth round half way", ours, old, _lost_after_turn)


def _regret(
    what: str, ours: Sequence[Sequence[str]], old: Sequence[Sequence[str]], lost: Callable[[Sequence[str]], float]
) -> Row:
    return Row(
        what=what,
        value=sum(map(lost, ours)) / len(ours),
        unit=f"of {_INCIDENTS}",
        peer="largest (healed + 1) / (tried + 2)",
        peer_value=sum(map(lost, old)) / len(old),
    )


def _lost(chosen: Sequence[str]) -> float:
    return sum(_WORTH["second"] - _WORTH[name] for name in chosen)


def _lost_after_turn(chosen: Sequence[str]) -> float:
    half = len(chosen) // 2
    return _lost(chosen[:half]) + sum(_WORTH[name] - _WORTH["first"] for name in chosen[half:])


def _share(chosen: Sequence[str], name: str) -> float:
    return chosen.count(name) / len(chosen)


def _simulate(rule: Rule, *, seed: int, turns: bool = False) -> list[str]:
    """Return what was chosen in each incident; with `turns` the strategies swap their worth half way."""
    chance = random.Random(seed)  # noqa: S311 — the same world each time
    trials, chosen = list[Tried](), list[str]()
    swapped = {name: _WORTH[other] for name, other in zip(_WORTH, reversed(_WORTH), strict=True)}
    for number in range(_INCIDENTS):
        later = turns and number >= _INCIDENTS // 2
        target, version = Target(name=f"t{chance.randrange(5)}", via="fake"), "2" if later else "1"
        name = rule(trials, seed * 1_000 + number, target, version)
        healed = chance.random() < (swapped if later else _WORTH)[name]
        chosen.append(name)
        trials.append(_tried(number, target.name, name, version, Outcome.HEALED if healed else Outcome.FAILED))
    return chosen


def _choose(trials: Sequence[Tried], number: int, target: Target, version: str) -> str:
    now = _NOW + timedelta(hours=len(trials))
    options = Options(
        incident=Incident(
            id=f"INC-{number}", status=Status.INVESTIGATING, severity=Severity.CRITICAL, target=target.name,
            kind="down", title="down", opened_at=now, changed_at=now,
        ),
        kind="down",
        target=target,
        runbooks=_BOOKS,
        offered=("fake.restart",),
        records={
            name: record_of(
                [one for one in trials if one.runbook == name],
                target=target.name, version=version, terms=_TERMS, now=now,
            )
            for name in _WORTH
        },
    )  # fmt: skip
    plan = choose(options).plan
    return plan.runbook if plan else ""


def _laplace(trials: Sequence[Tried], number: int, target: Target, version: str) -> str:
    del number, target, version

    def worth(name: str) -> float:
        some = [one for one in trials if one.runbook == name]
        return (sum(one.healed for one in some) + 1) / (len(some) + 2)

    return max(_WORTH, key=worth)


def _tried(number: int, target: str, runbook: str, version: str, outcome: Outcome) -> Tried:
    return Tried(
        at=_NOW + timedelta(hours=number), incident=f"INC-{number}", target=target, kind="down", runbook=runbook,
        actions=("fake.restart",), version=version, outcome=outcome,
    )  # fmt: skip


def _trust() -> Iterator[Row]:
    healed = [_tried(number, "t", "first", "1", Outcome.HEALED) for number in range(60)]
    for share in (0.0, 0.3, 0.6):
        waited = Waited(here=(round(20 * share), 20))
        needed = next((n for n in range(61) if _level(healed[:n], waited).rank > Trust.ASK.rank), None)
        yield Row(
            what=f"verified successes until trust rises, {share:.0%} heal by themselves"
            + ("" if needed else ": never"),
            value=needed or len(healed),
            unit="successes",
        )
    harmed = [*healed, _tried(60, "t", "first", "1", Outcome.UNDONE)]
    fallen = _level(healed, Waited()).rank - _level(harmed, Waited()).rank
    yield Row(what="rungs lost with one plan that was taken back", value=fallen, unit="rungs", above=0.5)
    word = [*healed[:-1], healed[-1].with_(word=HARMFUL)]
    yield Row(
        what="level after a person's word of harm, from auto (1: ask)",
        value=_level(word, Waited()).rank,
        unit="",
        below=1.5,
    )


def _level(trials: Sequence[Tried], waited: Waited) -> Trust:
    now = _NOW + timedelta(days=4)
    return stand("a", start=Trust.ASK, top=Trust.AUTO, trials=trials, waited=waited, terms=_TERMS, now=now).level


async def _times(many: int) -> list[Row]:
    """Time what the agent reads and reckons for one incident after so many, all of one class: the worst case."""
    with tempfile.TemporaryDirectory() as folder:
        async with await open_store(f"sqlite:///{folder}/agent.db") as store:
            await store.write(lambda rows: _fill(rows, many))
            return [
                Row(what=what, value=await store.read(lambda rows, do=do: _milliseconds(rows, do)), unit="ms", below=50)  # type: ignore[misc]
                for what, do in (
                    (f"reading the map of confidence, {many} judged diagnoses", _read_map),
                    (f"choosing by record, {many} plans carried out", _read_choice),
                    (f"where trust stands, {many} plans carried out on five targets", _read_trust),
                )
            ]


def _fill(rows: Rows, many: int) -> None:
    for number in range(many):
        at = _NOW + timedelta(minutes=number)
        incident, target = f"INC-{number}", f"t{number % 5}"
        runbook = "first" if number % 2 else "second"
        outcome = Outcome.FAILED if number % 3 == 0 else Outcome.HEALED
        tried = _tried(number, target, runbook, "1", outcome).with_(at=at)
        learning.keep_trial(rows, f"ATT-{number}", tried)
        made = Prediction(
            incident=incident, target=target, source="rules", kind="down", raw=number % 97 / 97, published=0.9, at=at
        )
        learning.predict(rows, made)
        learning.judge(rows, incident, "down", right=number % 3 > 0)


def _milliseconds(rows: Rows, do: Callable[[Rows], object]) -> float:
    times = []
    for _ in range(9):
        began = time.perf_counter()
        do(rows)
        times.append(1e3 * (time.perf_counter() - began))
    return median(times)


def _read_map(rows: Rows) -> object:
    return learning.calibration(rows, since=_NOW)


def _read_choice(rows: Rows) -> object:
    trials = [
        *learning.of_target(rows, "t1", "down", since=_NOW),
        *learning.of_kind(rows, "down", besides="t1", since=_NOW),
    ]
    return _choose(trials, 1, Target(name="t1", via="fake"), "1")


def _read_trust(rows: Rows) -> object:
    trials = learning.of_target(rows, "t1", "down", since=_NOW)
    return _level(trials, learning.waited(rows, "down", target="t1", since=_NOW))
