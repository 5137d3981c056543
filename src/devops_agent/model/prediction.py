"""Predictions: what was said to be wrong with a target, how sure that was, and whether it turned out right."""

from datetime import datetime

from devops_agent.model.calibration import Judged
from devops_agent.model.fact import Fact

UNKNOWN, RIGHT, WRONG = "unknown", "right", "wrong"
"""Verdicts on a prediction."""
OUTCOME, PERSON = "outcome", "person"
"""Who judged: what came of acting on it, or a person's word."""
RELAPSE = "relapse"
"""Nobody judged: the trouble came back, perhaps as something else, and what was said before it did counts no more."""
PERSON_WEIGHT = 2.0
"""What a person's word weighs against a verdict that the outcome lets us infer."""
WELL = "well"
"""The prediction that nothing is wrong."""


class Prediction(Fact, kw_only=True):
    """The likeliest hypothesis of one source in an incident."""

    incident: str
    target: str
    source: str
    """`rules`, or the model's name."""
    kind: str
    """Fault class, or `well`."""
    component: str = ""
    version: str = ""
    """The target's image when it was known, else the agent's version."""
    seen: bool = False
    """Whether something was seen to be wrong, not only said by an alert."""
    raw: float
    published: float
    at: datetime
    verdict: str = UNKNOWN
    judged_by: str = ""

    @property
    def judged(self) -> Judged:
        """The claim that it was, for calibration; only of one that was judged."""
        return Judged(
            target=self.target,
            source=self.source,
            raw=self.raw,
            published=self.published,
            right=self.verdict == RIGHT,
            weight=PERSON_WEIGHT if self.judged_by == PERSON else 1.0,
        )
