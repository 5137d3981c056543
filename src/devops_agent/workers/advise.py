"""Advise: ask a model about an incident, and believe of its answer only what can be checked.

What comes of it is for people. It is no input to any decision, and it is as hostile as what the model read.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devops_agent.analysis.quarantine import Quarantine
from devops_agent.model.reasoning import Budget, Completion, Ended, Prompt
from devops_agent.store import evidence, spending
from devops_agent.workers.advice import Advice, believe
from devops_agent.workers.gather import Sources, Windows
from devops_agent.workers.question import Question, digest, write
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

_EVIDENCE = 1_000


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
        return believe(completion, question, known=known, quarantine=quarantine, model=model.name)

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


def _broke(budget: Budget, model: ModelSettings) -> Completion | None:
    """Return that nothing can be asked any more today; None: something can."""
    if budget.tokens <= 0:
        says = "the day's tokens are spent (investigation.model.tokens_per_day)"
        return Completion(ended=Ended.OUT_OF_TOKENS, says=says)
    if budget.dollars <= 0 and (model.input_price or model.output_price):
        says = "the day's money is spent (investigation.model.dollars_per_day)"
        return Completion(ended=Ended.OUT_OF_MONEY, says=says)
    return None
