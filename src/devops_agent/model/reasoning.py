"""What a model is asked, what it may spend, and what came of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from devops_agent.model.fact import Fact


class Prompt(Fact, kw_only=True):
    """A question whose parts from outside are already quarantined."""

    system: str
    """The task, written by us alone."""
    text: str
    """The evidence, in data blocks."""
    answer_schema: dict[str, Any]
    """JSON Schema of the answer."""


class Budget(Fact, kw_only=True):
    """What one incident may still spend; the smallest of its own and the day's rest."""

    turns: int
    tokens: int
    seconds: float
    dollars: float


class Ended(StrEnum):
    """How asking ended."""

    ANSWERED = "answered"
    OUT_OF_TURNS = "out of turns"
    OUT_OF_TOKENS = "out of tokens"
    OUT_OF_TIME = "out of time"
    OUT_OF_MONEY = "out of money"
    UNREADABLE = "unreadable"
    """It answered, but not by the schema."""
    FAILED = "failed"
    """It could not be reached, or refused."""


class Completion(Fact, kw_only=True):
    """What a model answered and what that took."""

    ended: Ended
    answer: dict[str, Any] = {}
    """By the schema when `ended` is ANSWERED, else empty."""
    says: str = ""
    """Why it ended so, for people; holds no secret."""
    turns: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    dollars: float = 0.0
    cached: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadTool:
    """Something that a model may ask to see; it changes nothing."""

    name: str
    says: str
    parameters: dict[str, Any]
    """JSON Schema of its arguments."""
    call: Callable[[dict[str, Any]], Awaitable[str]]
    """Arguments that fit the schema → quarantined text; raises PluginError with what a model should know."""
