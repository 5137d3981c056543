"""What the types of the settings cannot say: ranges, choices, forms, and where YAML and fact differ.

The loader, the JSON Schema and the reference pages all rest on this table and on the structs themselves.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from devops_agent.config.settings import (
    Accounts,
    Alerting,
    Breaker,
    Guard,
    Investigation,
    Knowledge,
    Log,
    Maintenance,
    Model,
    Oidc,
    Polling,
    Reports,
    Settings,
    Strikes,
    Watchdog,
    Web,
)
from devops_agent.model.account import Role
from devops_agent.model.action import Proof, Step
from devops_agent.model.alert import Severity
from devops_agent.model.clockface import ClockError, parse_daily, parse_hours, parse_monthly, parse_weekly, zone
from devops_agent.model.contact import Notify, Person, Policy, Route, Rung, Schedule
from devops_agent.model.duration import write_duration
from devops_agent.model.learning import Terms
from devops_agent.model.maintenance import CronError, parse_cron
from devops_agent.model.oncall import parse_begins
from devops_agent.model.rendering import BANDS
from devops_agent.model.routing import KINDS
from devops_agent.model.runbook import Runbook
from devops_agent.model.target import Check, Target, Thresholds

Number = float | timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What a value has to be beyond its type; this one allows everything."""

    def refuses(self, value: Any) -> str:  # noqa: ANN401 — a rule stands beside the type that it is for
        """Return why `value` is not allowed and what is; empty: it is."""
        return ""

    def schema(self) -> dict[str, object]:
        """Return what it adds to the JSON Schema of the type."""
        return {}

    def says(self) -> str:
        """Return it for people, such as `0 to 1`."""
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Range(Rule):
    """From `low` to `high`; with `above`, `low` itself is not in it."""

    low: Number = 0.0
    high: Number | None = None
    above: bool = False

    def refuses(self, value: Any) -> str:  # noqa: ANN401 — as in Rule
        """Return why `value` is outside."""
        fits = (value > self.low if self.above else value >= self.low) and (self.high is None or value <= self.high)
        return "" if fits else f"{_written(value)} is out of range; allowed: {self.says()}"

    def schema(self) -> dict[str, object]:
        """Return the limits of numbers; JSON Schema has none for durations."""
        if isinstance(self.low, timedelta):
            return {}
        limits: dict[str, object] = {"exclusiveMinimum" if self.above else "minimum": self.low}
        return limits if self.high is None else {**limits, "maximum": self.high}

    def says(self) -> str:
        """Return the limits for people."""
        if self.high is None:
            return f"more than {_written(self.low)}" if self.above else f"{_written(self.low)} or more"
        start = f"more than {_written(self.low)}, up to" if self.above else f"{_written(self.low)} to"
        return f"{start} {_written(self.high)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class OneOf(Rule):
    """One of some words; for a list or a table, each of its values."""

    words: tuple[str, ...]

    def refuses(self, value: Any) -> str:  # noqa: ANN401 — as in Rule
        """Return which word is none of them."""
        given = (value,) if isinstance(value, str) else value.values() if isinstance(value, dict) else value
        strange = next((word for word in given if word not in self.words), None)
        return "" if strange is None else f"{strange!r} is not allowed; allowed: {self.says()}"

    def schema(self) -> dict[str, object]:
        """Return the words."""
        return {"enum": list(self.words)}

    def says(self) -> str:
        """Return the words for people."""
        return ", ".join(word for word in self.words if word)


@dataclass(frozen=True, kw_only=True, slots=True)
class Form(Rule):
    """A text of a form."""

    pattern: str
    example: str

    def refuses(self, value: Any) -> str:  # noqa: ANN401 — as in Rule
        """Return why the text has another form."""
        return "" if re.fullmatch(self.pattern, value) else f"{value!r} has a wrong form; write {self.example}"

    def schema(self) -> dict[str, object]:
        """Return the form."""
        return {"pattern": f"^(?:{self.pattern})$"}

    def says(self) -> str:
        """Return an example of the form."""
        return self.example


@dataclass(frozen=True, kw_only=True, slots=True)
class CronForm(Rule):
    """When something begins."""

    def refuses(self, value: Any) -> str:  # noqa: ANN401 — as in Rule
        """Return which field is wrong."""
        try:
            parse_cron(value)
        except CronError as error:
            return str(error)
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Networks(Rule):
    """Addresses and networks, and words that stand for others."""

    words: tuple[str, ...]

    def refuses(self, value: Any) -> str:  # noqa: ANN401 — as in Rule
        """Return which one is none."""
        for one in value:
            try:
                if one not in self.words:
                    ip_network(one, strict=False)
            except ValueError:
                return f"{one!r} is no address; write {self.says()}"
        return ""

    def says(self) -> str:
        """Return examples."""
        return ", ".join(("10.0.0.7", "10.0.0.0/8", *self.words))


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock(Rule):
    """A time, hours, or a time zone; empty stands for none where there may be none."""

    parse: Callable[[str], object]
    """Raises ClockError, which says how to write one."""
    example: str
    empty: bool = False

    def refuses(self, value: Any) -> str:  # noqa: ANN401 — as in Rule
        """Return why it names none."""
        if self.empty and not value:
            return ""
        try:
            self.parse(value)
        except ClockError as error:
            return str(error)
        return ""

    def says(self) -> str:
        """Return an example."""
        return self.example


@dataclass(frozen=True, kw_only=True, slots=True)
class FilePath(Rule):
    """A path; a relative one starts at the file it is written in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seconds(Rule):
    """A duration in YAML, a number of seconds in the fact."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How a struct is written in YAML."""

    rules: Mapping[str, Rule] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Field → the key that it has in YAML."""
    hidden: frozenset[str] = frozenset()
    """Fields that nobody writes."""
    required: frozenset[str] = frozenset()
    """Fields that have to be written although the struct has a default."""


_SECOND = timedelta(seconds=1)
_POSITIVE = Range(low=timedelta(), above=True)
_SHARE = Range(high=1.0)
_PERCENT = Range(high=100.0)
_ONE_OR_MORE = Range(low=1)
STORE = Form(
    pattern=r"|sqlite:///.+|postgres(?:ql)?://.+",
    example="sqlite:///path/to/agent.db or postgresql://user@host/name",
)
LISTEN = Form(
    pattern=r"unix:.+|(?:[A-Za-z0-9_.*-]*|\[[0-9A-Fa-f:.]+\]):"
    r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])",
    example="127.0.0.1:8484 (port 0 to 65535), or unix:/path/to/socket",
)
_ZONE = Clock(parse=zone, example="Europe/Berlin")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

SHAPES: Mapping[type, Shape] = {
    Settings: Shape(
        rules={"store": STORE, "store_password_file": FilePath(), "state_dir": FilePath(), "runbooks": FilePath()},
        hidden=frozenset({"source"}),
    ),
    Web: Shape(
        rules={
            "listen": LISTEN,
            "alert_token_file": FilePath(),
            "max_body_bytes": Range(low=1024),
            "requests_per_minute": _ONE_OR_MORE,
            "max_pending_writes": _ONE_OR_MORE,
            "trusted_proxies": Networks(words=("unix",)),
            "public_url": Form(pattern=r"|https?://[^\s/]+\S*", example="https://agent.example.com"),
        }
    ),
    Log: Shape(
        rules={
            "level": OneOf(words=("debug", "info", "warning", "error")),
            "format": OneOf(words=("text", "json")),
        }
    ),
    Polling: Shape(
        rules={
            "well": Range(low=_SECOND),
            "trouble": Range(low=_SECOND / 10),
            "timeout": _POSITIVE,
            "jitter": Range(high=0.5),
            "rise": _ONE_OR_MORE,
            "fall": _ONE_OR_MORE,
            "concurrent": _ONE_OR_MORE,
            "flapping_changes": Range(low=2),
            "flapping_window": _POSITIVE,
        }
    ),
    Thresholds: Shape(
        rules={
            **dict.fromkeys(
                ("memory_percent", "disk_percent", "disk_cleanup_percent", "cpu_percent", "error_percent"), _PERCENT
            ),
            **dict.fromkeys(("latency_ms", "certificate_days", "log_growth_mb_per_minute"), Range(above=True)),
        }
    ),
    Guard: Shape(
        rules={
            "cooldown": Range(low=timedelta()),
            "actions_per_hour": Range(low=0),
            "concurrent": _ONE_OR_MORE,
            "deadline": Range(low=_SECOND),
            "storm_share": _SHARE,
            "storm_count": _ONE_OR_MORE,
            "approval_expiry": Range(low=_SECOND),
            "min_confidence": _SHARE,
        }
    ),
    Strikes: Shape(rules={"count": _ONE_OR_MORE, "window": _POSITIVE}),
    Breaker: Shape(rules={"failures": _ONE_OR_MORE, "open_for": _POSITIVE}),
    Terms: Shape(
        rules={
            "bar": _SHARE,
            "certainty": Range(low=0.5, high=0.999),
            "minimum": _ONE_OR_MORE,
            "rest": Range(low=timedelta()),
            "memory": _POSITIVE,
            "half_life": _POSITIVE,
            "other_version": _SHARE,
        }
    ),
    Watchdog: Shape(rules={"within": Range(low=_SECOND)}),
    Alerting: Shape(rules={"group_window": Range(low=timedelta()), "stale_after": _POSITIVE}),
    Investigation: Shape(
        rules={
            "patience": Range(low=timedelta()),
            "window": _POSITIVE,
            "baseline": _POSITIVE,
            "log_lines": Range(low=100, high=1_000_000),
            "idle": Range(low=_SECOND),
        }
    ),
    Knowledge: Shape(
        rules={
            "embedding": Form(pattern=r"local|hashing|openai:\S+", example="local, hashing or openai:MODEL"),
            "base_url": Form(pattern=r"|https?://[^\s/]+\S*", example="http://127.0.0.1:11434/v1"),
            "key_file": FilePath(),
        }
    ),
    Model: Shape(
        rules={
            "name": Form(pattern=r"|[a-z_]+:\S+", example="openai:gpt-4o-mini"),
            "base_url": Form(pattern=r"|https?://[^\s/]+\S*", example="http://127.0.0.1:11434/v1"),
            "key_file": FilePath(),
            "turns": _ONE_OR_MORE,
            "tokens": _ONE_OR_MORE,
            "timeout": _POSITIVE,
            "dollars": Range(),
            "dollars_per_day": Range(),
            "tokens_per_day": Range(low=0),
            "input_price": Range(),
            "output_price": Range(),
            "cache": Range(low=timedelta()),
        }
    ),
    Notify: Shape(
        rules={
            "group_window": Range(low=timedelta()),
            "remind_every": Range(low=_SECOND),
            "per_hour": _ONE_OR_MORE,
            "give_up_after": Range(low=_SECOND),
            "digest_at": Clock(parse=parse_daily, example="08:00"),
            "time_zone": _ZONE,
        }
    ),
    Person: Shape(
        rules={
            "quiet": Clock(parse=parse_hours, example="22:00-07:00", empty=True),
            "time_zone": _ZONE,
            "per_hour": _ONE_OR_MORE,
        }
    ),
    Schedule: Shape(
        rules={
            "begins": Clock(parse=parse_begins, example="2024-01-01 09:00"),
            "each": Range(low=timedelta(minutes=1)),
            "calendar_file": FilePath(),
        }
    ),
    Route: Shape(
        rules={
            "severity": OneOf(words=tuple(one.value for one in Severity)),
            "kinds": OneOf(words=KINDS),
            "hours": Clock(parse=parse_hours, example="Mon-Fri 08:00-18:00", empty=True),
        }
    ),
    Rung: Shape(rules={"wait": Range(low=_SECOND)}),
    Policy: Shape(rules={"repeat": Range(low=0, high=100)}),
    Accounts: Shape(rules={"session": Range(low=60 * _SECOND), "attempts_per_minute": _ONE_OR_MORE}),
    Oidc: Shape(
        rules={
            "issuer": Form(pattern=r"|https?://[^\s/\[\]]+\S*", example="https://sso.example.com/realms/main"),
            "client_secret_file": FilePath(),
            "roles": OneOf(words=tuple(Role)),
        }
    ),
    Reports: Shape(
        rules={
            "daily": Clock(parse=parse_daily, example="07:30", empty=True),
            "weekly": Clock(parse=parse_weekly, example="Mon 07:30", empty=True),
            "monthly": Clock(parse=parse_monthly, example="1 07:30", empty=True),
            "time_zone": _ZONE,
            "minutes_saved": Range(low=timedelta()),
        }
    ),
    Maintenance: Shape(
        rules={"cron": CronForm(), "lasts": Range(low=timedelta(), high=timedelta(days=31), above=True)},
        required=frozenset({"cron"}),
    ),
    Target: Shape(
        rules={"min_healthy": _SHARE, "objective": Range(low=0.5, high=0.99999), "start_period": Range(low=timedelta())}
    ),
    Check: Shape(
        rules={
            "method": OneOf(words=_METHODS),
            "every": _ONE_OR_MORE,
            "timeout": _POSITIVE,
            "max_latency": _POSITIVE,
        }
    ),
    Runbook: Shape(
        rules={
            "name": Form(pattern=r"[a-z0-9][a-z0-9._-]{0,79}", example="a name such as disk-filling"),
            "settle": Seconds(),
        },
        hidden=frozenset({"source"}),
    ),
    Step: Shape(
        rules={"timeout": Range(low=_SECOND / 10, high=timedelta(hours=1)), "retries": Range(low=0, high=10)},
        renamed={"only_if": "when"},
    ),
    Proof: Shape(
        rules={
            "state": OneOf(words=("", "running", "stopped")),
            "in_band": OneOf(words=tuple(BANDS)),
            "within": _POSITIVE,
            "settle": Range(low=timedelta()),
        }
    ),
}

PLAIN = Shape()


def shape_of(kind: type) -> Shape:
    """Return how a struct is written; a form that is made of a fact (`TargetForm`) brings its own `SHAPE`."""
    own = getattr(kind, "SHAPE", None)
    return own if isinstance(own, Shape) else SHAPES.get(kind, PLAIN)


def _written(value: object) -> str:
    return write_duration(value) if isinstance(value, timedelta) else f"{value:g}"
