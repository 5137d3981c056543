"""What is wrong, how sure we are, and what that makes of the incident."""

from devops_agent.model.alert import Severity
from devops_agent.model.fact import Fact
from devops_agent.model.incident import Category, Complexity

_EVEN = 0.5


class Hypothesis(Fact, kw_only=True):
    """One possible cause."""

    kind: str
    """Fault class."""
    says: str
    confidence: float
    """0 to 1."""
    stated: float | None = None
    """What it was before it was corrected by the record of such claims; None: it was not."""
    evidence: tuple[str, ...] = ()
    """Ids of the evidence that it rests on."""
    component: str = ""
    """Where the cause lies; empty: in the target itself."""
    refuted_by: str = ""
    """What would show that it is wrong."""
    source: str = "rules"
    """Who says so: `rules`, or the model's name."""
    runbook: str = ""
    """The existing runbook that is suggested for it; a suggestion only."""


class Diagnosis(Fact, kw_only=True):
    """Ranked hypotheses, the likeliest first; and what they make of the incident."""

    hypotheses: tuple[Hypothesis, ...]
    category: Category
    complexity: Complexity
    severity: Severity
    well: bool = False
    """The target was looked at and is well: a false alarm, or it recovered by itself."""
    starting: bool = False
    """It is being started; look again before judging."""

    @property
    def kind(self) -> str:
        """Fault class of the likeliest hypothesis."""
        return self.hypotheses[0].kind if self.hypotheses else "unknown"

    @property
    def confidence(self) -> float:
        """How sure we are of it, 0 to 1."""
        return self.hypotheses[0].confidence if self.hypotheses else 0.0

    @property
    def confidence_to_act(self) -> float:
        """The same, but what the rules call unlikely is not made likely by a record of guesses that came true."""
        stated = self.hypotheses[0].stated if self.hypotheses else None
        return self.confidence if stated is None or stated >= _EVEN else min(stated, self.confidence)

    @property
    def says(self) -> str:
        """The likeliest hypothesis in words."""
        return self.hypotheses[0].says if self.hypotheses else "nothing is known"
