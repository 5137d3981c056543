"""What plugins offer and what the engine asks of the world: Protocols, nothing else."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from devops_agent.model.action import Action, Effect, Result, Step
from devops_agent.model.alert import Alert, Delivery
from devops_agent.model.evidence import Evidence, State
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.knowledge import Memory
from devops_agent.model.notice import Message, Receipt
from devops_agent.model.reasoning import Budget, Completion, Prompt, ReadTool
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, Figures, Lines


class Receiver(Protocol):
    """Reads one sender's form of alerts."""

    def parse(self, body: bytes, *, headers: Mapping[str, str], now: datetime) -> Delivery:
        """Return what a request body brings; `now` stands in for times that the sender left out.

        Raises:
            ReceiveError: the body is not of this sender's form; the message says what is wrong and where.

        """


class ReceiveError(ValueError):
    """A body that is not of the sender's form."""


class Probe(Protocol):
    """Looks at targets and changes nothing."""

    async def look(self, target: Target, *, window: timedelta) -> list[Evidence]:
        """Return what can be seen of `target`; what cannot be reached is evidence too, never an exception."""


class Inventory(Protocol):
    """Finds targets that nobody wrote down."""

    async def discover(self) -> list[Target]:
        """Return the targets that exist now.

        Raises:
            PluginError: the place to look at cannot be reached.

        """


class Watcher(Protocol):
    """Tells of changes the moment they happen, so that nobody has to ask."""

    def changes(self) -> AsyncIterator[Alert]:
        """Yield alerts (firing and resolved) as they happen; ends by raising PluginError when the source goes away."""


class Actuator(Protocol):
    """Acts on targets of one kind."""

    def actions(self) -> list[Action]:
        """Return everything it can do."""

    async def observe(self, target: Target) -> State:
        """Return the target's state now.

        Raises:
            PluginError: the state cannot be known.

        """

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        """Return who the target really is, and with `step` also which paths it would write; guard compares it."""

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        """Do it. The same `key` twice has the effect once.

        It asks the never-touch set that it was built with again, right before it acts.

        Raises:
            PluginError: it could not be done, or not be known to be done.
            Untouchable: the target is on the never-touch set.

        """

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        """Tell from two observations whether a step that was begun between them took place."""


class PluginError(Exception):
    """A plugin could not do what was asked; `retryable` says whether the same call may work later."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class Untouchable(PluginError):  # noqa: N818 — named after the fact, as Untouchable reads in the timeline
    """The target is on the never-touch set."""

    def __init__(self, protected: Protected) -> None:
        super().__init__(f"never touched: {protected.what} ({protected.why})", retryable=False)
        self.protected = protected


class Guardian(Protocol):
    """Answers at once whether an identity is on the never-touch set; every actuator is built with one."""

    def refuse(self, identity: Identity) -> None:
        """Raise Untouchable when `identity` is or would touch something protected."""


class Metrics(Protocol):
    """Asks a metrics store; all times aware, UTC."""

    async def query(self, expression: str, *, at: datetime) -> Figures:
        """Return the value of each series at one moment.

        Raises:
            PluginError: it cannot be reached, or refuses the query; the message says which.

        """

    async def query_range(self, expression: str, *, begin: datetime, end: datetime, step: timedelta) -> Figures:
        """Return each series over a window; `step` is widened where it would ask for too many points.

        Raises:
            PluginError: as in `query`.

        """

    async def readings(self, target: Target, *, begin: datetime, end: datetime, step: timedelta) -> list[Figures]:
        """Return the standard readings of `target` that there are: request rate, error share, latency, availability.

        Raises:
            PluginError: as in `query`.

        """

    async def discover(self, target: Target, *, begin: datetime, end: datetime, limit: int = 50) -> list[str]:
        """Return selectors of the series that carry the target's labels, at most `limit`.

        Raises:
            PluginError: as in `query`.

        """


class Logs(Protocol):
    """Asks a store of logs; all times aware, UTC."""

    async def lines(
        self, target: Target, *, begin: datetime, end: datetime, limit: int = 5_000, errors_only: bool = False
    ) -> Lines:
        """Return the target's lines of a window, oldest first; the newest are kept when there are more than `limit`.

        Raises:
            PluginError: it cannot be reached, knows no logs of this target, or refuses the query.

        """


class ChangeSource(Protocol):
    """Knows what was changed."""

    async def changes(self, target: Target, *, begin: datetime, end: datetime) -> list[Change]:
        """Return what was done to `target` in a window, oldest first.

        Raises:
            PluginError: it cannot be reached.

        """


class Reasoner(Protocol):
    """A model as adviser: it sees quarantined evidence and returns an answer by a schema; it holds no actuator."""

    async def complete(self, prompt: Prompt, *, tools: Sequence[ReadTool], budget: Budget) -> Completion:
        """Return its answer; whatever goes wrong on its side is told in `Completion.ended`, never raised."""


class Mirror(Protocol):
    """Keeps a copy of history elsewhere."""

    async def save(self, memories: Sequence[Memory]) -> None:
        """Keep these; a memory whose key is there already replaces the earlier one.

        Raises:
            PluginError: not all were kept; all of them may be given again.

        """


class Notifier(Protocol):
    """Tells people, by one channel."""

    @property
    def updates(self) -> bool:
        """Whether `message.earlier` is changed in place or answered in its thread: a story stays one message."""

    @property
    def knows_repeats(self) -> bool:
        """Whether the same `message.key` twice reaches people once."""

    async def send(self, message: Message) -> Receipt:
        """Tell it, in the form that fits the channel.

        Raises:
            NotifyError: it was not taken, or nobody knows; `permanent` when it never will be.

        """


class NotifyError(Exception):
    """A channel did not take a message; `permanent` says that it never will, `after` how long it wants to be left.

    `unclear`: the answer got lost, so that it may have been taken all the same.
    """

    def __init__(self, message: str, *, permanent: bool, after: timedelta | None = None, unclear: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.after = after
        self.unclear = unclear


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, UTC."""

    def monotonic(self) -> float:
        """Return seconds that never jump."""

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
