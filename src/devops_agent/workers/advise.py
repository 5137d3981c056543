"""Advise: ask a model about an incident, and believe of its answer only what can be checked.

What comes of it is for people. It is no input to any decision, and it is as hostile as what the model read.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devops_agent.analysis.quarantine import Quarantine
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.fact import Fact
from devops_agent.model.reasoning import Budget, Completion, Ended, Prompt
from devops_agent.store import evidence, spending
from devops_agent.workers.gather import Sources, Windows
from devops_agent.workers.question import CLAIMS, KINDS, Question, digest, write
from devops_agent.workers.readtools import Desk

if TYPE_CHECKING:
    from devops_agent.config.settings import Investigation
    from devops_agent.config.settings import Model as ModelSettings
    from devops_agent.model.evidence import Evidence
    from devops_agent.model.insight import Insight
    from devops_agent.model.runbook import Runbook
    from devops_agent.model.sighting import Sighting
    from devops_agent.ports import Clock, Reasoner
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows
    from devops_agent.workers.investigate import Scene

_SAYS, _WORD = 500, 120
_EVIDENCE = 1_000


class Advice(Fact, kw_only=True):
    """What came of asking a model."""

    advised: tuple[Hypothesis, ...] = ()
    """Claims that cite existing evidence, the surest first."""
    dropped: int = 0
    """Claims and suggestions of runbooks that were left out because they cannot be true."""
    model: str
    """What became of asking: `answered`, else why it did not help."""
    tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    cached: bool = False
    """Whether the answer to the very same question was used again; then nothing was spent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelAdviser:
    """Asks one configured model."""

    reasoner: Reasoner
    store: Store
    clock: Clock
    settings: Callable[[], Investigation]
    runbooks: Callable[[], Sequence[Runbook]]
    sources: Sources
    similar: Callable[[str], Awaitable[Sequence[str]]] | None = None
    """From a text to what earlier incidents like it say, most alike first."""
    secrets: tuple[str, ...] = ()
    """Of our own: hidden wherever they stand."""

    async def advise(self, scene: Scene, seen: Sequence[Evidence], insight: Insight) -> Insight:
        """Return the insight with the model's advice beside the rules'; theirs stays as it is."""
        question = Question(
            incident=scene.incident,
            targets=scene.targets,
            alerts=scene.firing,
            evidence=tuple(seen),
            hypotheses=insight.hypotheses,
            runbooks=tuple(self.runbooks()),
        )
        advice = await self.ask(question, sightings=scene.sightings)
        return insight.with_(advised=advice.advised, model=advice.model, dropped=insight.dropped + advice.dropped)

    async def ask(self, question: Question, *, sightings: Mapping[str, Sighting]) -> Advice:
        """Ask about an incident; whatever goes wrong is told in the advice."""
        model = self.settings().model
        boundary = secrets.token_hex(8)
        quarantine = Quarantine(boundary=boundary, known=self.secrets)
        prompt = write(question, quarantine=quarantine, boundary=boundary)
        name = digest(prompt, model=model.name, boundary=boundary)
        completion = await self.store.read(lambda rows: spending.recall(rows, name, now=self.clock.now()))
        if completion is None:
            desk = self._desk(question, quarantine, sightings)
            completion = await self._complete(prompt, desk, model=model, name=name)
        kept = await self.store.read(lambda rows: evidence.of_incident(rows, question.incident.id, limit=_EVIDENCE))
        known = {piece.id for piece in (*question.evidence, *kept)}
        return _advice(completion, question, known=known, quarantine=quarantine, model=model.name)

    async def _complete(self, prompt: Prompt, desk: Desk, *, model: ModelSettings, name: str) -> Completion:
        """Ask within what is left of the day. A process that dies here has spent all that it had set aside."""
        wanted = Budget(
            turns=model.turns, tokens=model.tokens, seconds=model.timeout.total_seconds(), dollars=model.dollars
        )
        reserved = await self.store.write(
            lambda rows: spending.reserve(
                rows,
                wanted,
                tokens_per_day=model.tokens_per_day,
                dollars_per_day=model.dollars_per_day,
                now=self.clock.now(),
            )
        )
        completion = _broke(reserved.budget, model) or await self.reasoner.complete(
            prompt, tools=desk.tools(), budget=reserved.budget
        )
        tokens, now = completion.tokens_in + completion.tokens_out, self.clock.now()

        def count(rows: Rows) -> None:
            spending.settle(rows, reserved, tokens=tokens, dollars=completion.dollars)
            if completion.ended is Ended.ANSWERED:
                spending.keep(rows, name, completion, now=now, lasting=model.cache)

        await self.store.write(count)
        return completion

    def _desk(self, question: Question, quarantine: Quarantine, sightings: Mapping[str, Sighting]) -> Desk:
        settings, now = self.settings(), self.clock.now()
        incident = question.incident
        begin = min(incident.opened_at, now) - settings.window

        async def keep(pieces: Sequence[Evidence]) -> Sequence[Evidence]:
            return await self.store.write(lambda rows: evidence.keep(rows, incident.id, pieces))

        return Desk(
            targets={target.name: target for target in question.targets},
            sources=self.sources,
            windows=Windows(
                baseline_from=begin - settings.baseline, begin=begin, end=now, log_lines=settings.log_lines
            ),
            sightings=sightings,
            similar=self.similar,
            keep=keep,
            quarantine=quarantine,
            opened_at=incident.opened_at,
            now=now,
        )


def told(insight: Insight, *, target: str) -> str:
    """Return what came of asking, for the timeline: the advice, and whether the rules say otherwise; or why none came."""
    if not insight.advised:
        return (
            "the model names no cause"
            if insight.model == Ended.ANSWERED
            else f"no advice of the model: {insight.model}"
        )
    best = insight.advised[0]
    says = f"{best.source} advises: {best.kind} in {best.component or target} ({best.confidence:.0%}): {best.says}"
    rules = insight.hypotheses[0] if insight.hypotheses else None
    if rules is None or (rules.kind, rules.component or target) == (best.kind, best.component or target):
        return says
    return f"{says}; this contradicts the rules, which say {rules.kind} in {rules.component or target}"


def _broke(budget: Budget, model: ModelSettings) -> Completion | None:
    """Return that nothing can be asked any more today; None: something can."""
    if budget.tokens <= 0:
        says = "the day's tokens are spent (investigation.model.tokens_per_day)"
        return Completion(ended=Ended.OUT_OF_TOKENS, says=says)
    if budget.dollars <= 0 and (model.input_price or model.output_price):
        says = "the day's money is spent (investigation.model.dollars_per_day)"
        return Completion(ended=Ended.OUT_OF_MONEY, says=says)
    return None


def _advice(
    completion: Completion, question: Question, *, known: set[str], quarantine: Quarantine, model: str
) -> Advice:
    took = Advice(
        model=str(completion.ended),
        tokens=0 if completion.cached else completion.tokens_in + completion.tokens_out,
        dollars=0.0 if completion.cached else completion.dollars,
        seconds=0.0 if completion.cached else completion.seconds,
        cached=completion.cached,
    )
    if completion.ended is not Ended.ANSWERED:
        why = quarantine.answer(quarantine.mask(completion.says), limit=200)
        return took.with_(model=f"{completion.ended}: {why}" if why else str(completion.ended))
    checker = _Checker(question, known=known, quarantine=quarantine, model=model)
    advised = checker.believed(completion.answer.get("claims", ()))
    return took.with_(advised=advised, dropped=checker.dropped)


class _Checker:
    """Holds an answer against what is known."""

    def __init__(self, question: Question, *, known: set[str], quarantine: Quarantine, model: str) -> None:
        self._question = question
        self._known = known
        self._quarantine = quarantine
        self._model = model
        self._components = {quarantine.mask(target.name): target.name for target in question.targets}
        self._runbooks = {quarantine.mask(book.name): book.name for book in question.runbooks}
        self.dropped = 0

    def believed(self, claims: Sequence[Mapping[str, Any]]) -> tuple[Hypothesis, ...]:
        """Return what of the claims can be true, the surest first, one for each kind and component."""
        found: dict[tuple[str, str], Hypothesis] = {}
        for claim in claims[:CLAIMS]:
            hypothesis = self._hypothesis(claim)
            if hypothesis is None:
                self.dropped += 1
                continue
            key = hypothesis.kind, hypothesis.component
            if key not in found or hypothesis.confidence > found[key].confidence:
                found[key] = hypothesis
        self.dropped += max(0, len(claims) - CLAIMS)
        return tuple(sorted(found.values(), key=lambda one: one.confidence, reverse=True))

    def _hypothesis(self, claim: Mapping[str, Any]) -> Hypothesis | None:
        """Return the claim as a hypothesis; None when it cannot be true.

        A confidence out of bounds drops the claim instead of being bent to the nearest bound: whoever says 95 has not
        understood the question, and would come out as certain.
        """
        cited = tuple(dict.fromkeys(id_ for id_ in claim["evidence"] if id_ in self._known))
        component = self._component(claim.get("component", ""))
        says = self._quarantine.answer(claim["says"], limit=_SAYS)
        confidence = claim["confidence"]
        sound = 0.0 <= confidence <= 1.0  # NaN is not
        if claim["kind"] not in KINDS or component is None or not cited or not says or not sound:
            return None
        return Hypothesis(
            kind=claim["kind"],
            says=says,
            confidence=float(confidence),
            evidence=cited,
            component=component,
            refuted_by=self._quarantine.answer(claim.get("refuted_by", ""), limit=_SAYS),
            source=self._model,
            runbook=self._runbook(claim.get("runbook", "")),
        )

    def _component(self, said: str) -> str | None:
        """Return the target that is meant, empty for the incident's own, None when there is none of that name."""
        name = self._components.get(said.strip()) if said.strip() else ""
        return "" if name == self._question.incident.target else name

    def _runbook(self, said: str) -> str:
        name = self._runbooks.get(said.strip(), "")
        self.dropped += bool(said.strip() and not name)
        return name
