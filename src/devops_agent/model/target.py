"""Targets: the things that are watched and may be acted on."""

from datetime import timedelta
from enum import StrEnum

from devops_agent.model.fact import Fact


class Trust(StrEnum):
    """What the agent may do, from least to most."""

    OBSERVE = "observe"
    ASK = "ask"
    NOTIFY = "notify"
    AUTO = "auto"

    @property
    def rank(self) -> int:
        """0 for observe to 3 for auto."""
        return (Trust.OBSERVE, Trust.ASK, Trust.NOTIFY, Trust.AUTO).index(self)


class Check(Fact, kw_only=True):
    """One thing to look at in every poll of a target."""

    name: str = "health"
    kind: str = "http"
    """`http` asks a URL, `tcp` opens a connection, `state` asks the plugin that acts on the target."""
    url: str = ""
    """For http a URL, for tcp `host:port`."""
    method: str = "GET"
    body: str = ""
    headers: dict[str, str] = {}
    expect_status: tuple[int, ...] = (200, 201, 202, 204)
    expect_json: dict[str, object] = {}
    """Dotted path → value that has to be there (`{"status": "healthy"}`)."""
    expect_body: str = ""
    """A text that has to be in the answer."""
    fields: dict[str, str] = {}
    """Reading → dotted path in the JSON answer (`{"memory_percent": "memory.percent"}`)."""
    max_latency: timedelta | None = None
    timeout: timedelta = timedelta(seconds=5)
    every: int = 1
    """Do it in every nth poll only."""
    vital: bool = True
    """Whether its failure means that the target is down; else it only brings readings."""


class Thresholds(Fact, kw_only=True):
    """Where a reading becomes a problem; None switches a rule off."""

    memory_percent: float | None = 80.0
    """Memory in use."""
    disk_percent: float | None = 85.0
    """Disk in use."""
    disk_cleanup_percent: float | None = 75.0
    """Disk in use from which it is cleaned up."""
    cpu_percent: float | None = None
    """Processor in use."""
    error_percent: float | None = 5.0
    """Requests that fail."""
    latency_ms: float | None = 2000.0
    """Milliseconds until an answer."""
    certificate_days: float | None = 14.0
    """Days that a certificate has left: fewer are a problem."""
    log_growth_mb_per_minute: float | None = 50.0
    """Megabytes that logs grow in a minute."""


class Target(Fact, kw_only=True):
    """A service, container, unit, worker or host."""

    name: str
    via: str = ""
    """The plugin that acts on it (`docker`, `process`, `supervisord`, `systemd`); empty: watched only."""
    ref: str = ""
    """What that plugin calls it: container name, unit, program, process name."""
    managed: bool | None = None
    """Opted in (True), opted out (False), nothing said (None)."""
    trust: Trust | None = None
    """A ceiling for this target; None: the configuration's."""
    depends_on: tuple[str, ...] = ()
    group: str = ""
    min_healthy: float = 0.5
    """Share of the group's members, 0 to 1, that has to stay healthy while one is acted on."""
    labels: dict[str, str] = {}
    """Of your own; runbooks may match them."""
    aliases: tuple[str, ...] = ()
    """Other names under which alerts may speak of it."""
    checks: tuple[Check, ...] = ()
    thresholds: Thresholds = Thresholds()
    objective: float | None = None
    """Share of the time, such as 0.999, that it is to be well over 30 days; None: none is set."""
    start_period: timedelta = timedelta(seconds=30)
    """How long after a start failures do not count."""
    options: dict[str, object] = {}
    """What the plugin needs beside the name: its command line, its directory, a stop time-out, clean-up rules."""
    found_by: str = "config"
