import getpass
from datetime import UTC, datetime, timedelta

import pytest

from devops_agent.model.action import Action, Risk
from devops_agent.model.attempt import Outcome
from devops_agent.model.learning import Tried
from devops_agent.model.prediction import Prediction
from devops_agent.store import catalogue, events, learning
from devops_agent.store.rows import Rows
from tests.cli.calling import Caller


def teach(rows: Rows) -> None:
    """Write what INC-1 came to, and what seven earlier incidents did."""
    catalogue.keep(rows, runbooks=[], actions=[Action(name="docker.restart", says="Restart.", risk=Risk.RISKY)])
    now = datetime.now(UTC) - timedelta(hours=10)
    for number, target in enumerate(["checkout"] * 6 + ["worker"], start=90):
        incident, at = f"INC-{number}", now + timedelta(minutes=number)
        tried = Tried(
            at=at, incident=incident, target=target, kind="down", runbook="service-down",
            actions=("docker.restart",), version="shop:1", outcome=Outcome.HEALED,
        )  # fmt: skip
        learning.keep_trial(rows, f"ATT-{number}", tried)
        learning.predict(rows, claim(incident, target, at))
        learning.judge(rows, incident, "down", right=number % 2 == 0)
    learning.keep_trial(rows, "ATT-1", tried.with_(incident="INC-1", target="checkout", at=at))
    learning.keep_wait(rows, "INC-80", target="checkout", kind="down", recovered=False, now=now)
    learning.predict(rows, claim("INC-1", "checkout", at))


def claim(incident: str, target: str, at: datetime) -> Prediction:
    return Prediction(incident=incident, target=target, source="rules", kind="down", raw=0.98, published=0.9, at=at)


@pytest.fixture
def taught(site: Caller) -> Caller:
    site.rows(teach)
    return site


def test_without_anything_learnt_that_is_said(site: Caller) -> None:
    assert site.says("learning").startswith("no diagnosis was judged yet")
    assert site.document("learning") == {"confidence": [], "runbooks": [], "actions": []}


def test_reliability_success_trust_and_why_are_told(taught: Caller) -> None:
    said = taught.says("learning")
    assert "7 diagnoses by rules were judged: 7 by what came of it" in said
    assert "90% to 100%" in said
    assert "as stated" in said
    assert "service-down  down  8 of 8" in said
    [line] = [line for line in said.splitlines() if "checkout" in line]
    words = line.split()
    assert words[:3] == ["docker.restart", "down", "checkout"]
    assert "7 of 7  0 of 1" in line
    assert "notify  risen: it healed 6 of 6, at least 5" in line
    assert "checkout" not in taught.says("learning", "--target", "worker")


def test_the_same_is_there_for_programs(taught: Caller) -> None:
    told = taught.document("learning", "--target", "checkout")
    assert told["confidence"][0]["judged_by"] == {"outcome": 7}
    assert told["confidence"][0]["published"]["bands"][0]["claims"] == 7
    [action] = told["actions"]
    assert (action["healed"], action["tried"], action["left_alone"]) == (7, 7, 1)
    assert action["standing"]["level"] == "notify"


def test_a_word_is_kept_with_who_said_it_and_changes_trust_at_once(taught: Caller) -> None:
    said = taught.says("feedback", "1", "--harmful", "--kind", "unhealthy", "--comment", "it hung")
    user = getpass.getuser()
    assert said == f"cli:{user}: the diagnosis down was wrong, it was unhealthy; the plan ATT-1 did harm — it hung\n"
    [event] = taught.rows(lambda rows: events.latest(rows, limit=1))
    assert (event.kind, event.actor, event.incident) == ("feedback", f"cli:{user}", "INC-1")
    [action] = taught.document("learning", "--target", "checkout")["actions"]
    assert action["standing"]["level"] == "ask"
    assert "a person called it harmful" in action["standing"]["says"]
    assert taught.document("feedback", "INC-1", "--helped") == {"says": f"cli:{user}: the plan ATT-1 helped"}


def test_what_cannot_be_heard_is_refused(taught: Caller) -> None:
    assert "cannot learn from nothing" in taught.refuses("feedback", "INC-1", code=1)
    assert "no fault class 'gremlins'" in taught.refuses("feedback", "INC-1", "--kind", "gremlins", code=1)
    assert "INC-99" in taught.refuses("feedback", "INC-99", "--right", code=3)


def test_a_target_that_there_is_not_is_not_one_on_which_nothing_was_done(taught: Caller) -> None:
    assert "did you mean 'checkout'" in taught.refuses("learning", "--target", "chekout", code=3)
    assert "nothing was done on db yet" in taught.says("learning", "--target", "db")


@pytest.mark.parametrize("words", [("--right", "--wrong"), ("--helped", "--harmful"), ("--mended", "--useless")])
def test_words_that_contradict_each_other_are_refused(taught: Caller, words: tuple[str, str]) -> None:
    assert "contradict each other" in taught.refuses("feedback", "INC-1", *words, code=2)
