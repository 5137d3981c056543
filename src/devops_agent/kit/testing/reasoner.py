"""A model that says what a test wrote down, and remembers everything that it was shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devops_agent.kit.dialogue import AskError, Call, Prices, Reply, Request, converse
from devops_agent.kit.testing.clock import FakeClock
from devops_agent.model.reasoning import Budget, Completion, Prompt, ReadTool
from devops_agent.ports import Clock


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What a model does in one turn; several may be set."""

    text: str = ""
    calls: tuple[tuple[str, Mapping[str, Any] | str], ...] = ()
    """Tools that it asks for, with arguments; a text stands for arguments that are no JSON."""
    tokens: tuple[int, int] | None = None
    """What it says it read and wrote; None: it does not say."""
    cut: bool = False
    refuses: bool = False
    status: int = 200
    """An HTTP status of failure in place of an answer."""
    after: float = 0.0
    """Seconds that it asks to wait, with a status of failure."""
    hangs: bool = False
    """It never answers."""


def answers(answer: Mapping[str, Any], *, tokens: tuple[int, int] | None = None) -> Turn:
    """Return a turn in which a model answers with JSON."""
    return Turn(text=json.dumps(answer), tokens=tokens)


@dataclass(kw_only=True)
class ScriptedReasoner:
    """Follows a script; after its end it repeats the last turn. It obeys budgets as a real one does."""

    turns: Sequence[Turn]
    obeys: Callable[[str], Turn] | None = None
    """Instead of the script: from all that it was shown so far to what it does."""
    clock: Clock = field(default_factory=FakeClock)
    prices: Prices = field(default_factory=Prices)
    requests: list[Request] = field(default_factory=list)
    """What it was asked, turn by turn."""
    hangs: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as it hangs."""

    async def complete(self, prompt: Prompt, *, tools: Sequence[ReadTool], budget: Budget) -> Completion:
        """Return what came of asking it."""
        return await converse(prompt, ask=self._ask, tools=tools, budget=budget, prices=self.prices, clock=self.clock)

    @property
    def shown(self) -> str:
        """Everything that left for the model, in one text."""
        return "\n".join(_text(request) for request in self.requests)

    async def _ask(self, request: Request) -> Reply:
        self.requests.append(request)
        turn = self.obeys(_text(request)) if self.obeys else self.turns[min(len(self.requests), len(self.turns)) - 1]
        if turn.hangs:
            self.hangs.set()
            await asyncio.get_running_loop().create_future()
        if turn.status != 200:  # noqa: PLR2004 — the status of success
            retryable = turn.status == 429 or turn.status >= 500  # noqa: PLR2004 — what may pass by itself
            raise AskError(f"it answers {turn.status}", retryable=retryable, after=turn.after)
        return Reply(
            text=turn.text,
            calls=tuple(
                Call(id=f"call-{index}", name=name, arguments=None if isinstance(given, str) else dict(given))
                for index, (name, given) in enumerate(turn.calls)
            ),
            tokens_in=turn.tokens[0] if turn.tokens else None,
            tokens_out=turn.tokens[1] if turn.tokens else None,
            cut=turn.cut,
            refused=turn.refuses,
        )


def _text(request: Request) -> str:
    said = [f"{message.role}: {message.text}" for message in request.messages]
    offered = [f"{tool.name}: {tool.says} {json.dumps(tool.parameters)}" for tool in request.tools]
    return "\n".join((*said, *offered, json.dumps(request.schema)))
