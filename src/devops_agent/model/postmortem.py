"""Post-mortems: what an incident was, and what follows from it; a draft for people to finish."""

from datetime import datetime

from devops_agent.model.fact import Fact


class Moment(Fact, kw_only=True):
    """A line of the condensed timeline."""

    at: datetime
    says: str
    actor: str = "agent"


class PostMortem(Fact, kw_only=True):
    """A draft, made from the rows alone: what nobody wrote down is not in it."""

    incident: str
    title: str
    status: str
    severity: str
    made_at: datetime
    summary: str
    """The incident's story in a few sentences."""
    began_at: datetime
    """When the trouble began, as its first alert says; else when the incident was opened."""
    opened_at: datetime
    ended_at: datetime | None = None
    targets: tuple[str, ...] = ()
    """Those in trouble, the incident's own first."""
    impact: tuple[str, ...] = ()
    cause: str = ""
    """Empty: none was found."""
    confidence: float | None = None
    """0 to 1, of the diagnosis that was made last."""
    others: tuple[str, ...] = ()
    """Further hypotheses, with their confidence."""
    evidence: tuple[tuple[str, str], ...] = ()
    """(id, what it says) of what the cause rests on."""
    found: str = ""
    """How it was found, and how soon."""
    helped: tuple[str, ...] = ()
    did_not_help: tuple[str, ...] = ()
    went_well: tuple[str, ...] = ()
    action_items: tuple[str, ...] = ()
    timeline: tuple[Moment, ...] = ()
    left_out: int = 0
    """Lines of the full timeline that are not in this one."""
