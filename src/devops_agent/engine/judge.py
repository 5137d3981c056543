"""Judge: make a decision and keep it with everything that it was made from; make a kept one again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from devops_agent.engine import classify, guard
from devops_agent.model.alert import Alert
from devops_agent.model.decision import Decision
from devops_agent.model.diagnosis import Diagnosis
from devops_agent.model.fact import Fact, from_json, to_json
from devops_agent.model.incident import Incident
from devops_agent.model.judgement import Judgement
from devops_agent.model.situation import Situation
from devops_agent.model.view import View
from devops_agent.store import judgements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

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


class Case(Fact, kw_only=True):
    """Everything that a diagnosis is made from."""

    incident: Incident
    alerts: tuple[Alert, ...]
    """Those that fire on the incident's target."""
    view: View
    ailing_parents: tuple[str, ...] = ()
    history: classify.History


def _diagnose(case: Case) -> Diagnosis:
    return classify.diagnose(
        case.incident,
        alerts=case.alerts,
        view=case.view,
        ailing_parents=case.ailing_parents,
        history=case.history,
    )


DIAGNOSE = Question(name="diagnose", inputs=Case, result=Diagnosis, decide=_diagnose)
DECIDE = Question(name="decide", inputs=Situation, result=Decision, decide=guard.decide)
QUESTIONS: Mapping[str, Question[Any, Any]] = {question.name: question for question in (DIAGNOSE, DECIDE)}
"""Every decision that is kept, by name."""


def judge(
    rows: Rows, question: Question[Inputs, Result], inputs: Inputs, *, incident: str, now: datetime, version: str
) -> Result:
    """Answer a question, and keep the answer with its inputs in the transaction of what is made of it."""
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
