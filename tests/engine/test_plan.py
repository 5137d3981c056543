"""Which runbook is chosen, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.engine.plan import Choice, Options, choose, fits
from devops_agent.model.incident import Incident
from devops_agent.model.learning import Record, Waited
from devops_agent.model.runbook import Match, Runbook
from devops_agent.model.target import Target
from tests.engine.site import ACTIONS, runbook
from tests.engine.views import API, INCIDENT

RESTART = runbook("restart", "fake.restart")
START = runbook("start", "fake.start")
LABELS = {"alertname": "ServiceDown", "team": "shop"}


def chosen(
    *books: Runbook,
    incident: Incident = INCIDENT,
    target: Target = API,
    labels: dict[str, str] | None = None,
    records: dict[str, Record] | None = None,
    waited: Waited = Waited(),  # noqa: B008 — a fact does not change
    tried: tuple[str, ...] = (),
) -> Choice:
    return choose(
        Options(
            incident=incident,
            kind="down",
            target=target,
            runbooks=books,
            labels=LABELS if labels is None else labels,
            offered=tuple(ACTIONS),
            records=records or {},
            waited=waited,
            tried=tried,
        )
    )


def here(healed: int, tried: int) -> Record:
    return Record(here=(healed, tried), here_weighted=(healed, tried))


def share(first: str, *books: Runbook, records: dict[str, Record]) -> float:
    """Return in what share of many incidents `first` is chosen."""
    many = [chosen(*books, incident=INCIDENT.with_(id=f"INC-{n}"), records=records) for n in range(400)]
    return sum(name(one) == first for one in many) / len(many)


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


def test_while_nothing_is_known_they_go_in_the_order_in_which_they_are_shown() -> None:
    assert [name(chosen(*books)) for books in ((RESTART, START), (START, RESTART))] == ["restart", "start"]


def test_then_mostly_the_one_that_worked_better_before() -> None:
    records = {"restart": here(1, 20), "start": here(18, 20)}
    assert share("start", RESTART, START, records=records) > 0.99
    assert chosen(RESTART, START, records=records).says == (
        "start is for down; it healed 18 of 20 here before; chosen over restart (1 of 20 here)"
    )


def test_the_worse_one_is_tried_now_and_then_while_little_is_known_and_that_is_said() -> None:
    records = {"restart": here(1, 3), "start": here(2, 3)}
    assert 0.6 < share("start", RESTART, START, records=records) < 0.95
    rare = next(
        choice
        for n in range(100)
        if name(choice := chosen(RESTART, START, incident=INCIDENT.with_(id=f"INC-{n}"), records=records)) == "restart"
    )
    assert rare.says.endswith("chosen over start (2 of 3 here), to know it better")


def test_the_same_question_has_the_same_answer_and_the_next_try_is_another_question() -> None:
    records = {"restart": here(1, 2), "start": here(1, 2)}
    asked = {n: {name(chosen(RESTART, START, incident=one, records=records)) for _ in range(5)} for n, one in MANY}
    assert all(len(answers) == 1 for answers in asked.values())
    assert {answer for answers in asked.values() for answer in answers} == {"restart", "start"}


MANY = [(n, INCIDENT.with_(attempts=n)) for n in range(12)]


def test_an_untried_one_mostly_goes_before_one_that_failed_and_after_one_that_worked() -> None:
    assert share("start", RESTART, START, records={"restart": here(0, 3)}) > 0.7
    assert share("restart", START, RESTART, records={"restart": here(3, 3)}) > 0.7


def test_what_is_credited_is_what_it_heals_beyond_waiting() -> None:
    choice = chosen(RESTART, records={"restart": here(9, 10)}, waited=Waited(here=(0, 20)))
    assert choice.says == "restart is for down; it healed 9 of 10 here before, 80% more often than waiting"
    idle = chosen(RESTART, records={"restart": here(9, 10)}, waited=Waited(here=(80, 80)))
    assert idle.says.endswith("before, 0% more often than waiting")


@given(st.data())
def test_whatever_the_records_people_s_ranking_goes_first(data: st.DataObject) -> None:
    counts = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda two: here(min(two), max(two)))
    records = {"restart": data.draw(counts), "start": data.draw(counts)}
    assert name(chosen(RESTART, START.with_(priority=1), records=records)) == "start"


def test_what_was_tried_in_vain_is_not_tried_again_on_the_same_incident() -> None:
    assert name(chosen(RESTART, START, tried=("restart",))) == "start"
    none = chosen(RESTART, tried=("restart",))
    assert (none.plan, none.says) == (None, "restart was tried and did not help")
    assert none.advice == ("Look at api.",)


def test_what_a_person_chose_goes_before_everything_even_if_it_fits_nothing() -> None:
    guided = INCIDENT.with_(guided="start")
    odd = START.with_(match=Match())
    choice = chosen(RESTART.with_(priority=9), odd, incident=guided, tried=("start",))
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
