"""Who is told of what, where and when: channels, people, duty, routes and policies as `agent.yaml` has them."""

from datetime import timedelta
from typing import Any

from devops_agent.model.fact import Fact


class Channel(Fact, kw_only=True):
    """A way to people."""

    name: str
    """What `tell` and `channels` call it."""
    via: str
    """The plugin that delivers: apprise, email, pam, slack, twilio, webhook."""
    options: dict[str, Any] = {}
    """The plugin's own settings."""


class Person(Fact, kw_only=True):
    """Somebody who is told things by name."""

    name: str
    """As in `tell`; also the account's name on the page."""
    channels: tuple[str, ...]
    """Names of channels, all of which are used."""
    quiet: str = ""
    """`22:00-07:00`: what is not critical waits for the morning's digest."""
    time_zone: str = "UTC"
    """Such as `Europe/Berlin`; counts for `quiet`."""
    per_hour: int | None = None
    """Messages in an hour; more are put together. None: as `notify.per_hour` says."""


class Schedule(Fact, kw_only=True):
    """Who is on call: people in turn, or a calendar file."""

    name: str
    """As in `tell`."""
    people: tuple[str, ...] = ()
    """In turn."""
    begins: str = "2024-01-01 09:00"
    """Date and time, in `notify.time_zone`, when a turn of the first one begins; a turn may lie in the past."""
    each: timedelta = timedelta(days=7)
    """How long a turn lasts."""
    calendar_file: str = ""
    """An iCalendar file whose events' summaries are names of people; goes before the rotation while an event is on."""


class Rung(Fact, kw_only=True):
    """One step of an escalation."""

    tell: tuple[str, ...]
    """Names of people, schedules or channels."""
    wait: timedelta = timedelta(minutes=15)
    """How long they have to acknowledge before the next rung is told."""


class Policy(Fact, kw_only=True):
    """Who is told, after how long, until somebody acknowledges."""

    name: str
    """What routes call it."""
    rungs: tuple[Rung, ...]
    """In the order in which they are told."""
    repeat: int = 0
    """How often the ladder is begun again when its end is reached."""


class Route(Fact, kw_only=True):
    """Which notices go where; routes are tried in order, and the first that matches decides unless it goes on."""

    severity: tuple[str, ...] = ()
    """critical, warning, info; empty: any."""
    targets: tuple[str, ...] = ()
    """Patterns with `*`; empty: any."""
    kinds: tuple[str, ...] = ()
    """Kinds of notices, such as escalated, approval, healed; empty: any."""
    labels: dict[str, str] = {}
    """Label of the incident's alerts → pattern with `*`; all have to match."""
    hours: str = ""
    """`Mon-Fri 08:00-18:00`, in `notify.time_zone`; empty: always."""
    tell: tuple[str, ...] = ()
    """Names of people, schedules or channels."""
    policy: str = ""
    """The escalation policy that what needs a person climbs."""
    digest: bool = False
    """Put together and told once, at `notify.digest_at`."""
    goes_on: bool = False
    """Whether the routes after it are tried too."""


class Notify(Fact, kw_only=True):
    """How people are told. Without channels notices are only shown on the page."""

    channels: tuple[Channel, ...] = ()
    """Ways to people."""
    people: tuple[Person, ...] = ()
    """Who is told by name."""
    schedules: tuple[Schedule, ...] = ()
    """Who is on call."""
    policies: tuple[Policy, ...] = ()
    """Who is told next when nobody acknowledges."""
    routes: tuple[Route, ...] = ()
    """Without any, every notice goes to every channel."""
    group_window: timedelta = timedelta(seconds=2)
    """How long a first notice waits for others that have the same cause."""
    remind_every: timedelta = timedelta(minutes=30)
    """What needs a person is told again after so long, until somebody acknowledges."""
    per_hour: int = 20
    """Messages to one person or channel in an hour; more are put together into one."""
    digest_at: str = "08:00"
    """When what was held back is told."""
    time_zone: str = "UTC"
    """For `digest_at` and `hours`."""
    give_up_after: timedelta = timedelta(hours=24)
    """How long a channel that is out is tried."""
    start_worker: bool = True
    """Start a worker process when there is something to tell. Off: `devops-agent worker` runs elsewhere."""
