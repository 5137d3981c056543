"""Replay: make kept decisions again, by today's code and by today's rules and policy. Pure; nothing is acted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from devops_agent.engine import judge, stock
from devops_agent.engine.plan import Choice, Options
from devops_agent.model.decision import Decision
from devops_agent.model.diagnosis import Diagnosis
from devops_agent.model.fact import Fact, from_json
from devops_agent.model.situation import Situation
from devops_agent.model.view import view_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.model.action import Action
    from devops_agent.model.directory import Directory
    from devops_agent.model.judgement import Judgement
    from devops_agent.model.runbook import Plan, Runbook
    from devops_agent.model.target import Target


class Difference(Fact, kw_only=True):
    """A decision that would now be another."""

    incident: str
    at: datetime
    """When it was made."""
    step: str
    was: str
    now: str
    why: str
    """What in the inputs, the rules or the policy makes it another."""


class Replayed(Fact, kw_only=True):
    """What came of making decisions again."""

    decisions: int = 0
    incidents: int = 0
    same: int = 0
    """Decided the same by today's code from the inputs of then."""
    changed: tuple[Difference, ...] = ()
    """Decided otherwise by today's code from the inputs of then."""
    unreadable: tuple[Difference, ...] = ()
    """Not decided again: today's code does not take the inputs of then."""
    policy: tuple[Difference, ...] = ()
    """Decided otherwise with today's targets, thresholds, runbooks, limits and switches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Today's rules, as far as they come from people."""

    settings: Settings
    directory: Directory
    runbooks: Sequence[Runbook]
    actions: Mapping[str, Action]
    """All that plugins offer, by name."""
    switched: Mapping[str, bool]
    """Switches that were changed while running."""


def replay(judgements: Iterable[Judgement], *, policy: Policy) -> Replayed:
    """Make decisions again, given in the order in which they were made.

    Each is made from its own inputs first, which has to give the same result; then with `policy` in place of the one of
    then, and what the steps before it would have decided by that in place of what they did.
    """
    told = _Told()
    incidents: dict[str, _Chain] = {}
    for judgement in judgements:
        chain = incidents.setdefault(judgement.incident, _Chain(policy))
        told.decisions += 1
        try:
            before = from_json(judgement.result_json, judge.QUESTIONS[judgement.step].result)
            again = from_json(judge.again(judgement), type(before))
            anew = chain.decide(judgement)
        except (msgspec.MsgspecError, LookupError, ArithmeticError) as error:  # the last: times beyond all calendars
            told.unreadable.append(_unreadable(judgement, error))
            continue
        if again == before:
            told.same += 1
        else:
            told.changed.append(_difference(judgement, before, again))
        if _gist(before) != _gist(anew):
            told.policy.append(_difference(judgement, before, anew))
    return Replayed(
        decisions=told.decisions,
        incidents=len(incidents),
        same=told.same,
        changed=tuple(told.changed),
        unreadable=tuple(told.unreadable),
        policy=tuple(told.policy),
    )


class _Told:
    """What was found so far."""

    def __init__(self) -> None:
        self.decisions = 0
        self.same = 0
        self.changed: list[Difference] = []
        self.unreadable: list[Difference] = []
        self.policy: list[Difference] = []


class _Chain:
    """The decisions of one incident by today's policy, each resting on the ones before."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._diagnosis: Diagnosis | None = None
        self._target: Target | None = None
        self._choice: Choice | None = None

    def decide(self, judgement: Judgement) -> Any:  # noqa: ANN401 — each step has a result of its own
        """Return what is decided today."""
        question = judge.QUESTIONS[judgement.step]
        inputs = from_json(judgement.inputs_json, question.inputs)
        match inputs:
            case judge.Case():
                self._diagnosis = judge.DIAGNOSE.decide(self._case(inputs))
                return self._diagnosis
            case Options():
                self._choice = judge.CHOOSE.decide(self._options(inputs))
                return self._choice
            case Situation() if self._choice is not None and self._choice.plan is None:
                return self._choice
            case Situation():
                return judge.DECIDE.decide(self._situation(inputs))
            case _:
                return question.decide(inputs)

    def _case(self, case: judge.Case) -> judge.Case:
        strikes = self._policy.settings.guard.strikes.count
        target = self._policy.directory.get(case.view.target)
        view = case.view
        if target is not None:
            view = view_of(target, state=view.state, evidence=view.evidence, at=view.at)
        return case.with_(view=view, history=case.history.with_(many=strikes))

    def _options(self, options: Options) -> Options:
        policy = self._policy
        self._target = policy.directory.get(options.target.name) or options.target
        kind = self._diagnosis.kind if self._diagnosis is not None else options.kind
        # Who knows of fewer targets' actions than the agent did (found ones, other plugins) takes none away.
        offered = tuple(sorted({*options.offered, *policy.actions}))
        return options.with_(target=self._target, kind=kind, runbooks=tuple(policy.runbooks), offered=offered)

    def _situation(self, situation: Situation) -> Situation:
        """Return the situation under today's limits; what was so then, such as pauses and earlier plans, stays."""
        target = self._policy.directory.get(situation.target) or self._target
        if self._choice is not None and self._choice.plan is not None:
            situation = self._weighed(situation, self._choice.plan)
        if self._diagnosis is not None:
            situation = situation.with_(confidence=self._diagnosis.confidence_to_act)
        return situation if target is None else self._limited(situation, target)

    def _weighed(self, situation: Situation, plan: Plan) -> Situation:
        """Return the situation with the weight of today's plan, when every action of it is known here."""
        if not all(step.action in self._policy.actions for step in plan.steps):
            return situation
        risk, blast = stock.weight(plan, self._policy.actions)
        return situation.with_(risk=risk, blast=blast)

    def _limited(self, situation: Situation, target: Target) -> Situation:
        settings = self._policy.settings
        managed, says = stock.opt_in(target, settings)
        limits = stock.limits_of(settings, target, situation.risk, switched=self._policy.switched)
        return situation.with_(managed=managed, managed_says=says, limits=limits)


def _unreadable(judgement: Judgement, error: Exception) -> Difference:
    return Difference(
        incident=judgement.incident, at=judgement.at, step=judgement.step, was="", now="",
        why=f"cannot be made again: version {judgement.version} kept other inputs ({error})",
    )  # fmt: skip


def _difference(judgement: Judgement, before: object, after: object) -> Difference:
    return Difference(
        incident=judgement.incident,
        at=judgement.at,
        step=judgement.step,
        was=_says(before),
        now=_says(after),
        why=_why(before, after),
    )


def _gist(result: object) -> object:
    """What a decision amounts to: when that is the same, nothing different would have been done."""
    match result:
        case Diagnosis():
            return result.kind, result.well, result.starting
        case Choice():
            return result.plan
        case Decision():
            return result.permission, result.rule
        case _:
            return result


def _says(result: object) -> str:
    match result:
        case Diagnosis():
            return f"{result.kind} ({result.confidence:.0%} sure): {result.says}"
        case Choice() if result.plan is not None:
            return f"{result.plan.runbook}: {'; '.join(step.action for step in result.plan.steps)}"
        case Choice():
            return f"no plan: {result.says}"
        case Decision():
            return f"{result.permission.value} by {result.rule}: {result.reason}"
        case _:
            return str(result)


def _why(before: object, after: object) -> str:
    """Name the rule's verdict or the hypothesis that makes the difference."""
    match before, after:
        case Decision(), Decision():
            was = {verdict.rule: verdict.permission.value for verdict in before.verdicts}
            turned = [
                f"{one.rule} says {one.permission.value} ({one.reason}), said {was.get(one.rule, 'nothing')}"
                for one in after.verdicts
                if one.permission.value != was.get(one.rule)
            ]
            return "; ".join(turned) or "the rules say the same in other words"
        case (_, Diagnosis() | Choice()):
            return after.says
        case _:
            return ""
