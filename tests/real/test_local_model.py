"""A real language model, small enough for one core: good for the plumbing, right by chance only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devops_agent.app.clock import SystemClock
from devops_agent.kit.schema import misfits
from devops_agent.kit.testing import tools
from devops_agent.kit.testing.reasoner_contract import PROMPT, Shelf
from devops_agent.model.reasoning import Budget, Completion, Ended, Prompt, ReadTool
from devops_agent.plugins.langchain.reasoner import LangchainReasoner, build
from devops_agent.ports import Reasoner
from devops_agent.workers.advice import Advice
from tests.workers.advising import inquiry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BUDGET = Budget(turns=3, tokens=4_000, seconds=240.0, dollars=0.0)
DISK = PROMPT.with_(text='<data-1>{"evidence": [{"id": "EV-1", "says": "the disk is full"}]}</data-1>')


@pytest.fixture
def model(local_model: str, tmp_path: Path) -> LangchainReasoner:
    config = {"name": "openai:smollm2", "base_url": local_model}
    return build(config, tools=tools(tmp_path, clock=SystemClock()))


async def test_its_answer_fits_the_schema_and_what_it_took_is_counted(model: LangchainReasoner) -> None:
    done = await model.complete(DISK, tools=(), budget=BUDGET)
    assert (done.ended, misfits(done.answer, DISK.answer_schema)) == (Ended.ANSWERED, [])
    assert done.tokens_in > 0
    assert done.tokens_out > 0


async def test_that_it_calls_no_tools_does_no_harm(model: LangchainReasoner) -> None:
    shelf = Shelf()
    done = await model.complete(DISK, tools=(shelf.tool,), budget=BUDGET)
    assert done.ended in (Ended.ANSWERED, Ended.UNREADABLE)
    assert shelf.asked == []
    assert done.turns <= BUDGET.turns


async def test_an_answer_that_grows_too_long_is_cut_off_and_never_believed(model: LangchainReasoner) -> None:
    endless = {"type": "object", "properties": {"cause": {"type": "string", "minLength": 3_000}}, "required": ["cause"]}
    done = await model.complete(DISK.with_(answer_schema=endless), tools=(), budget=BUDGET.with_(tokens=300))
    assert done.ended in (Ended.OUT_OF_TOKENS, Ended.UNREADABLE)
    assert done.answer == {}
    assert done.tokens_out <= 300


async def test_it_is_dropped_when_time_is_up_and_answers_the_next_question(model: LangchainReasoner) -> None:
    endless = {"type": "object", "properties": {"cause": {"type": "string", "minLength": 9_000}}, "required": ["cause"]}
    late = await model.complete(DISK.with_(answer_schema=endless), tools=(), budget=BUDGET.with_(seconds=0.5))
    assert (late.ended, late.answer) == (Ended.OUT_OF_TIME, {})
    assert (await model.complete(DISK, tools=(), budget=BUDGET)).ended is Ended.ANSWERED


@dataclass
class Led:
    """The model, led by a narrower schema: what it says is its own, where the schema leaves it a choice."""

    model: Reasoner
    confidence: dict[str, Any]

    async def complete(self, prompt: Prompt, *, tools: Sequence[ReadTool], budget: Budget) -> Completion:
        claim = {
            "type": "object",
            "properties": {
                "kind": {"type": "string", "enum": ["dependency_down", "unhealthy"]},
                "component": {"type": "string", "enum": ["shop", "database"]},
                "says": {"type": "string", "minLength": 5, "maxLength": 60},
                "confidence": {"type": "number", **self.confidence},
                "evidence": {"type": "array", "items": {"enum": ["EV-1"]}, "minItems": 1, "maxItems": 1},
            },
            "required": ["kind", "component", "says", "confidence", "evidence"],
        }
        claims = {"type": "array", "items": claim, "minItems": 1, "maxItems": 1}
        schema = {"type": "object", "properties": {"claims": claims}, "required": ["claims"]}
        return await self.model.complete(prompt.with_(answer_schema=schema), tools=(), budget=budget)


@pytest.fixture
def ask(model: LangchainReasoner, tmp_path: Path) -> Callable[..., Any]:
    async def ask_it(**confidence: float) -> Advice:
        asked = await inquiry(tmp_path)
        asked.model = asked.model.with_(timeout=timedelta(seconds=300))
        adviser = asked.adviser
        led = type(adviser)(
            reasoner=Led(model, confidence),
            store=adviser.store,
            clock=adviser.clock,
            settings=adviser.settings,
            runbooks=adviser.runbooks,
            sources=adviser.sources,
        )
        return await led.ask(asked.question, sightings={})

    return ask_it


async def test_what_it_claims_with_evidence_is_advice(ask: Callable[..., Any]) -> None:
    advice = await ask(enum=[0.25])
    assert (advice.model, advice.dropped) == ("answered", 0)
    assert advice.advised[0].evidence == ("EV-1",)
    assert advice.advised[0].confidence == 0.25
    assert advice.tokens > 500


async def test_what_it_claims_in_percent_is_dropped(ask: Callable[..., Any]) -> None:
    advice = await ask(enum=[95])
    assert (advice.model, advice.advised, advice.dropped) == ("answered", (), 1)
