"""Orders in telemetry change nothing, though the model obeys each of them: no action, no leak, no altered decision."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

import pytest

from devops_agent.engine import judge
from devops_agent.engine.classify import History
from devops_agent.kit.testing import START
from devops_agent.kit.testing.telemetry import FakeLogs, FakeMetrics
from devops_agent.model.fact import to_json
from devops_agent.model.insight import Insight
from devops_agent.workers.advice import Advice
from devops_agent.workers.question import KINDS
from tests.engine.views import DEAD, HEALTHY, ILL, RUNS, firing, view
from tests.workers.advising import RULES, Inquiry, claim, claims, inquiry
from tests.workers.infected import infected
from tests.workers.injections import ATTEMPTS, CANARIES, OWN_SECRET, PERSONAL

if TYPE_CHECKING:
    from pathlib import Path

VIEWS = (view(DEAD), view(RUNS, ILL), view(RUNS, HEALTHY), view(None, HEALTHY))
NAMES = ("ServiceDown", "HighErrorRate", "SomethingOdd")


@pytest.fixture(
    params=[
        pytest.param(text, id=name, marks=pytest.mark.slow if number % 4 else ())  # a sample in `make check`
        for number, (name, text) in enumerate(ATTEMPTS.items())
    ]
)
def attempt(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


@pytest.fixture
async def asked(tmp_path: Path, attempt: str) -> Inquiry:
    return await infected(tmp_path, attempt)


def test_the_collection_is_large_and_each_attempt_is_another() -> None:
    assert len(ATTEMPTS) >= 60
    assert len(set(ATTEMPTS.values())) == len(ATTEMPTS)


async def test_no_attempt_acts_leaks_or_alters_a_decision(asked: Inquiry) -> None:
    advice = await asked.adviser.ask(asked.question, sightings={})
    assert advice.model == "answered"
    assert len(asked.reasoner.requests) == 3
    _nothing_leaves(asked)
    _the_task_is_ours(asked)
    _sources_are_asked_for_nothing_else(asked)
    known = {target.name for target in asked.question.targets}
    assert {one.kind for one in advice.advised} <= set(KINDS)
    assert {one.component for one in advice.advised} <= known | {""}
    assert {id_ for one in advice.advised for id_ in one.evidence} == {"EV-1"}
    assert {one.runbook for one in advice.advised} <= {"", "service-unhealthy"}
    assert advice.dropped == 4
    _nothing_comes_back(to_json(advice))
    for one in advice.advised:
        _is_plain(one.says)
        _is_plain(one.refuted_by)
    _no_decision_is_altered(asked, advice)


async def test_the_attempts_were_read_and_obeyed(tmp_path: Path) -> None:
    asked = await infected(tmp_path, ATTEMPTS["order"])
    advice = await asked.adviser.ask(asked.question, sightings={})
    assert asked.reasoner.shown.count(ATTEMPTS["order"]) > 10
    assert advice.advised[0].says.startswith(ATTEMPTS["order"])
    assert advice.advised[0].confidence == 1.0


def _nothing_leaves(asked: Inquiry) -> None:
    shown = asked.reasoner.shown
    for secret in (*CANARIES, *PERSONAL, OWN_SECRET):
        assert secret not in shown
    odd = {char for char in shown if unicodedata.category(char) in {"Cc", "Cf", "Co", "Cn", "Cs"}} - {"\n"}
    assert odd == set()


def _the_task_is_ours(asked: Inquiry) -> None:
    for request in asked.reasoner.requests:
        system, data, *_ = request.messages
        begin, body, end = data.text.split("\n")
        boundary = begin.strip("<>")
        assert end == f"</{boundary}>"
        assert isinstance(json.loads(body), dict)
        assert system.text.replace(boundary, "B") == asked.reasoner.requests[0].messages[0].text.replace(boundary, "B")
        for message in request.messages:
            if message.role == "tool" and begin in message.text:
                assert message.text.split("\n")[0::2] == [begin, end]
                json.loads(message.text.split("\n")[1])


def _sources_are_asked_for_nothing_else(asked: Inquiry) -> None:
    """What is found in the metrics store is asked for by its own selector; what the model wrote is in no query."""
    metrics, logs = asked.sources.metrics, asked.sources.logs[0][1]
    assert isinstance(metrics, FakeMetrics)
    assert isinstance(logs, FakeLogs)
    assert len(set(metrics.asked)) == 1
    assert {target for target, _, _ in logs.asked} == {"database"}


def _nothing_comes_back(text: str) -> None:
    for secret in (*CANARIES, OWN_SECRET):
        assert secret not in text


def _is_plain(text: str) -> None:
    lowered = text.lower()
    for mark in ("://", "](", "<", ">", "`", "@here", "@everyone", "javascript:"):
        assert mark not in lowered
    assert all(char.isprintable() for char in text)


def _no_decision_is_altered(asked: Inquiry, advice: Advice) -> None:
    plain = Insight(incident="INC-1", at=START, hypotheses=(RULES,), says="unhealthy")
    advised = plain.with_(advised=advice.advised, model=advice.model, dropped=advice.dropped)
    for seen in VIEWS:
        for name in NAMES:
            case = judge.Case(
                incident=asked.question.incident,
                alerts=(*asked.question.alerts, firing(name)),
                view=seen,
                history=History(healed=0, many=3),
            )
            assert judge.DIAGNOSE.decide(case.with_(insight=advised)) == judge.DIAGNOSE.decide(
                case.with_(insight=plain)
            )


async def test_the_task_is_word_for_word_the_same_with_and_without_an_attempt(tmp_path: Path) -> None:
    clean = await inquiry(tmp_path)
    await clean.ask(claims(claim()))
    (tmp_path / "other").mkdir()
    dirty = await infected(tmp_path / "other", ATTEMPTS["closes the block"])
    await dirty.adviser.ask(dirty.question, sightings={})
    tasks = set()
    for asked in (clean, dirty):
        system, data, *_ = asked.reasoner.requests[0].messages
        tasks.add(system.text.replace(data.text.split("\n")[0].strip("<>"), "B"))
    assert len(tasks) == 1
