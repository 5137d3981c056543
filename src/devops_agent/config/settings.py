"""The settings as frozen structs: what `agent.yaml` may say, with defaults that work when it says nothing.

The JSON Schema, the commented file that `devops-agent init` writes and `docs/reference/settings.md` are made from this
module: field names, types, defaults and the docstring below each field.
"""

from datetime import timedelta
from typing import Any

from devops_agent.model.alert import SERVICE_LABELS
from devops_agent.model.contact import Notify
from devops_agent.model.fact import Fact
from devops_agent.model.learning import Terms
from devops_agent.model.target import Target, Thresholds, Trust


class Flags(Fact, kw_only=True):
    """The three switches, also settable by environment variables of exactly these names and while running."""

    AUTONOMOUS_MONITORING_ENABLED: bool = True
    """Watch targets. Off: only webhooks bring alerts."""
    AUTO_REMEDIATION_ENABLED: bool = True
    """Act. Off: monitoring only; the timeline says what would have been done."""
    PAM_INTEGRATION_ENABLED: bool = False
    """Tell people through the PAM assistant too: without it, channels with `via: pam` get nothing."""


class Web(Fact, kw_only=True):
    """The process that listens."""

    listen: str = "127.0.0.1:8484"
    """`host:port`, or `unix:/path`. Port 0 takes a free one."""
    alert_token_file: str = ""
    """File with the bearer token that alert senders use (Alertmanager: `credentials_file`)."""
    metrics_open: bool = True
    """Whether `/metrics` needs no token."""
    max_body_bytes: int = 8_000_000
    """Larger requests get 413."""
    requests_per_minute: int = 600
    """API calls a token or address may make in a minute; webhooks are not counted."""
    max_pending_writes: int = 2_000
    """Requests waiting for the disk before new ones get 503."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; `unix` for
    whoever connects to the Unix socket. Nobody else's are."""
    public_url: str = ""
    """How people reach the page; used for links in notices and by `devops-agent login`."""

    def page(self, listen: str = "") -> str:
        """Return how the page is reached when the role listens on `listen`, if that is another than is set.

        Empty when it listens on a Unix socket and nobody said how to reach it.
        """
        address = listen or self.listen
        if self.public_url or address.startswith("unix:"):
            return self.public_url.rstrip("/")
        host, _, port = address.rpartition(":")
        everywhere = host in ("", "0.0.0.0", "[::]", "::")  # noqa: S104 — compared, not bound
        return f"http://{'127.0.0.1' if everywhere else host}:{port}"


class Polling(Fact, kw_only=True):
    """How often targets are looked at."""

    well: timedelta = timedelta(seconds=30)
    """From one look to the next while a target is well."""
    trouble: timedelta = timedelta(seconds=10)
    """The same while it is in trouble."""
    timeout: timedelta = timedelta(seconds=5)
    """How long one check may take, unless it says otherwise."""
    jitter: float = 0.1
    """Share of the interval, 0 to 0.5, by which polls are spread."""
    rise: int = 2
    """Good polls in a row before a target counts as well again."""
    fall: int = 2
    """Bad polls in a row before it counts as down; a state that the acting plugin reports as dead counts at once."""
    concurrent: int = 64
    """Polls under way at once."""
    flapping_changes: int = 6
    """Changes between well and down within `flapping_window` that count as flapping."""
    flapping_window: timedelta = timedelta(minutes=15)
    """Over how long changes are counted."""


class Strikes(Fact, kw_only=True):
    """When to stop trying."""

    count: int = 3
    """Plans on one target that may fail before people are called."""
    window: timedelta = timedelta(hours=1)
    """Over how long failures are counted."""


class Breaker(Fact, kw_only=True):
    """When to stop acting at all on an action and target that keep failing."""

    failures: int = 3
    """Failures in a row that open it."""
    open_for: timedelta = timedelta(seconds=3600)
    """How long nothing is then tried."""


class Guard(Fact, kw_only=True):
    """Limits on acting."""

    trust: Trust = Trust.AUTO
    """The ceiling for all actions: observe, ask, notify or auto."""
    safe: Trust = Trust.AUTO
    """Where trust starts for safe actions."""
    risky: Trust = Trust.ASK
    """Where trust starts for risky actions."""
    dangerous: Trust = Trust.ASK
    """Where trust starts for actions that cannot be undone."""
    managed_by_default: bool = False
    """Whether targets found by discovery may be acted on without the label `devops-agent.enable=true`."""
    strikes: Strikes = Strikes()
    cooldown: timedelta = timedelta(seconds=30)
    """Rest between two plans on one target; doubles with each strike."""
    actions_per_hour: int = 30
    """Plans in an hour, over all targets."""
    concurrent: int = 2
    """Plans under way at once."""
    breaker: Breaker = Breaker()
    deadline: timedelta = timedelta(minutes=5)
    """How long one remediation may take in all."""
    storm_share: float = 0.5
    """Share of all targets, 0 to 1, in trouble at once that counts as a storm (of at least `storm_count`)."""
    storm_count: int = 5
    """Targets in trouble that are a storm at the least."""
    approval_expiry: timedelta = timedelta(hours=1)
    """How long a question to people may wait for its answer."""
    min_confidence: float = 0.5
    """Diagnoses below it are put before a person."""
    never_touch: tuple[str, ...] = ()
    """Further names, images, units or paths that are never touched."""


class Watchdog(Fact, kw_only=True):
    """The alert that always fires: when it stops coming, the alerting is broken and automatic actions freeze."""

    alertname: str = "Watchdog"
    """The alert's name."""
    within: timedelta | None = None
    """How long it may stay away; None: not expected."""


class Alerting(Fact, kw_only=True):
    """How alerts become incidents."""

    service_labels: tuple[str, ...] = SERVICE_LABELS
    """Labels that may carry the service's name; the first that is set counts."""
    group_window: timedelta = timedelta(minutes=5)
    """Alerts on one target within it join one incident; one that returns within it reopens the incident."""
    stale_after: timedelta = timedelta(hours=24)
    """A firing alert that nobody repeats for so long counts as resolved."""
    self_alerts: tuple[str, ...] = ("DevopsAgent*",)
    """Patterns of alert names that are about the agent itself: told to people, never acted on."""


class Model(Fact, kw_only=True):
    """A language model as adviser. It reads masked evidence and names causes; it never chooses what is done."""

    name: str = ""
    """`openai:gpt-4o-mini`, `anthropic:…`, `ollama:…`; empty: none is asked."""
    base_url: str = ""
    """Where the model is asked, when not at its maker's: any OpenAI-compatible server."""
    key_file: str = ""
    """File that holds the API key."""
    turns: int = 6
    """Answers that it may give on one incident, calls of tools included."""
    tokens: int = 20_000
    """Tokens, in and out, for one incident."""
    timeout: timedelta = timedelta(seconds=60)
    """How long it may take on one incident in all."""
    dollars: float = 0.10
    """Money for one incident."""
    dollars_per_day: float = 2.0
    """Money for one day, UTC."""
    tokens_per_day: int = 500_000
    """Tokens for one day, UTC."""
    input_price: float = 0.0
    """Dollars for a million tokens that it reads."""
    output_price: float = 0.0
    """Dollars for a million tokens that it writes."""
    cache: timedelta = timedelta(minutes=10)
    """How long the answer to the very same question is used again."""


class Investigation(Fact, kw_only=True):
    """The closer look at an incident: logs, metrics, changes, causes; in a worker process."""

    enabled: bool = True
    """Off: incidents are judged by the quick look alone."""
    patience: timedelta = timedelta(seconds=20)
    """How long a response that the quick look leaves unsure waits for the closer one."""
    window: timedelta = timedelta(minutes=15)
    """How far back before the incident logs and metrics are looked at."""
    baseline: timedelta = timedelta(hours=1)
    """The window before that, which they are compared with."""
    log_lines: int = 20_000
    """Lines read from one target, the newest."""
    start_worker: bool = True
    """Start a worker process when there is work. Off: `devops-agent worker` runs elsewhere."""
    idle: timedelta = timedelta(seconds=60)
    """How long a worker process that the agent started waits for more work before it ends."""
    model: Model = Model()


class Knowledge(Fact, kw_only=True):
    """How earlier incidents are found again."""

    embedding: str = "local"
    """What makes vectors of texts: `local` (a small model inside the package), `hashing` (words alone), or an API's
    `openai:text-embedding-3-small`; texts are masked before they leave the machine."""
    base_url: str = ""
    """Where an API is asked, when not at its maker's."""
    key_file: str = ""
    """File that holds the API's key."""


class Maintenance(Fact, kw_only=True):
    """A window in which nothing is done and nobody is told."""

    targets: tuple[str, ...] = ("*",)
    """Patterns with `*`."""
    cron: str = ""
    """`minute hour day month weekday`, in UTC; the window begins then."""
    lasts: timedelta = timedelta(hours=1)
    """How long it stays open."""
    reason: str = "maintenance"
    """Shown wherever something was left undone because of it."""


class Oidc(Fact, kw_only=True):
    """Signing in through an identity provider that speaks OpenID Connect; without `issuer` there is none."""

    issuer: str = ""
    """Its URL, under which `/.well-known/openid-configuration` is found."""
    client_id: str = ""
    """What it calls this service."""
    client_secret_file: str = ""
    """File that holds the secret that it gave."""
    name_claim: str = "preferred_username"
    """Which claim is the account's name."""
    role_claim: str = "groups"
    """Which claim tells the role: a text or a list."""
    roles: dict[str, str] = {}
    """Value of that claim → viewer, operator or admin; who has none of them is not let in."""


class Accounts(Fact, kw_only=True):
    """Who may sign in to the page."""

    session: timedelta = timedelta(hours=12)
    """How long a session lasts."""
    attempts_per_minute: int = 10
    """Wrong passwords from one address before it has to wait; for one account, from all addresses, five times that."""
    oidc: Oidc = Oidc()


class Reports(Fact, kw_only=True):
    """Reports by mail and on the page."""

    tell: tuple[str, ...] = ()
    """Names of people, schedules or channels that get them."""
    daily: str = ""
    """When, such as `07:30`; empty: not sent. The page has them in any case."""
    weekly: str = "Mon 07:30"
    """Day and time."""
    monthly: str = "1 07:30"
    """Day of the month and time."""
    time_zone: str = "UTC"
    """For these times."""
    minutes_saved: timedelta = timedelta(minutes=20)
    """What an incident that is healed alone would have cost a person."""


class Log(Fact, kw_only=True):
    """What is written to standard error."""

    level: str = "info"
    """debug, info, warning or error."""
    format: str = "text"
    """text for people, json for machines."""


class Settings(Fact, kw_only=True):
    """Everything `agent.yaml` may say."""

    store: str = ""
    """`sqlite:///path/to/agent.db` or `postgresql://user@host/name`; empty: `agent.db` in `state_dir`."""
    store_password_file: str = ""
    """File that holds PostgreSQL's password."""
    state_dir: str = "./devops-agent-state"
    """Folder for all that has to outlive the process."""
    flags: Flags = Flags()
    web: Web = Web()
    log: Log = Log()
    polling: Polling = Polling()
    thresholds: Thresholds = Thresholds()
    """For all targets; a target's own values go first."""
    guard: Guard = Guard()
    learning: Terms = Terms()
    alerting: Alerting = Alerting()
    watchdog: Watchdog = Watchdog()
    investigation: Investigation = Investigation()
    knowledge: Knowledge = Knowledge()
    notify: Notify = Notify()
    accounts: Accounts = Accounts()
    reports: Reports = Reports()
    maintenance: tuple[Maintenance, ...] = ()
    """Windows that recur."""
    runbooks: tuple[str, ...] = ()
    """Folders with runbooks of your own; a YAML one of a shipped name replaces the shipped one. Markdown files there
    are for people: those that fit an incident are named in it."""
    plugins: dict[str, dict[str, Any]] = {}
    """Plugin → its own settings, such as `docker: {socket: /var/run/docker.sock}`."""
    targets: tuple[Target, ...] = ()
    """What is watched."""
    source: str = ""
    """The file this was read from; empty: defaults only."""

    @property
    def database(self) -> str:
        """The store's URL: the given one, else a SQLite file in the state folder."""
        return self.store or f"sqlite:///{self.state_dir.rstrip('/')}/agent.db"
