"""The rules that all reasoners obey, as tests to inherit from."""

# ruff: noqa: D102 — a test's name states the rule

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devops_agent.kit.testing.must import must
from devops_agent.kit.testing.reasoner import Turn, answers
from devops_agent.model.reasoning import Budget, Completion, Ended, Prompt, ReadTool
from devops_agent.ports import PluginError, Reasoner

Make = Callable[..., Reasoner]

PROMPT = Prompt(
    system="Name the cause.",
    text="<data-1>[]</data-1>",
    answer_schema={
        "title": "answer",
        "type": "object",
        "properties": {"cause": {"type": "string"}, "sure": {"type": "number", "maximum": 1}},
        "required": ["cause"],
    },
)
BUDGET = Budget(turns=4, tokens=20_000, seconds=30.0, dollars=1.0)
DISK = answers({"cause": "disk"}, tokens=(100, 10))
NO_JSON = Turn(text="It may be the disk.", tokens=(100, 10))


@dataclass
class Shelf:
    """A tool that remembers what it was asked."""

    trouble: PluginError | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tool(self) -> ReadTool:
        """The tool."""
        parameters = {"type": "object", "properties": {"target": {"type": "string"}}, "required": ["target"]}
        return ReadTool(name="logs", says="Lines of a target's log.", parameters=parameters, call=self._call)

    async def _call(self, arguments: dict[str, Any]) -> str:
        self.asked.append(arguments)
        if self.trouble is not None:
            raise self.trouble
        return "3 × disk full"


def logs(target: object = "api") -> Turn:
    """Return a turn that asks for logs."""
    return Turn(calls=(("logs", {"target": target}),), tokens=(100, 10))


class ReasonerContract:
    """Inherit and give these fixtures.

    `make`: `make(*turns, input_price=0, output_price=0)` → a reasoner whose model does this.
    `time_is_up`: a function that the contract calls when nothing but the time limit can end what is under way; a model
    that hangs calls it too. Where time is a fake one that passes by itself it does nothing.
    """

    async def test_an_answer_by_the_schema_is_returned_with_what_it_took(self, make: Make) -> None:
        done = await _complete(make(DISK))
        must(done.ended is Ended.ANSWERED and done.answer == {"cause": "disk"}, f"it answered: {done}")
        must((done.turns, done.tokens_in, done.tokens_out) == (1, 100, 10), f"it is counted: {done}")
        must(not done.cached, "it was asked just now")

    async def test_an_answer_by_the_tool_for_it_is_an_answer(self, make: Make) -> None:
        done = await _complete(make(Turn(calls=(("answer", {"cause": "disk"}),))), Shelf().tool)
        must(done.answer == {"cause": "disk"}, f"it answered: {done}")

    async def test_an_answer_within_other_words_is_an_answer(self, make: Make) -> None:
        done = await _complete(make(Turn(text='Well {so}:\n```json\n{"cause": "disk"}\n```\nGood luck.')))
        must(done.answer == {"cause": "disk"}, f"it answered: {done}")

    async def test_a_tool_is_asked_and_its_result_goes_back(self, make: Make) -> None:
        shelf = Shelf()
        done = await _complete(make(logs(), DISK), shelf.tool)
        must(shelf.asked == [{"target": "api"}], f"it was asked once: {shelf.asked}")
        must((done.ended, done.turns, done.tokens_in) == (Ended.ANSWERED, 2, 200), f"it answered then: {done}")

    async def test_unknown_tools_and_wrong_arguments_are_answered_and_never_run(self, make: Make) -> None:
        shelf = Shelf()
        wrong = Turn(calls=(("restart", {"target": "api"}), ("logs", {"target": 7}), ("logs", {}), ("logs", "no json")))
        done = await _complete(make(wrong, DISK), shelf.tool)
        must(shelf.asked == [], f"nothing was run: {shelf.asked}")
        must(done.ended is Ended.ANSWERED, f"it could go on: {done}")

    async def test_a_tool_in_trouble_does_not_end_it(self, make: Make) -> None:
        done = await _complete(make(logs(), DISK), Shelf(PluginError("Loki is away")).tool)
        must(done.ended is Ended.ANSWERED, f"it could go on: {done}")

    async def test_endless_asking_for_tools_ends_with_the_turns(self, make: Make) -> None:
        shelf = Shelf()
        done = await _complete(make(logs()), shelf.tool)
        must((done.ended, done.turns) == (Ended.OUT_OF_TURNS, BUDGET.turns), f"it ended: {done}")
        must(len(shelf.asked) == 1, f"the same is not asked twice: {shelf.asked}")

    async def test_an_answer_that_cannot_be_read_has_one_more_try(self, make: Make) -> None:
        mended = await _complete(make(NO_JSON, DISK))
        must((mended.ended, mended.turns) == (Ended.ANSWERED, 2), f"the second try counts: {mended}")
        hopeless = await _complete(make(NO_JSON))
        must((hopeless.ended, hopeless.turns) == (Ended.UNREADABLE, 2), f"there is no third: {hopeless}")
        must(hopeless.answer == {} and hopeless.tokens_in == 2 * 100, f"what it took is told: {hopeless}")

    async def test_an_answer_of_another_form_cannot_be_read(self, make: Make) -> None:
        done = await _complete(make(answers({"cause": 7, "sure": "very"})))
        must(done.ended is Ended.UNREADABLE and "cause" in done.says, f"it says what is wrong: {done}")

    async def test_a_value_out_of_bounds_is_left_to_who_asked(self, make: Make) -> None:
        done = await _complete(make(answers({"cause": "disk", "sure": 17})))
        must(done.answer.get("sure") == 17, f"it is handed on: {done}")  # noqa: PLR2004 — the value above

    async def test_an_answer_that_is_cut_off_has_one_more_try(self, make: Make) -> None:
        cut = Turn(text='{"cause": "di', cut=True)
        mended = await _complete(make(cut, DISK))
        must(mended.ended is Ended.ANSWERED, f"the second try counts: {mended}")
        hopeless = await _complete(make(cut))
        must(hopeless.ended is Ended.UNREADABLE and "cut off" in hopeless.says, f"it says so: {hopeless}")

    async def test_a_model_that_refuses_is_not_asked_again(self, make: Make) -> None:
        done = await _complete(make(Turn(refuses=True), DISK))
        must(done.ended is Ended.FAILED and "refused" in done.says, f"it says so: {done}")

    async def test_a_hanging_model_ends_with_the_time(self, make: Make) -> None:
        done = await _complete(make(Turn(hangs=True)))
        must((done.ended, done.answer) == (Ended.OUT_OF_TIME, {}), f"it ended: {done}")

    async def test_a_tool_that_hangs_ends_with_the_time_too(self, make: Make, time_is_up: Callable[[], None]) -> None:
        async def hang(_: dict[str, Any]) -> str:
            time_is_up()
            never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            return await never

        tool = ReadTool(name="logs", says="Hangs.", parameters={"type": "object"}, call=hang)
        done = await _complete(make(logs()), tool)
        must((done.ended, done.turns, done.tokens_in) == (Ended.OUT_OF_TIME, 1, 100), f"what it took is told: {done}")

    async def test_too_few_tokens_are_not_spent(self, make: Make) -> None:
        done = await _complete(make(DISK), budget=BUDGET.with_(tokens=80))
        must((done.ended, done.turns) == (Ended.OUT_OF_TOKENS, 0), f"it was not asked: {done}")

    async def test_tokens_that_are_spent_end_it(self, make: Make) -> None:
        greedy = Turn(calls=(("logs", {"target": "api"}),), tokens=(9_000, 990))
        done = await _complete(make(greedy), Shelf().tool, budget=BUDGET.with_(tokens=10_000))
        must((done.ended, done.turns) == (Ended.OUT_OF_TOKENS, 1), f"it ended: {done}")

    async def test_money_that_is_spent_ends_it(self, make: Make) -> None:
        greedy = Turn(calls=(("logs", {"target": "api"}),), tokens=(9_000, 1_000))
        model = make(greedy, input_price=100.0, output_price=100.0)
        done = await _complete(model, Shelf().tool, budget=BUDGET)
        must((done.ended, done.turns) == (Ended.OUT_OF_MONEY, 1), f"it ended: {done}")
        must(abs(done.dollars - 1.0) < 1e-9, f"what it cost is told: {done}")  # noqa: PLR2004 — rounding

    async def test_too_little_money_is_not_spent(self, make: Make) -> None:
        model = make(DISK, input_price=10.0, output_price=10.0)
        done = await _complete(model, budget=BUDGET.with_(dollars=0.0))
        must((done.ended, done.turns, done.dollars) == (Ended.OUT_OF_MONEY, 0, 0.0), f"it was not asked: {done}")

    async def test_what_may_pass_by_itself_is_tried_again(self, make: Make) -> None:
        for status in (429, 500, 503):
            done = await _complete(make(Turn(status=status), DISK))
            must((done.ended, done.turns) == (Ended.ANSWERED, 1), f"after {status} it answered: {done}")

    async def test_what_stays_away_is_given_up(self, make: Make) -> None:
        done = await _complete(make(Turn(status=503)))
        must(done.ended is Ended.FAILED and "503" in done.says, f"it says why: {done}")

    async def test_a_refused_request_is_not_made_again(self, make: Make) -> None:
        for status in (400, 401, 403, 404):
            done = await _complete(make(Turn(status=status), Turn(status=status), DISK))
            must(done.ended is Ended.FAILED and str(status) in done.says, f"{status}: {done}")


async def _complete(reasoner: Reasoner, *tools: ReadTool, budget: Budget = BUDGET) -> Completion:
    return await reasoner.complete(PROMPT, tools=tools, budget=budget)
