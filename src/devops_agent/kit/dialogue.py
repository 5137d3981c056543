"""A dialogue with a model until it has answered or a budget is spent; how a model is reached is a plugin's affair.

The model may ask for read-only tools turn by turn, answers by calling the tool `answer` or with JSON, and has one more
try when its answer cannot be read. Each request is only made when its worst case fits what is left of the budget.
"""

import asyncio
import json
import math
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from devops_agent.kit.schema import misfits
from devops_agent.model.reasoning import Budget, Completion, Ended, Prompt, ReadTool
from devops_agent.ports import Clock, PluginError

ANSWER = "answer"
"""Name of the tool by which a model answers; its parameters are the answer's schema."""

_LONGEST_REPLY, _SHORTEST_REPLY = 4_000, 64
"""Tokens: a reply's bound, and how many have to be left for a reply to be worth asking for."""
_CALLS_AT_ONCE, _CALLS_IN_ALL = 4, 16
_RESULT_LIMIT = 8_000
_CHARACTERS_PER_TOKEN = 3
"""JSON and log lines have 3 to 4; to guess too many tokens is the safe side of a budget."""
_READ_AT_MOST, _PLACES = 100_000, 50
"""Characters of a reply, and places in it, where JSON is looked for."""
_TRIES = 4
_FIRST_REST = 0.5
_PER_PRICE = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A tool that the model asks for."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    """None: they could not be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a model said in one turn."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    tokens_in: int | None = None
    """None: it was not told; then it is guessed."""
    tokens_out: int | None = None
    cut: bool = False
    """Whether it was cut off because it grew too long."""
    refused: bool = False
    """Whether the model declined to answer."""
    raw: object = None
    """The reply in the form of the plugin's own library, given back to it with the next request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Something said so far."""

    role: str
    """`system`, `user`, `assistant`, `tool`."""
    text: str
    reply: Reply | None = None
    """The model's own words, for `assistant`."""
    call: Call | None = None
    """What it is the result of, for `tool`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One turn to ask for."""

    messages: Sequence[Message]
    tools: Sequence[ReadTool]
    schema: dict[str, Any]
    """Of the answer."""
    most_tokens: int
    """The reply may have no more."""
    final: bool
    """Nothing but the answer is wanted: use the provider's structured output, offer no tools."""


class AskError(Exception):
    """A model could not be asked; the message is for people and holds no secret."""

    def __init__(self, message: str, *, retryable: bool, after: float = 0.0) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether the very same request may work in a moment."""
        self.after = after
        """Seconds that the provider asks to wait, 0 when it does not say."""


class Ask(Protocol):
    """How a plugin reaches its model."""

    async def __call__(self, request: Request) -> Reply:
        """Return the model's reply to one request; it tries once.

        Raises:
            AskError: there is none.

        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """Dollars for a million tokens; 0: costs nothing."""

    input: float = 0.0
    output: float = 0.0

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Return what so many tokens cost, in dollars."""
        return (tokens_in * self.input + tokens_out * self.output) / _PER_PRICE


async def converse(
    prompt: Prompt, *, ask: Ask, tools: Sequence[ReadTool], budget: Budget, prices: Prices, clock: Clock
) -> Completion:
    """Return what came of asking; it ends in time whatever the model, the network or a tool does."""
    dialogue = _Dialogue(
        prompt=prompt, ask=ask, tools={tool.name: tool for tool in tools}, budget=budget, prices=prices, clock=clock
    )
    begun = clock.monotonic()
    end = await _within(dialogue.hold(), seconds=budget.seconds, clock=clock)
    return Completion(
        ended=end.ended,
        answer=end.answer,
        says=end.says,
        turns=dialogue.turns,
        tokens_in=dialogue.tokens_in,
        tokens_out=dialogue.tokens_out,
        seconds=clock.monotonic() - begun,
        dollars=prices.of(dialogue.tokens_in, dialogue.tokens_out),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    """How a dialogue ended."""

    ended: Ended
    says: str
    answer: dict[str, Any] = field(default_factory=dict)


class _SpentError(Exception):
    """A budget does not allow the next request."""

    def __init__(self, ended: Ended, says: str) -> None:
        super().__init__(says)
        self.end = _End(ended=ended, says=says)


async def _within(work: Coroutine[None, None, _End], *, seconds: float, clock: Clock) -> _End:
    """Do the work, or drop it when the clock says so."""
    working, bell = asyncio.ensure_future(work), asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((working, bell), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return _End(ended=Ended.OUT_OF_TIME, says=f"it did not answer within {seconds:g} s")
    finally:
        working.cancel()
        bell.cancel()
        await asyncio.gather(working, bell, return_exceptions=True)


@dataclass(kw_only=True)
class _Dialogue:
    """What was said and spent so far."""

    prompt: Prompt
    ask: Ask
    tools: Mapping[str, ReadTool]
    budget: Budget
    prices: Prices
    clock: Clock
    messages: list[Message] = field(default_factory=list)
    turns: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    """Call → the turn in which it was made."""

    async def hold(self) -> _End:
        """Ask turn by turn; return how it ended."""
        try:
            return await self._hold()
        except _SpentError as spent:
            return spent.end
        except AskError as error:
            return _End(ended=Ended.FAILED, says=str(error))

    async def _hold(self) -> _End:
        self.messages = [
            Message(role="system", text=self.prompt.system),
            Message(role="user", text=self.prompt.text),
        ]
        repairing = False
        while True:
            last = self.turns + 1 >= self.budget.turns
            final = repairing or last or not self.tools
            reply = await self._turn(final=final)
            if reply.refused:
                return _End(ended=Ended.FAILED, says="it refused to answer")
            answers = any(call.name == ANSWER for call in reply.calls)
            if reply.calls and not answers and not final:
                await self._serve(reply)
                continue
            answer, problems = self._read(reply)
            if answer is not None:
                return _End(ended=Ended.ANSWERED, says="it answered", answer=answer)
            if last and not repairing and reply.calls and not answers:
                return _End(ended=Ended.OUT_OF_TURNS, says=f"it went on asking for tools for {self.turns} turns")
            if last or repairing:
                return _End(ended=Ended.UNREADABLE, says=f"its answer cannot be read: {problems[0]}")
            repairing = True
            self._send_back(reply, problems)

    async def _turn(self, *, final: bool) -> Reply:
        if self.turns >= self.budget.turns:
            raise _SpentError(Ended.OUT_OF_TURNS, "it may give no answer at all: turns is 0")
        guessed = self._guess()
        request = Request(
            messages=tuple(self.messages),
            tools=() if final else tuple(self.tools.values()),
            schema=self.prompt.answer_schema,
            most_tokens=self._affordable(guessed),
            final=final,
        )
        reply = await self._persist(request)
        self.turns += 1
        self.tokens_in += guessed if reply.tokens_in is None else reply.tokens_in
        said = len(reply.text) + sum(len(str(call.arguments)) for call in reply.calls)
        self.tokens_out += said // _CHARACTERS_PER_TOKEN + 1 if reply.tokens_out is None else reply.tokens_out
        self.messages.append(Message(role="assistant", text=reply.text, reply=reply))
        return reply

    def _guess(self) -> int:
        """Return how many tokens the next request has, at a guess."""
        offered = sum(len(tool.says) + len(str(tool.parameters)) for tool in self.tools.values())
        said = sum(
            len(message.text) + sum(len(str(call.arguments)) for call in (message.reply.calls if message.reply else ()))
            for message in self.messages
        )
        return (said + offered + len(str(self.prompt.answer_schema))) // _CHARACTERS_PER_TOKEN

    def _affordable(self, tokens_in: int) -> int:
        """Return how long the next reply may be, in tokens."""
        left = self.budget.tokens - self.tokens_in - self.tokens_out - tokens_in
        if left < _SHORTEST_REPLY:
            raise _SpentError(Ended.OUT_OF_TOKENS, f"its {self.budget.tokens:,} tokens are spent")
        money = self.budget.dollars - self.prices.of(self.tokens_in + tokens_in, self.tokens_out)
        bought = math.inf if not self.prices.output else money / self.prices.output * _PER_PRICE
        if money < 0 or bought < _SHORTEST_REPLY:
            raise _SpentError(Ended.OUT_OF_MONEY, f"its {self.budget.dollars:.2f} dollars are spent")
        return int(min(left, bought, _LONGEST_REPLY))

    async def _persist(self, request: Request) -> Reply:
        """Ask, again where that can help; the time limit ends it in any case."""
        rest = _FIRST_REST
        for _ in range(_TRIES - 1):
            try:
                return await self.ask(request)
            except AskError as error:
                if not error.retryable:
                    raise
                await self.clock.sleep(max(rest, error.after))
                rest *= 2
        return await self.ask(request)

    def _read(self, reply: Reply) -> tuple[dict[str, Any] | None, list[str]]:
        """Return the answer, or None and what is wrong with it."""
        problems = ["it was cut off because it was too long"] if reply.cut else []
        for found in _answers(reply):
            wrong = misfits(found, self.prompt.answer_schema, values=False)
            if not wrong:
                return found, []
            problems += wrong
        return None, problems or ["it holds no JSON object"]

    def _send_back(self, reply: Reply, problems: Sequence[str]) -> None:
        for call in reply.calls:
            self.messages.append(Message(role="tool", text="not readable", call=call))
        schema = json.dumps(self.prompt.answer_schema)
        says = f"Your answer cannot be read: {'; '.join(problems[:5])}. Answer again, briefly, with JSON by {schema}"
        self.messages.append(Message(role="user", text=says))

    async def _serve(self, reply: Reply) -> None:
        for index, call in enumerate(reply.calls):
            text = await self._result(call) if index < _CALLS_AT_ONCE else f"not run: {_CALLS_AT_ONCE} at once at most"
            self.messages.append(Message(role="tool", text=text[:_RESULT_LIMIT], call=call))

    async def _result(self, call: Call) -> str:
        if says := self._refusal(call):
            return says
        self.asked[_key(call)] = self.turns
        try:
            return await self.tools[call.name].call(call.arguments or {})
        except PluginError as error:
            return f"no answer: {error}"

    def _refusal(self, call: Call) -> str:
        """Return why a call is not made, for the model; empty: it is."""
        tool = self.tools.get(call.name)
        if tool is None:
            return f"there is no such tool; there are {', '.join(sorted(self.tools))}, and {ANSWER} to answer"
        if call.arguments is None:
            return "the arguments cannot be read: give a JSON object"
        if wrong := misfits(call.arguments, tool.parameters, where=call.name):
            return f"wrong arguments: {'; '.join(wrong[:5])}"
        if (turn := self.asked.get(_key(call))) is not None:
            return f"you asked this in turn {turn}: see there"
        if len(self.asked) >= _CALLS_IN_ALL:
            return f"not run: {_CALLS_IN_ALL} calls in all at most; answer with what you know"
        return ""


def _key(call: Call) -> str:
    return f"{call.name} {json.dumps(call.arguments, sort_keys=True)}"


def _answers(reply: Reply) -> Iterator[dict[str, Any]]:
    """Yield the objects that may be meant as the answer: arguments of calls first, then JSON within the text."""
    yield from (call.arguments for call in reply.calls if call.name == ANSWER and call.arguments is not None)
    decoder = json.JSONDecoder()
    text, begin = reply.text[:_READ_AT_MOST], 0
    for _ in range(_PLACES):
        begin = text.find("{", begin)
        if begin < 0:
            return
        try:
            found, begin = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            begin += 1
        else:
            yield found
