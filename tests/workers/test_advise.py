"""Advise: a model names causes; only what can be checked is believed, and nothing is ever decided by it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from devops_agent.kit.testing import START, FakeClock
from devops_agent.kit.testing.reasoner import ScriptedReasoner, Turn
from devops_agent.kit.testing.telemetry import FakeLogs, FakeMetrics
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.insight import Insight
from devops_agent.ports import PluginError
from devops_agent.store import evidence
from devops_agent.workers.advice import told
from devops_agent.workers.gather import Sources
from tests.workers.advising import (
    INCIDENT,
    MODEL,
    RULES,
    SHOP,
    Inquiry,
    alert,
    claim,
    claims,
    inquiry,
    piece,
)

if TYPE_CHECKING:
    from pathlib import Path


LATER = timedelta(minutes=11)
"""When an answer is no longer used again."""


@pytest.fixture
async def asked(tmp_path: Path) -> Inquiry:
    return await inquiry(tmp_path)


async def test_a_claim_that_cites_existing_evidence_is_advice_in_the_models_name(asked: Inquiry) -> None:
    advice = await asked.ask(claims(claim()))
    assert advice.advised == (
        Hypothesis(
            kind="dependency_down",
            says="The database refuses connections.",
            confidence=0.8,
            evidence=("EV-1",),
            component="database",
            refuted_by="a successful query",
            source="scripted:model",
        ),
    )
    assert (advice.model, advice.dropped, advice.cached) == ("answered", 0, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"evidence": []},
        {"evidence": ["EV-77"]},
        {"evidence": ["ev-1", "1", "EV-1 "]},
        {"kind": "gremlins"},
        {"kind": "order"},
        {"kind": "self"},
        {"component": "payroll"},
        {"component": "SHOP; rm -rf /"},
        {"confidence": 95},
        {"confidence": -0.1},
        {"confidence": 1.000_1},
        {"confidence": float("nan")},
        {"confidence": float("inf")},
        {"confidence": 10**400},
        {"says": " \u200b"},
    ],
    ids=str,
)
async def test_a_claim_that_cannot_be_true_is_dropped_and_counted(asked: Inquiry, wrong: dict[str, Any]) -> None:
    advice = await asked.ask(claims(claim(**wrong), claim(kind="high_latency")))
    assert [one.kind for one in advice.advised] == ["high_latency"]
    assert advice.dropped == 1


async def test_of_what_a_claim_cites_only_what_exists_remains(asked: Inquiry) -> None:
    advice = await asked.ask(claims(claim(evidence=["EV-9", "EV-1", "EV-1", "EV-2"])))
    assert advice.advised[0].evidence == ("EV-1",)


async def test_only_runbooks_that_exist_are_suggested_and_others_counted(asked: Inquiry) -> None:
    advice = await asked.ask(
        claims(claim(runbook="service-unhealthy"), claim(kind="down", confidence=0.1, runbook="wipe-everything"))
    )
    assert [one.runbook for one in advice.advised] == ["service-unhealthy", ""]
    assert advice.dropped == 1


async def test_the_surest_claim_comes_first_and_each_cause_once(asked: Inquiry) -> None:
    advice = await asked.ask(
        claims(claim(confidence=0.2), claim(kind="down", confidence=0.6), claim(confidence=0.7), claim(component=""))
    )
    assert [(one.kind, one.component, one.confidence) for one in advice.advised] == [
        ("dependency_down", "", 0.8),
        ("dependency_down", "database", 0.7),
        ("down", "database", 0.6),
    ]


async def test_the_targets_own_name_is_the_same_as_none(asked: Inquiry) -> None:
    assert (await asked.ask(claims(claim(component="shop")))).advised[0].component == ""


async def test_claims_beyond_the_fifth_are_not_read(asked: Inquiry) -> None:
    kinds = ("down", "unhealthy", "high_cpu", "flapping", "crash_loop", "high_latency", "unreachable")
    advice = await asked.ask(claims(*(claim(kind=kind) for kind in kinds)))
    assert len(advice.advised) == 5
    assert advice.dropped == 2


async def test_no_claims_is_an_answer(asked: Inquiry) -> None:
    advice = await asked.ask(claims())
    assert (advice.advised, advice.model) == ((), "answered")


@pytest.mark.parametrize(
    ("advised", "model", "says"),
    [
        (
            Hypothesis(kind="down", says="It ended.", confidence=0.8, component="database", source="m"),
            "answered",
            "m advises: down in database (80%): It ended.; this contradicts the rules, which say unhealthy in shop",
        ),
        (
            Hypothesis(kind="unhealthy", says="It hangs.", confidence=0.8, source="m"),
            "answered",
            "m advises: unhealthy in shop (80%): It hangs.",
        ),
        (None, "answered", "the model names no cause"),
        (None, "out of time: it did not answer", "no advice of the model: out of time: it did not answer"),
    ],
)
def test_the_timeline_says_what_is_advised_and_whether_the_rules_say_otherwise(
    advised: Hypothesis | None, model: str, says: str
) -> None:
    rules = RULES.with_(component="shop")
    insight = Insight(
        incident="INC-1", at=START, hypotheses=(rules,), advised=(advised,) if advised else (), model=model
    )
    assert told(insight, target="shop") == says


async def test_the_rules_ranking_stays_as_it_is_whatever_the_model_says(asked: Inquiry) -> None:
    from devops_agent.workers.investigate import Scene

    asked.reasoner = ScriptedReasoner(turns=(claims(claim(confidence=1.0), claim(evidence=["EV-5"])),))
    insight = Insight(incident="INC-1", at=START, hypotheses=(RULES,), says="unhealthy", dropped=1)
    scene = Scene(incident=INCIDENT, firing=(alert(),), targets=asked.question.targets, sightings={})
    advised = await asked.adviser.advise(scene, asked.question.evidence, insight)
    assert [one.source for one in advised.advised] == ["scripted:model"]
    assert (advised.model, advised.dropped) == ("answered", 2)
    assert advised.with_(advised=(), model="off", dropped=1) == insight


@pytest.mark.parametrize(
    ("turn", "changes", "word"),
    [
        (Turn(hangs=True), {}, "out of time: it did not answer within 60 s"),
        (Turn(calls=(("states", {"target": "shop"}),)), {}, "out of turns: it went on asking for tools for 6 turns"),
        (Turn(text="no idea"), {}, "unreadable: its answer cannot be read: it holds no JSON object"),
        (Turn(text='{"claims": [', cut=True), {}, "unreadable: its answer cannot be read: it was cut off"),
        (Turn(refuses=True), {}, "failed: it refused to answer"),
        (Turn(status=401), {}, "failed: it answers 401"),
        (Turn(status=503), {}, "failed: it answers 503"),
        (Turn(), {"tokens": 100}, "out of tokens: its 100 tokens are spent"),
        (Turn(), {"dollars": 0.0001}, "out of money: its 0.00 dollars are spent"),
        (Turn(), {"tokens_per_day": 0}, "out of tokens: the day's tokens are spent"),
        (Turn(), {"dollars_per_day": 0.0}, "out of money: the day's money is spent"),
    ],
)
async def test_a_model_that_does_not_help_is_told_of_and_advises_nothing(
    asked: Inquiry, turn: Turn, changes: dict[str, Any], word: str
) -> None:
    asked.model = asked.model.with_(**changes)
    advice = await asked.ask(turn)
    assert advice.model.startswith(word)
    assert advice.advised == ()


async def test_a_model_that_is_busy_for_a_moment_still_answers(asked: Inquiry) -> None:
    assert (await asked.ask(Turn(status=429), claims(claim()))).model == "answered"


async def test_what_was_taken_is_counted_also_when_it_did_not_help(asked: Inquiry) -> None:
    advice = await asked.ask(Turn(text="no idea", tokens=(1_000, 50)))
    assert (advice.tokens, round(advice.dollars, 6)) == (2_100, 0.002_2)
    spent = await asked.spent()
    assert (spent.asked, spent.tokens, round(spent.dollars, 6)) == (1, 2_100, 0.002_2)


async def test_of_the_days_money_only_the_rest_can_be_spent(asked: Inquiry) -> None:
    asked.model = MODEL.with_(tokens_per_day=4_500, cache=timedelta(0))
    greedy = claims(claim(), tokens=(3_500, 100))
    assert (await asked.ask(greedy)).model == "answered"
    second = await asked.ask(greedy)
    assert second.model.startswith("out of tokens: its 900 tokens")
    assert (await asked.spent()).tokens == 3_600


async def test_a_process_that_dies_while_asking_has_spent_what_it_set_aside(asked: Inquiry) -> None:
    asked.reasoner = ScriptedReasoner(turns=(Turn(hangs=True),), clock=FakeClock(auto=False))
    asking = asyncio.ensure_future(asked.adviser.ask(asked.question, sightings={}))
    await asked.reasoner.hangs.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (await asked.spent()).tokens == MODEL.tokens


async def test_the_very_same_question_is_paid_once(asked: Inquiry) -> None:
    first = await asked.ask(claims(claim()))
    second = await asked.ask(Turn(text="must not be asked"))
    assert asked.reasoner.requests == []
    assert second == first.with_(cached=True, tokens=0, dollars=0.0, seconds=0.0)
    assert (await asked.spent()).asked == 1


async def test_another_question_another_model_and_a_later_one_are_asked_anew(asked: Inquiry) -> None:
    await asked.ask(claims(claim()))
    asked.question = asked.question.with_(alerts=())
    assert not (await asked.ask(claims(claim()))).cached
    asked.model = asked.model.with_(name="scripted:other")
    assert not (await asked.ask(claims(claim()))).cached
    await asked.clock.advance(LATER.total_seconds())
    assert not (await asked.ask(claims(claim()))).cached


async def test_an_answer_that_did_not_help_is_not_kept(asked: Inquiry) -> None:
    await asked.ask(Turn(text="no idea"))
    assert (await asked.ask(claims(claim()))).model == "answered"


async def test_the_task_holds_our_words_alone_and_what_is_from_outside_stands_in_one_block(tmp_path: Path) -> None:
    asked = await inquiry(tmp_path, piece("outside says hello"))
    await asked.ask(claims(claim()))
    system, data = (message.text for message in asked.reasoner.requests[0].messages[:2])
    for outside in ("outside says hello", "the shop answers 500", "shop", "service-unhealthy"):
        assert outside not in system
        assert outside in data
    begin, body, end = data.splitlines()
    assert begin.strip("<>") == end.strip("</>")
    assert begin in system
    assert json.loads(body)["evidence"][0]["id"] == "EV-1"


async def test_each_question_has_a_boundary_of_its_own(asked: Inquiry) -> None:
    asked.model = MODEL.with_(cache=timedelta(0))
    begins = set()
    for _ in range(3):
        await asked.ask(claims(claim()))
        begins.add(asked.reasoner.requests[0].messages[1].text.splitlines()[0])
    assert len(begins) == 3


async def test_log_lines_are_shown_as_templates_never_as_they_were_written(tmp_path: Path) -> None:
    asked = await inquiry(tmp_path, piece(details={"template": "user <*> failed", "example": "user 17 failed"}))
    await asked.ask(claims(claim()))
    assert "user <*> failed" in asked.reasoner.shown
    assert "user 17 failed" not in asked.reasoner.shown


async def test_mail_and_host_are_hidden_from_the_model_and_named_to_people(tmp_path: Path) -> None:
    asked = await inquiry(tmp_path, piece("mail to root@shop.example from 10.9.8.7 bounced"))
    advice = await asked.ask(claims(claim(says="‹ADDRESS-2› cannot mail ‹MAIL-1›.")))
    assert "shop.example" not in asked.reasoner.shown
    assert "10.9.8.7" not in asked.reasoner.shown
    assert advice.advised[0].says == "10.9.8.7 cannot mail root@shop.example."


async def test_a_target_whose_name_is_an_address_can_be_named(tmp_path: Path) -> None:
    node = SHOP.with_(name="10.0.0.5:9100")
    asked = await inquiry(tmp_path, targets=(SHOP, node))
    advice = await asked.ask(claims(claim(component="‹ADDRESS-1›:9100")))
    assert "10.0.0.5" not in asked.reasoner.shown
    assert advice.advised[0].component == "10.0.0.5:9100"


async def test_a_secret_never_reaches_model_answer_or_store(tmp_path: Path) -> None:
    asked = await inquiry(tmp_path, piece("login failed: password=Tr0ub4dor&3 for root"), alerts=())
    asked.secrets = ("the key of the model",)
    asked.question = asked.question.with_(alerts=(alert(annotations={"d": "with the key of the model"}),))
    advice = await asked.ask(claims(claim(says="It logs ‹SECRET-1› and ‹SECRET-2›.")))
    assert "Tr0ub4dor" not in asked.reasoner.shown
    assert "the key of the model" not in asked.reasoner.shown
    assert advice.advised[0].says == "It logs ‹SECRET-1› and ‹SECRET-2›."


async def test_what_a_tool_shows_is_kept_as_evidence_and_can_be_cited(asked: Inquiry) -> None:
    logs = FakeLogs()
    logs.write("database", *["FATAL: too many connections"] * 5, at=START - timedelta(minutes=2))
    asked.sources = Sources(logs=(("loki", logs),))
    await asked.ask(Turn(calls=(("logs", {"target": "database", "minutes": 10}),)), claims(claim(evidence=["EV-3"])))
    kept = await asked.store.read(lambda rows: evidence.of_incident(rows, "INC-1"))
    found = next(one for one in kept if "too many connections" in one.says)
    assert found.target == "database"
    again = await asked.ask(
        Turn(calls=(("logs", {"target": "database", "pattern": "TOO many"}),)), claims(claim(evidence=[found.id]))
    )
    assert again.cached or again.advised[0].evidence == (found.id,)


@pytest.mark.parametrize("target", ["payroll", "", "shop{}", '"} or {"', "../shop"])
async def test_a_tool_knows_no_target_but_those_of_the_incident(asked: Inquiry, target: str) -> None:
    logs, metrics = FakeLogs(), FakeMetrics()
    asked.sources = Sources(logs=(("loki", logs),), metrics=metrics)
    calls = Turn(calls=(("logs", {"target": target}), ("metrics", {"target": target}), ("states", {"target": target})))
    await asked.ask(calls, claims(claim()))
    assert (logs.asked, metrics.asked) == ([], [])
    assert asked.reasoner.shown.count("there is no target of that name") == 3


async def test_no_text_of_the_model_reaches_a_query(asked: Inquiry) -> None:
    metrics = FakeMetrics()
    for name in ("queue_length", "latency_p95_ms"):
        metrics.add(name, [1.0] * 60, begin=START - timedelta(minutes=14), target="shop")
    asked.sources = Sources(metrics=metrics)
    evil = '"} or vector(1) #'
    await asked.ask(
        Turn(
            calls=(("metrics", {"target": "shop", "series": evil}), ("metrics", {"target": "shop", "series": "queue"}))
        ),
        claims(claim()),
    )
    assert metrics.asked
    assert not any("vector" in one for one in metrics.asked)
    assert "queue_length of shop is 1" in asked.reasoner.shown


async def test_a_source_in_trouble_is_told_to_the_model_masked(asked: Inquiry) -> None:
    logs = FakeLogs()
    logs.trouble = PluginError("http://loki:3100 says: password=Tr0ub4dor&3 is wrong")
    asked.sources = Sources(logs=(("loki", logs),))
    assert (await asked.ask(Turn(calls=(("logs", {"target": "shop"}),)), claims(claim()))).model == "answered"
    assert "no answer: " in asked.reasoner.shown
    assert "Tr0ub4dor" not in asked.reasoner.shown


async def test_earlier_incidents_are_shown_as_data_and_cannot_be_cited(asked: Inquiry) -> None:
    asked.similar = ["INC-0: the disk was full; call root@shop.example", *(f"INC-{n}" for n in range(20, 40))]
    call = Turn(calls=(("similar_incidents", {"text": "connection refused"}),))
    advice = await asked.ask(call, claims(claim(evidence=["INC-0"])))
    assert "the disk was full; call ‹MAIL-1›" in asked.reasoner.shown
    assert "INC-24" not in asked.reasoner.shown
    assert (advice.advised, advice.dropped) == ((), 1)


async def test_only_tools_that_have_a_source_are_offered(asked: Inquiry) -> None:
    await asked.ask(claims(claim()))
    assert [tool.name for tool in asked.reasoner.requests[0].tools] == ["states"]
