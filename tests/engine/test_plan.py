"""Which runbook is chosen, and why."""

import pytest

from devops_agent.engine.plan import Choice, choose, fits
from devops_agent.model.alert import Severity
from devops_agent.model.diagnosis import Diagnosis, Hypothesis
from devops_agent.model.incident import Category, Complexity, Incident
from devops_agent.model.runbook import Match, Runbook
from devops_agent.model.target import Target
from tests.engine.site import ACTIONS, runbook
from tests.engine.views import API, INCIDENT

DOWN = Diagnosis(
    hypotheses=(Hypothesis(kind="down", says="api is stopped", confidence=0.98),),
    category=Category.SERVICE_DOWN,
    complexity=Complexity.SIMPLE,
    severity=Severity.CRITICAL,
)
RESTART = runbook("restart", "fake.restart")
START = runbook("start", "fake.start")
LABELS = {"alertname": "ServiceDown", "team": "shop"}


def chosen(
    *books: Runbook,
    incident: Incident = INCIDENT,
    target: Target = API,
    labels: dict[str, str] | None = None,
    past: dict[tuple[str, str], tuple[int, int]] | None = None,
    tried: set[str] | None = None,
) -> Choice:
    return choose(
        incident,
        DOWN,
        target=target,
        runbooks=books,
        labels=LABELS if labels is None else labels,
        readings={},
        offered=ACTIONS.keys(),
        past=past or {},
        tried=tried or set(),
    )


def name(choice: Choice) -> str:
    return choice.plan.runbook if choice.plan else ""


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match(kinds=("down",)), True),
        (Match(kinds=("unhealthy",)), False),
        (Match(alerts=("Service*",)), True),
        (Match(alerts=("Pod*", "*Down")), True),
        (Match(alerts=("Pod*",)), False),
        (Match(labels={"team": "sh*"}), True),
        (Match(labels={"team": "sh*", "zone": "eu"}), False),
        (Match(kinds=("down",), via=("docker", "fake")), True),
        (Match(kinds=("down",), via=("docker",)), False),
        (Match(targets=("a*",)), True),
        (Match(targets=("b*",)), False),
        (Match(), False),
        (Match(via=("fake",)), False),
    ],
)
def test_a_runbook_fits_when_all_that_it_names_is_so(match: Match, *, expected: bool) -> None:
    assert fits(RESTART.with_(match=match), "down", target=API, labels=LABELS) is expected


def test_of_two_that_fit_the_more_exact_one_goes_first() -> None:
    exact = START.with_(match=Match(kinds=("down",), targets=("api",)))
    assert name(chosen(RESTART.with_(priority=99), exact)) == "start"


def test_many_patterns_for_one_thing_are_no_more_exact_than_one() -> None:
    vague = RESTART.with_(match=Match(targets=("a*", "b*", "c*", "*")))
    exact = START.with_(match=Match(targets=("api",), labels={"team": "shop"}))
    assert name(chosen(vague, exact)) == "start"


def test_then_the_one_of_higher_priority() -> None:
    assert name(chosen(RESTART, START.with_(priority=1))) == "start"


def test_then_the_one_that_worked_better_before() -> None:
    past = {("restart", "down"): (1, 5), ("start", "down"): (4, 5)}
    choice = chosen(RESTART, START, past=past)
    assert name(choice) == "start"
    assert choice.says == "start is for down; it healed 4 of 5 before"


def test_an_untried_one_goes_before_one_that_mostly_failed_and_after_one_that_mostly_worked() -> None:
    assert name(chosen(RESTART, START, past={("restart", "down"): (0, 3)})) == "start"
    assert name(chosen(START, RESTART, past={("restart", "down"): (3, 3)})) == "restart"


def test_what_was_tried_in_vain_is_not_tried_again_on_the_same_incident() -> None:
    assert name(chosen(RESTART, START, tried={"restart"})) == "start"
    none = chosen(RESTART, tried={"restart"})
    assert (none.plan, none.says) == (None, "restart was tried and did not help")
    assert none.advice == ("Look at api.",)


def test_what_a_person_chose_goes_before_everything_even_if_it_fits_nothing() -> None:
    guided = INCIDENT.with_(guided="start")
    odd = START.with_(match=Match())
    choice = chosen(RESTART.with_(priority=9), odd, incident=guided, tried={"start"})
    assert (name(choice), choice.says) == ("start", "start, chosen by a person")


def test_a_runbook_that_cannot_be_filled_in_gives_way_and_is_named() -> None:
    broken = runbook("broken", "fake.deploy", args={"image": "{labels.image}"}, priority=9)
    assert name(chosen(broken, RESTART)) == "restart"
    alone = chosen(broken)
    assert alone.plan is None
    assert "broken: " in alone.says
    assert "{labels.image} has no value" in alone.says


def test_an_action_that_nobody_offers_is_no_plan() -> None:
    assert "there is no action 'docker.restart'" in chosen(runbook("r", "docker.restart")).says


def test_a_runbook_without_steps_is_told_with_its_advice() -> None:
    choice = chosen(RESTART.with_(steps=()))
    assert (choice.plan, choice.says, choice.advice) == (None, "restart: Do fake.restart.", ("Look at api.",))


def test_no_runbook_at_all_is_said_plainly() -> None:
    assert chosen().says == "no runbook is for down on fake"
    assert chosen(target=API.with_(via="")).says == "no runbook is for down on a target that is only watched"


def test_the_plan_holds_real_arguments() -> None:
    book = runbook("deploy", "fake.deploy", args={"image": "{target}:{labels.team}"})
    choice = chosen(book)
    assert choice.plan is not None
    assert choice.plan.steps[0].args == {"image": "api:shop"}
    assert (choice.plan.incident, choice.plan.target) == ("INC-1", "api")
