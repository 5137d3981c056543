"""Which diagnosis counts."""

from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.diagnosis import Diagnosis, Hypothesis
from devops_agent.model.event import Event, last_diagnosis
from devops_agent.model.fact import from_json, to_json
from devops_agent.model.incident import Category, Complexity


def made(says: str, *, well: bool = False) -> Diagnosis:
    return Diagnosis(
        hypotheses=(Hypothesis(kind="down", says=says, confidence=0.9),),
        category=Category.UNKNOWN,
        complexity=Complexity.SIMPLE,
        severity=Severity.WARNING,
        well=well,
    )


def told(*diagnoses: Diagnosis) -> list[Event]:
    found = [from_json(to_json(one), dict[str, object]) for one in diagnoses]
    return [
        Event(seq=number, at=START, kind="diagnosis", actor="agent", says="", data={"found": one})
        for number, one in enumerate(found, start=1)
    ]


DOWN, ILL, WELL = made("it is down"), made("it is ill"), made("nothing is wrong", well=True)


def test_what_was_diagnosed_last_counts() -> None:
    assert last_diagnosis([]) is None
    assert last_diagnosis(told(DOWN, ILL)) == ILL
    assert last_diagnosis(told(DOWN, WELL)) == WELL


def test_that_it_is_well_after_something_was_done_does_not_say_what_was_wrong() -> None:
    assert last_diagnosis(told(DOWN, ILL, WELL), acted=True) == ILL
    assert last_diagnosis(told(WELL), acted=True) == WELL
