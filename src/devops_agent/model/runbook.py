"""Runbooks: which trouble they are for and the ordered steps that mend it."""

from devops_agent.model.action import Step
from devops_agent.model.fact import Fact, to_json


class Match(Fact, kw_only=True):
    """Which incidents a runbook is for; every given part has to fit."""

    kinds: tuple[str, ...] = ()
    """Fault classes, any of them."""
    alerts: tuple[str, ...] = ()
    """Patterns with `*` for the alert's name, any of them."""
    labels: dict[str, str] = {}
    """Label → pattern with `*`; all of them."""
    via: tuple[str, ...] = ()
    """Plugins of the target, any of them; empty: any."""
    targets: tuple[str, ...] = ()
    """Patterns with `*` for the target's name, any of them."""


class Runbook(Fact, kw_only=True):
    """An ordered list of steps, for people and machine alike. Arguments may hold placeholders such as `{target}`."""

    name: str
    """Unique."""
    says: str
    """One sentence on what is wrong and what is done about it."""
    match: Match
    """Which incidents it is for."""
    steps: tuple[Step, ...] = ()
    """Empty: there is nothing a machine should do; tell people `advice`."""
    advice: tuple[str, ...] = ()
    """What a person should do if it does not help."""
    settle: float = 5.0
    """Seconds that the target has to stay well before the incident counts as resolved."""
    priority: int = 0
    """Among runbooks that fit equally, the higher one goes first."""
    source: str = ""
    """File it was read from."""


class Plan(Fact, kw_only=True):
    """The runbook chosen for an incident, with real arguments."""

    incident: str
    runbook: str
    target: str
    steps: tuple[Step, ...]
    settle: float = 5.0
    advice: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """16 hex digits that change when anything about the plan changes; an approval answers exactly one."""
        import hashlib

        return hashlib.sha256(to_json(self).encode()).hexdigest()[:16]
