"""Actions that plugins offer, steps that use them, and what came of a step."""

from datetime import timedelta
from enum import StrEnum

from devops_agent.model.fact import Fact

Argument = str | int | float | bool | tuple[str, ...]


class Risk(StrEnum):
    """What can go wrong when an action is done to a thing that was well."""

    READ = "read"
    """Changes nothing."""
    SAFE = "safe"
    """Undone by itself or in seconds: a restart of one instance, removing rebuildable files."""
    RISKY = "risky"
    """Changes what runs: roll back, scale, stop, fail over."""
    DANGEROUS = "dangerous"
    """Cannot be undone."""

    @property
    def rank(self) -> int:
        """0 for read to 3 for dangerous."""
        return (Risk.READ, Risk.SAFE, Risk.RISKY, Risk.DANGEROUS).index(self)


class Blast(StrEnum):
    """How far an action reaches."""

    NOTHING = "nothing"
    TARGET = "target"
    GROUP = "group"
    HOST = "host"


class Param(Fact, kw_only=True):
    """One parameter of an action."""

    kind: str = "text"
    """`text`, `whole` (a whole number), `number`, `yes-no`, `texts` (a list of texts), `duration` (`30s`)."""
    says: str
    required: bool = False
    default: Argument | None = None


class Action(Fact, kw_only=True):
    """One operation that a plugin offers."""

    name: str
    """`plugin.verb`, such as `docker.restart`."""
    says: str
    risk: Risk
    blast: Blast = Blast.TARGET
    params: dict[str, Param] = {}
    idempotent: bool = False
    """Whether doing it twice is the same as doing it once."""
    undo: str = ""
    """The action that undoes it, taking the arguments that `Result.undo` holds; empty: cannot be undone."""


class Proof(Fact, kw_only=True):
    """What shows that a step worked."""

    state: str = ""
    """`running` or `stopped`: what the acting plugin has to see."""
    healthy: bool = False
    """All vital checks of the target pass."""
    below: dict[str, float] = {}
    """Reading → value it has to be under."""
    in_band: tuple[str, ...] = ()
    """Thresholds of the target that have to hold again (`memory_percent`); a plan has them as `below`."""
    within: timedelta = timedelta(seconds=60)
    """How long it may take."""
    settle: timedelta = timedelta()
    """How long it then has to stay so."""

    @property
    def asks_anything(self) -> bool:
        """Whether there is anything to be seen."""
        return bool(self.state or self.healthy or self.below or self.in_band)


class Proven(Fact, kw_only=True):
    """Whether a proof was seen."""

    ok: bool
    says: str
    seconds: float
    """From the beginning of the watch until the proof was first seen, or until it was given up."""
    settled: float = 0.0
    """Seconds that it then stayed so."""


class Step(Fact, kw_only=True):
    """An action with real arguments, the check that proves it worked, and whether to undo it."""

    name: str
    """Stable within the plan: it names the journal entry."""
    action: str
    """`plugin.verb`."""
    args: dict[str, Argument] = {}
    """What the action takes."""
    timeout: timedelta = timedelta(seconds=60)
    """How long the action itself may take."""
    retries: int = 0
    """How often it is tried again when it fails."""
    proof: Proof = Proof()
    """What shows that it worked; nothing: the action's own word."""
    undo: bool = False
    """Undo it when its proof fails, if the action can be undone."""
    only_if: str = ""
    """A condition over state and readings under which the step is done; empty: always."""
    go_on: bool = False
    """Whether the plan goes on when this step fails."""
    optional: bool = False
    """Left out of the plan when the plugin that acts on the target does not offer the action."""


class Result(Fact, kw_only=True):
    """What an action did."""

    ok: bool
    says: str
    changed: bool = True
    undo: dict[str, Argument] = {}
    """The arguments with which the undo action brings the old state back."""
    data: dict[str, object] = {}


class Effect(StrEnum):
    """What two observations, one before and one after a crash, tell of an action begun between them."""

    DONE = "done"
    ABSENT = "absent"
    UNKNOWN = "unknown"
