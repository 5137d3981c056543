"""Feedback: what a person says of a diagnosis and an outcome. It goes before what was inferred, and counts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from devops_agent.engine.commands import NotFoundError, RefusedError
from devops_agent.model.fact import Fact
from devops_agent.model.fault import FAULTS
from devops_agent.model.learning import MENDED
from devops_agent.model.prediction import PERSON, WELL
from devops_agent.store import events, incidents, learning

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.prediction import Prediction
    from devops_agent.store.rows import Rows

KINDS = (WELL, *(kind for kind in FAULTS if kind not in ("order", "self", "unknown")))
"""What may really have been wrong; `well`: nothing."""


class Feedback(Fact, kw_only=True):
    """A person's word on an incident."""

    diagnosis: Literal["", "right", "wrong"] = ""
    """Whether what was said to be wrong, was; empty: nothing is said of it."""
    kind: str = ""
    """What was really wrong: a fault class, or `well`."""
    component: str = ""
    """Where the cause really lay; empty: nothing is said of it."""
    outcome: Literal["", "helped", "useless", "harmful", "mended"] = ""
    """What the last plan did; `mended`: a person did it, and it was not over by itself."""
    comment: str = ""


def hear(rows: Rows, id_: str, said: Feedback, *, by: str, now: datetime) -> str:
    """Take a person's word on an incident, open or closed; return it as the timeline has it.

    Raises:
        NotFoundError: there is no such incident.
        RefusedError: nothing is said, it contradicts itself, or what it is about did not take place.

    """
    incident = incidents.get(rows, id_)
    if incident is None:
        message = f"no incident {id_!r}; `devops-agent incidents` lists them"
        raise NotFoundError(message)
    if not (said.diagnosis or said.kind or said.component or said.outcome):
        message = "cannot learn from nothing: say whether the diagnosis was right, what was wrong, or what the plan did"
        raise RefusedError(message)
    parts = [
        *(_of_diagnosis(rows, id_, said) if said.diagnosis or said.kind or said.component else ()),
        *(_of_outcome(rows, id_, said.outcome, now=now) if said.outcome else ()),
    ]
    says = f"{by}: {'; '.join(parts)}" + (f" — {said.comment}" if said.comment else "")
    events.add(rows, "feedback", says, at=now, incident=id_, target=incident.target, actor=by, said=said)
    return says


def _of_diagnosis(rows: Rows, incident: str, said: Feedback) -> list[str]:
    if said.kind and said.kind not in KINDS:
        message = f"no fault class {said.kind!r}; known: {', '.join(KINDS)}"
        raise RefusedError(message)
    made = learning.predictions(rows, incident)
    if not made:
        message = f"no diagnosis of {incident} is kept, so none can be judged"
        raise RefusedError(message)
    last = _last(made)
    kind = said.kind or (last.kind if said.diagnosis == "right" else "")
    elsewhere = bool(said.component) and said.component not in (last.component, last.target)
    if said.diagnosis == "right" and (kind != last.kind or elsewhere):
        message = f"the diagnosis was {last.kind} on {last.component or last.target}: say that it was wrong"
        raise RefusedError(message)
    right = said.diagnosis == "right" or (said.diagnosis == "" and kind in ("", last.kind) and not elsewhere)
    for one in made:
        if one.kind == last.kind:
            learning.judge(rows, incident, one.kind, right=right, by=PERSON)
        elif kind:
            learning.judge(rows, incident, one.kind, right=one.kind == kind, by=PERSON)
    told = f"the diagnosis {last.kind} was {'right' if right else 'wrong'}"
    if not right and (kind or said.component):
        told += f", it was {kind or last.kind}" + (f" on {said.component}" if said.component else "")
    return [told]


def _last(made: list[Prediction]) -> Prediction:
    """The rules' newest word; a model's when the rules said nothing."""
    return max(made, key=lambda one: (one.source == "rules", one.at))


def _of_outcome(rows: Rows, incident: str, word: str, *, now: datetime) -> list[str]:
    if word == MENDED:
        if not learning.say_of_wait(rows, incident):
            message = f"{incident} is not counted as over by itself, so there is nothing to put right"
            raise RefusedError(message)
        return ["a person mended it, it was not over by itself"]
    attempt = learning.say_of_trial(rows, incident, word=word, now=now)
    if not attempt:
        message = f"no plan for {incident} has ended yet, so none can be judged"
        raise RefusedError(message)
    return [f"the plan {attempt} {_WORDS[word]}"]


_WORDS = {"helped": "helped", "useless": "did not help", "harmful": "did harm"}
