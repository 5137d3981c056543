"""The scripted model obeys the rules of every reasoner, and remembers what it was shown."""

from collections.abc import Callable

import pytest

from devops_agent.kit.dialogue import Prices
from devops_agent.kit.testing.reasoner import ScriptedReasoner, Turn, answers
from devops_agent.kit.testing.reasoner_contract import BUDGET, PROMPT, Make, ReasonerContract, Shelf, logs


@pytest.fixture
def make() -> Make:
    def build(*turns: Turn, input_price: float = 0.0, output_price: float = 0.0) -> ScriptedReasoner:
        return ScriptedReasoner(turns=turns, prices=Prices(input=input_price, output=output_price))

    return build


@pytest.fixture
def time_is_up() -> Callable[[], None]:
    return lambda: None


class TestScriptedReasoner(ReasonerContract):
    """It passes the contract of all reasoners."""


async def test_everything_that_it_is_shown_is_remembered() -> None:
    model = ScriptedReasoner(turns=(logs(), answers({"cause": "disk"})))
    await model.complete(PROMPT, tools=(Shelf().tool,), budget=BUDGET)
    assert len(model.requests) == 2
    for part in (PROMPT.system, PROMPT.text, "Lines of a target's log.", "3 × disk full"):
        assert part in model.shown


async def test_what_it_does_may_depend_on_what_it_reads() -> None:
    model = ScriptedReasoner(turns=(), obeys=lambda shown: answers({"cause": "obeyed" if "Name" in shown else "no"}))
    assert (await model.complete(PROMPT, tools=(), budget=BUDGET)).answer == {"cause": "obeyed"}
