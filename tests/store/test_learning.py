"""Trials, waits and predictions as rows."""

from datetime import timedelta

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.attempt import Outcome
from devops_agent.model.calibration import fit
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.learning import Tried, Waited
from devops_agent.model.prediction import OUTCOME, PERSON, Prediction
from devops_agent.store import Store, learning
from devops_agent.store.rows import Rows

LONG_AGO = START - timedelta(days=90)


def tried(incident: str = "INC-1", **changes: object) -> Tried:
    whole: dict[str, object] = {
        "at": START,
        "incident": incident,
        "target": "api",
        "kind": "down",
        "runbook": "restart",
        "actions": ("fake.stop", "fake.start"),
        "version": "shop:1",
        "outcome": Outcome.HEALED,
        **changes,
    }
    return Tried(**whole)  # type: ignore[arg-type]


def claim(incident: str, kind: str = "down", **changes: object) -> Prediction:
    whole: dict[str, object] = {
        "incident": incident,
        "target": "api",
        "source": "rules",
        "kind": kind,
        "raw": 0.9,
        "published": 0.8,
        "at": START,
        **changes,
    }
    return Prediction(**whole)  # type: ignore[arg-type]


async def trials(store: Store) -> list[Tried]:
    return await store.read(lambda rows: learning.all_trials(rows, since=LONG_AGO))


async def test_a_trial_is_read_back_by_class_and_by_target(store: Store) -> None:
    def work(rows: Rows) -> None:
        learning.keep_trial(rows, "ATT-1", tried())
        learning.keep_trial(rows, "ATT-2", tried("INC-2", target="web", at=START + timedelta(minutes=1)))
        learning.keep_trial(rows, "ATT-3", tried("INC-3", kind="unhealthy", at=START + timedelta(minutes=2)))

    await store.write(work)
    assert [one.incident for one in await trials(store)] == ["INC-1", "INC-2", "INC-3"]
    others = await store.read(lambda rows: learning.of_kind(rows, "down", besides="api", since=LONG_AGO))
    assert others == [tried("INC-2", target="web", at=START + timedelta(minutes=1))]
    assert await store.read(lambda rows: learning.of_target(rows, "api", "down", since=LONG_AGO)) == [tried()]
    later = START + timedelta(seconds=1)
    assert await store.read(lambda rows: learning.of_target(rows, "api", "down", since=later)) == []


async def test_an_outcome_found_out_later_replaces_the_first_and_leaves_a_person_s_word(store: Store) -> None:
    def work(rows: Rows) -> str:
        learning.keep_trial(rows, "ATT-1", tried())
        said = learning.say_of_trial(rows, "INC-1", word="helped", now=START)
        learning.keep_trial(rows, "ATT-1", tried(outcome=Outcome.FAILED))
        return said

    assert await store.write(work) == "ATT-1"
    assert await trials(store) == [tried(outcome=Outcome.FAILED, word="helped", word_at=START)]


async def test_a_word_on_an_incident_means_its_last_plan(store: Store) -> None:
    def work(rows: Rows) -> str:
        learning.keep_trial(rows, "ATT-9", tried(outcome=Outcome.FAILED))
        learning.keep_trial(rows, "ATT-10", tried(at=START + timedelta(seconds=9)))
        return learning.say_of_trial(rows, "INC-1", word="harmful", now=START)

    assert await store.write(work) == "ATT-10"
    assert await store.write(lambda rows: learning.say_of_trial(rows, "INC-2", word="harmful", now=START)) == ""


async def test_trouble_that_comes_back_takes_back_what_was_inferred_but_not_what_a_person_said(store: Store) -> None:
    def work(rows: Rows) -> list[Prediction]:
        learning.keep_trial(rows, "ATT-1", tried())
        learning.keep_trial(rows, "ATT-2", tried(outcome=Outcome.FAILED))
        learning.keep_wait(rows, "INC-1", target="api", kind="down", recovered=True, now=START)
        for kind in ("down", "unhealthy"):
            learning.predict(rows, claim("INC-1", kind))
        learning.judge(rows, "INC-1", "down", right=True)
        learning.judge(rows, "INC-1", "unhealthy", right=True, by=PERSON)
        learning.relapse(rows, "INC-1")
        return learning.predictions(rows, "INC-1")

    verdicts = {one.kind: one.verdict for one in await store.write(work)}
    assert verdicts == {"down": "unknown", "unhealthy": "right"}
    assert [one.relapsed for one in await trials(store)] == [True, False]
    waited = await store.read(lambda rows: learning.waited(rows, "down", target="api", since=LONG_AGO))
    assert waited == Waited(here=(0, 1))


async def test_waits_are_told_for_a_target_and_for_all_others(store: Store) -> None:
    def work(rows: Rows) -> None:
        for number, (target, recovered) in enumerate([("api", True), ("web", False), ("db", True), ("api", False)]):
            learning.keep_wait(rows, f"INC-{number}", target=target, kind="down", recovered=recovered, now=START)

    await store.write(work)
    waited = await store.read(lambda rows: learning.waited(rows, "down", target="api", since=LONG_AGO))
    assert waited == Waited(here=(1, 2), elsewhere=(1, 2))
    assert await store.read(lambda rows: learning.waited(rows, "oom", target="api", since=LONG_AGO)) == Waited()
    assert await store.write(lambda rows: learning.say_of_wait(rows, "INC-0"))
    assert not await store.write(lambda rows: learning.say_of_wait(rows, "INC-9"))
    waited = await store.read(lambda rows: learning.waited(rows, "down", target="api", since=LONG_AGO))
    assert waited.here == (0, 2)


async def test_a_prediction_is_kept_once_for_incident_source_and_class_the_newest_counts(store: Store) -> None:
    def work(rows: Rows) -> list[Prediction]:
        learning.predict(rows, claim("INC-1", seen=True))
        learning.predict(rows, claim("INC-1", raw=0.6, published=0.5, at=START + timedelta(seconds=5)))
        return learning.predictions(rows, "INC-1")

    [kept] = await store.write(work)
    assert (kept.raw, kept.published, kept.seen) == (0.6, 0.5, True)


async def test_what_a_person_judged_is_judged_anew_by_a_person_only(store: Store) -> None:
    def work(rows: Rows) -> list[Prediction]:
        learning.predict(rows, claim("INC-1"))
        learning.judge(rows, "INC-1", "down", right=False, by=PERSON)
        learning.judge(rows, "INC-1", "down", right=True)
        learning.judge(rows, "INC-1", "down", right=True, by=OUTCOME)
        learning.predict(rows, claim("INC-1", raw=0.1))
        return learning.predictions(rows, "INC-1")

    [kept] = await store.write(work)
    assert (kept.verdict, kept.judged_by, kept.raw) == ("wrong", "person", 0.9)
    await store.write(lambda rows: learning.judge(rows, "INC-1", "down", right=True, by=PERSON))
    [kept] = await store.read(lambda rows: learning.predictions(rows, "INC-1"))
    assert kept.verdict == "right"


async def test_the_map_is_fitted_to_what_was_judged_of_each_source_lately(store: Store) -> None:
    def work(rows: Rows) -> None:
        for number in range(60):
            raw = (number * 7 % 60) / 60
            source = "rules" if number % 3 else "openai:gpt"
            learning.predict(rows, claim(f"INC-{number}", raw=raw, source=source, target=f"t{number % 4}"))
            by = PERSON if number % 5 == 0 else "outcome"
            if number % 10 != 9:
                learning.judge(rows, f"INC-{number}", "down", right=raw > 0.4, by=by)

    await store.write(work)
    judged = await store.read(lambda rows: learning.judged(rows, since=LONG_AGO))
    assert len(judged) == 54
    fitted = fit(one.judged for one in judged)
    read = await store.read(lambda rows: learning.calibration(rows, since=LONG_AGO))
    assert read.curves.keys() == fitted.curves.keys() == {"rules", "openai:gpt"}
    for stated in (0.05, 0.3, 0.6, 0.95):
        guess = Hypothesis(kind="down", says="", confidence=stated)
        assert read.of(guess) == pytest.approx(fitted.of(guess), abs=2e-3)
    later = await store.read(lambda rows: learning.calibration(rows, since=START + timedelta(days=1)))
    assert later.curves == {}
