"""Views of a target for the tests of pure rules."""

from datetime import timedelta

from devops_agent.kit.testing import START
from devops_agent.model.alert import Alert, Severity
from devops_agent.model.evidence import Evidence, State
from devops_agent.model.incident import Incident, Status
from devops_agent.model.target import Check, Target
from devops_agent.model.view import View, view_of
from tests.engine.site import alert

API = Target(name="api", via="fake", managed=True, checks=(Check(name="health", kind="fake"),))
RUNS = State(exists=True, running=True, since=START - timedelta(hours=1), says="api runs")
DEAD = State(exists=True, running=False, says="api is stopped")
INCIDENT = Incident(
    id="INC-1",
    status=Status.INVESTIGATING,
    severity=Severity.WARNING,
    target="api",
    kind="down",
    title="ServiceDown on api",
    opened_at=START,
    changed_at=START,
)


def seen(name: str, value: bool | float | str, says: str = "") -> Evidence:  # noqa: FBT001 — it is a value
    """Return a piece of evidence."""
    return Evidence(id=f"EV-{name}", source="fake", name=name, value=value, at=START, says=says)


HEALTHY = seen("health", value=True)
ILL = seen("health", value=False, says="GET /health: 500")


def view(state: State | None = RUNS, *pieces: Evidence, of: Target = API, **readings: float) -> View:
    """Return what was seen of `api`: a state, pieces of evidence (by default a good check), and readings."""
    figures = tuple(seen(name, value) for name, value in readings.items())
    return view_of(of, state=state, evidence=(*(pieces or (HEALTHY,)), *figures), at=START)


def firing(name: str) -> Alert:
    """Return a firing alert of that name about `api`."""
    return alert(name)
