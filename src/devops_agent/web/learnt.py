"""The shapes of what was learnt: reliability of confidence, what runbooks and actions have helped, and trust."""

from __future__ import annotations

from devops_agent.web.schemas import Shape


class Band(Shape):
    """One line of a reliability table."""

    above: float
    """Lower end of the band of confidences; it is a tenth wide."""
    claims: int
    confidence: float
    """Their mean confidence."""
    right: float
    """The share of them that was right."""


class Reliability(Shape):
    """How far stated confidences can be trusted."""

    claims: int
    ece: float
    """Expected calibration error: mean gap between confidence and share right; 0 is perfect."""
    by_chance: float
    """The ECE that as many claims of perfect calibration show on average."""
    brier: float
    """Mean squared gap between confidence and truth."""
    bands: list[Band]


class Confidence(Shape):
    """How far the confidence of one source can be trusted."""

    source: str
    """`rules`, or a model's name."""
    judged_by: dict[str, int]
    """`outcome`, `person` → how many diagnoses."""
    stated: Reliability
    """Before any correction."""
    published: Reliability
    """As it was told and decided by."""
    unseen: Reliability
    """Corrected by what all other services taught: what the correction is worth for a service it has not seen."""


class Helped(Shape):
    """What a runbook did against a fault class, on all targets."""

    runbook: str
    kind: str
    healed: int
    tried: int


class Standing(Shape):
    """How far an action is trusted, and why."""

    level: str
    """`observe`, `ask`, `notify` or `auto`; the ceilings that people set hold besides."""
    says: str
    successes: int
    """Verified ones since trust last fell."""
    trials: int
    """Plans remembered."""
    lower: float
    """Lower bound of the share by which it heals more often than waiting, since trust last fell."""


class Learnt(Shape):
    """What is known of an action against a fault class on a target."""

    action: str
    kind: str
    target: str
    healed: int
    tried: int
    over_by_itself: int
    """Of those troubles that were left alone."""
    left_alone: int
    credit: float
    """Share of troubles that it heals and waiting would not have, 0 to 1."""
    standing: Standing


class Lessons(Shape):
    """All that was learnt."""

    confidence: list[Confidence]
    runbooks: list[Helped]
    actions: list[Learnt]


class Heard(Shape):
    """A person's word, as the timeline has it."""

    says: str
