"""Judge: make a decision and keep it with everything that it was made from; make a kept one again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from devops_agent.engine import classify, guard, plan
from devops_agent.model.alert import Alert
from devops_agent.model.calibration import Calibration
from devops_agent.model.decision import Decision
from devops_agent.model.diagnosis import Diagnosis
from devops_agent.model.fact import Fact, from_json, to_json
from devops_agent.model.incident import Incident
from devops_agent.model.insight import Insight
from devops_agent.model.judgement import Judgement
from devops_agent.model.rendering import placeholders
from devops_agent.model.situation import Situation
from devops_agent.model.view import View
from devops_agent.store import judgements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from devops_agent.model.runbook import Runbook
    from devops_agent.store.rows import Rows

Inputs = TypeVar("Inputs", bound=Fact)
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question(Generic[Inputs, Result]):
    """A decision that is a pure function of one fact."""

    name: str
    inputs: type[Inputs]
    result: type[Result]
    decide: Callable[[Inputs], Result]
    bare: Callable[[Inputs], Inputs] = lambda inputs: inputs
    """Takes away what the decision does not look at and must not be kept."""


class Case(Fact, kw_only=True):
    """Everything that a diagnosis is made from."""

    incident: Incident
    alerts: tuple[Alert, ...]
    """Those that fire on the incident's target."""
    view: View
    ailing_parents: tuple[str, ...] = ()
    history: classify.History
    insight: Insight | None = None
    calibration: Calibration = Calibration()


def _diagnose(case: Case) -> Diagnosis:
    stated = classify.diagnose(
        case.incident,
        alerts=case.alerts,
        view=case.view,
        ailing_parents=case.ailing_parents,
        history=case.history,
        insight=case.insight,
    )
    return case.calibration.applied(stated)


def _bare(options: plan.Options) -> plan.Options:
    """Leave out the target's checks and the options that no runbook asks for: they may hold passwords and tokens."""
    asked = {name for book in options.runbooks for text in _texts(book) for name in placeholders(text)}
    target = options.target
    kept = {name: value for name, value in target.options.items() if f"options.{name}" in asked}
    return options.with_(target=target.with_(checks=(), options=kept))


def _texts(book: Runbook) -> Iterator[str]:
    """Yield every text of a runbook in which a placeholder may stand."""
    yield from book.advice
    for step in book.steps:
        for value in step.args.values():
            if isinstance(value, tuple):
                yield from value
            elif isinstance(value, str):
                yield value


DIAGNOSE = Question(name="diagnose", inputs=Case, result=Diagnosis, decide=_diagnose)
CHOOSE = Question(name="choose", inputs=plan.Options, result=plan.Choice, decide=plan.choose, bare=_bare)
DECIDE = Question(name="decide", inputs=Situation, result=Decision, decide=guard.decide)
QUESTIONS: Mapping[str, Question[Any, Any]] = {one.name: one for one in (DIAGNOSE, CHOOSE, DECIDE)}
"""Every decision that is kept, by name."""


def judge(
    rows: Rows, question: Question[Inputs, Result], inputs: Inputs, *, incident: str, now: datetime, version: str
) -> Result:
    """Answer a question, and keep the answer with its inputs in the transaction of what is made of it."""
    inputs = question.bare(inputs)
    result = question.decide(inputs)
    judgements.keep(
        rows,
        Judgement(
            incident=incident,
            at=now,
            step=question.name,
            inputs_json=to_json(inputs),
            result_json=to_json(result),
            version=version,
        ),
    )
    return result


def again(judgement: Judgement) -> str:
    """Return, as JSON, what today's code decides from a judgement's inputs.

    Raises:
        msgspec.MsgspecError: the inputs are not such as today's code takes.
        LookupError: today's code knows no such step.

    """
    question = QUESTIONS[judgement.step]
    return to_json(question.decide(from_json(judgement.inputs_json, question.inputs)))
