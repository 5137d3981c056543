"""Insight: what a closer look at an incident found, from logs, series, dependencies and changes."""

from datetime import datetime

from devops_agent.model.alert import Severity
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.fact import Fact


class Pattern(Fact, kw_only=True):
    """A template that log lines share, and how its rate compares with a window before."""

    template: str
    """The line with its varying parts as `<*>`; text from outside, so hostile."""
    count: int
    baseline: int = 0
    """Lines of it in the baseline window."""
    new: bool = False
    """Not seen in the baseline at all."""
    growth: float = 1.0
    """Rate now as a multiple of the rate in the baseline, smoothed by one line."""
    category: str = ""
    """`error`, `timeout`, `connection`, `memory`, `disk`, `authentication`, `configuration`, … or empty."""
    first_at: datetime
    last_at: datetime
    example: str = ""


class StackTrace(Fact, kw_only=True):
    """An exception with the place in the code that raised it."""

    language: str
    """python, java, go, javascript."""
    exception: str
    message: str = ""
    file: str = ""
    """The innermost frame of the program itself when it can be told from libraries, else the innermost."""
    line: int = 0
    function: str = ""
    count: int = 1
    first_at: datetime
    new: bool = False


class SlowOperation(Fact, kw_only=True):
    """An operation whose lines tell how long it took."""

    operation: str
    count: int
    median_ms: float
    worst_ms: float
    growth: float = 1.0
    """Median as a multiple of the baseline's."""


class LogFindings(Fact, kw_only=True):
    """What lines of a window tell against a baseline window."""

    lines: int
    baseline_lines: int
    errors: int
    baseline_errors: int
    patterns: tuple[Pattern, ...] = ()
    """New and growing ones first; at most some tens."""
    traces: tuple[StackTrace, ...] = ()
    slow: tuple[SlowOperation, ...] = ()


class Anomaly(Fact, kw_only=True):
    """A series that left its usual course."""

    series: str
    target: str = ""
    begins_at: datetime
    """The change point."""
    score: float
    """0 to 1: how far out, against the series' own past."""
    before: float
    after: float
    """Medians before and since."""
    unit: str = ""

    @property
    def rises(self) -> bool:
        """Whether it went up."""
        return self.after > self.before


class Suspect(Fact, kw_only=True):
    """A component that the cause may lie in."""

    component: str
    score: float
    """Share of all suspicion, 0 to 1; the scores of all suspects sum to 1."""
    says: str = ""
    evidence: tuple[str, ...] = ()


class Insight(Fact, kw_only=True):
    """What a closer look found; every claim in it cites evidence that is kept with the incident."""

    incident: str
    at: datetime
    asked_at: datetime | None = None
    """When the look was asked for; None where nobody had to."""
    hypotheses: tuple[Hypothesis, ...] = ()
    """The rules', ranked."""
    advised: tuple[Hypothesis, ...] = ()
    """The model's: shown to people, never a reason to act."""
    suspects: tuple[Suspect, ...] = ()
    well: bool = False
    """Nothing is wrong by every source that was asked."""
    enough: bool = True
    """Whether the evidence was enough to judge by."""
    severity: Severity | None = None
    """What its alerts' words amount to, when none of them carries a severity; None: some do."""
    says: str = ""
    dropped: int = 0
    """Claims that cited no existing evidence and were left out."""
    model: str = "off"
    """What became of asking the model: `off`, `answered`, else why it did not help."""
    missing: tuple[str, ...] = ()
    """Sources that did not answer, with the reason."""
    similar: tuple[str, ...] = ()
    """Ids of earlier incidents like this one, most alike first."""
    advice: tuple[str, ...] = ()
    """What the user's own runbooks say about it."""
