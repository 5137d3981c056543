"""Advice: what of a model's answer can be believed, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devops_agent.analysis.quarantine import Quarantine
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.fact import Fact
from devops_agent.model.reasoning import Completion, Ended
from devops_agent.workers.question import CLAIMS, KINDS, Question

if TYPE_CHECKING:
    from devops_agent.model.insight import Insight

_SAYS = 500


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


def believe(
    completion: Completion, question: Question, *, known: set[str], quarantine: Quarantine, model: str
) -> Advice:
    """Return what of a completion can be believed: claims that cite evidence in `known`, about things that exist."""
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


def told(insight: Insight, *, target: str) -> str:
    """Return what came of asking, for the timeline: the advice, and whether the rules say otherwise."""
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
