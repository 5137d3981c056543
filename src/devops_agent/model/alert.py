"""Alerts: one signal about one thing, whoever sent it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from devops_agent.model.fact import Fact


class Severity(StrEnum):
    """How bad it is, in the words that alert rules use."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"

    @property
    def rank(self) -> int:
        """0 for none to 3 for critical."""
        return (Severity.NONE, Severity.INFO, Severity.WARNING, Severity.CRITICAL).index(self)


class AlertStatus(StrEnum):
    """Whether the condition holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(Fact, kw_only=True):
    """One signal about one thing; (fingerprint, starts_at) names one firing of it, and its resolution."""

    fingerprint: str
    status: AlertStatus
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime
    ends_at: datetime | None = None
    source: str
    """Who said so: alertmanager, grafana, generic, poller, docker."""
    group_key: str = ""
    generator_url: str = ""

    @property
    def name(self) -> str:
        """The rule that fired."""
        return self.labels.get("alertname", "")

    @property
    def firing(self) -> bool:
        """Whether the condition still holds."""
        return self.status is AlertStatus.FIRING

    @property
    def severity(self) -> Severity:
        """The `severity` label in our words; warning when it is missing or unheard of."""
        return _SEVERITIES.get(self.labels.get("severity", "").lower(), Severity.WARNING)

    @property
    def summary(self) -> str:
        """A line for people: the summary, else the description, else the name."""
        return self.annotations.get("summary") or self.annotations.get("description") or self.name


class Delivery(Fact, kw_only=True):
    """What one request brought."""

    alerts: list[Alert]
    missing: int = 0
    """How many alerts of the group the sender left out (`truncatedAlerts`); they are fetched from its API."""
    group_labels: dict[str, str] = {}
    group_key: str = ""


_SEVERITIES = {
    **dict.fromkeys(("critical", "crit", "page", "error", "emergency", "fatal", "high", "p1"), Severity.CRITICAL),
    **dict.fromkeys(("warning", "warn", "major", "medium", "ticket", "p2"), Severity.WARNING),
    **dict.fromkeys(("info", "informational", "minor", "low", "p3", "p4"), Severity.INFO),
    "none": Severity.NONE,
}

NO_INCIDENT = frozenset({"Watchdog", "InfoInhibitor", "DeadMansSwitch"})
"""Alerts that say "the alerting works", not "something is wrong"."""

SERVICE_LABELS = ("devops_agent_target", "service", "job", "container", "name", "pod", "instance", "host")
"""Labels that may carry the service's name, first match wins, unless the configuration has another order."""

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_MASK = 0xFFFFFFFFFFFFFFFF


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return the identity of a label set: 16 hex digits, the same that Prometheus and Alertmanager compute.

    FNV-1a, 64 bit, over name 0xFF value 0xFF in the order of names (prometheus/common, model/signature.go).
    """
    value = _FNV_OFFSET
    for name in sorted(labels):
        for byte in b"%s\xff%s\xff" % (name.encode(), labels[name].encode()):
            value = ((value ^ byte) * _FNV_PRIME) & _MASK
    return f"{value:016x}"


def service_name(labels: Mapping[str, str], *, order: Sequence[str] = SERVICE_LABELS) -> tuple[str, str]:
    """Return (name, label it was taken from) by the first label of `order` that is set; ("", "") when none is."""
    for label in order:
        if value := labels.get(label, "").strip():
            return value, label
    return "", ""
