"""What was seen: readings and states, with where and when."""

from datetime import datetime, timedelta

from devops_agent.model.fact import Fact

_WHOLE_FROM = 1000.0
"""From here on a figure's fraction tells nobody anything."""


class Evidence(Fact, kw_only=True):
    """Something seen, that claims can cite by id."""

    id: str = ""
    """Given by the store when it is kept with an incident (`EV-12`); empty before."""
    source: str
    """The plugin that saw it."""
    target: str = ""
    """Whom it is about; empty: the incident's own target."""
    name: str
    """What was looked at: `health`, `memory_percent`, `latency_ms`, `tcp`, `dns`, `state`."""
    query: str = ""
    """How it was asked, so that a person can ask again."""
    value: bool | int | float | str | None = None
    unit: str = ""
    at: datetime
    window: timedelta | None = None
    as_of: datetime | None = None
    """Time of the newest data in it, when that is older than `at`."""
    partial: bool = False
    """Whether a limit or a fault at the source left something out."""
    points: tuple[tuple[float, float], ...] = ()
    """For a plot: (seconds since 1970, value), some tens at most."""
    details: dict[str, str | int | float | bool] = {}
    """What a rule reads beside the value: a trace's `exception`, `file`, `line`; a template's `count`, `growth`."""
    says: str = ""
    """One sentence for people."""

    @property
    def age(self) -> timedelta:
        """How old the data was when it was looked at."""
        return self.at - (self.as_of or self.at)

    @property
    def shown(self) -> str:
        """Its value and unit as people read them."""
        if self.value is None:
            return "–"
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if isinstance(self.value, float):
            whole = abs(self.value) >= _WHOLE_FROM
            return f"{self.value:{'.0f' if whole else '.4g'}} {self.unit}".rstrip()
        return f"{self.value} {self.unit}".rstrip()


class State(Fact, kw_only=True):
    """What a plugin sees of a target that it can act on."""

    exists: bool
    running: bool | None = None
    healthy: bool | None = None
    """The plugin's own health word (Docker's HEALTHCHECK), None when it has none."""
    starting: bool = False
    since: datetime | None = None
    """When the running instance started."""
    pid: int | None = None
    instance: str = ""
    """Names this very instance: container id, pid with start time."""
    image: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    restarts: int | None = None
    replicas: int | None = None
    says: str = ""
    extra: dict[str, str] = {}
