"""Changes: everything that was done, by whom, why, with what result, and how it is taken back."""

from datetime import datetime

from devops_agent.model.fact import Fact


class Change(Fact, kw_only=True):
    """One thing that was done, to a target or to the agent itself."""

    at: datetime
    what: str
    """The action (`docker.restart`), or the kind of event (`paused`, `flag`, `silenced`)."""
    target: str = ""
    incident: str = ""
    by: str
    """`agent`, or who did it or had it done."""
    why: str = ""
    result: str
    """`proven`, `not proven` (it did its work, and that did not help) or `failed`; else what the timeline says."""
    says: str = ""
    """What the action reported."""
    seconds: float | None = None
    undone: bool = False
    undo: str = ""
    """What would take it back; empty: nothing here can."""
