"""What `agent.yaml` may say under `plugins.prometheus`, and at a target under `options.prometheus`."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from devops_agent.kit.tools import SettingsError, settings
from devops_agent.model.alert import SERVICE_LABELS
from devops_agent.model.target import Target
from devops_agent.plugins.prometheus.readings import READINGS
from devops_agent.ports import PluginError


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Prometheus, or what speaks its API (Thanos, Mimir, VictoriaMetrics), is, and what it is asked."""

    url: str
    """Such as `http://127.0.0.1:9090`, with its path prefix if it has one."""
    token_file: str = ""
    """File with a bearer token for it."""
    username: str = ""
    """For basic authentication."""
    password_file: str = ""
    """File with the password that goes with it."""
    timeout: timedelta = timedelta(seconds=5)
    """How long one query may take; Prometheus is told, too, and gives it up then."""
    max_series: int = 200
    """Series that one answer may have; of more, the first are taken and the answer is marked as partial."""
    labels: tuple[str, ...] = SERVICE_LABELS
    """Labels that may carry a target's name, the most telling first; if not given, `alerting.service_labels`."""
    window: timedelta = timedelta(minutes=1)
    """Over how long rates are taken: at least twice the scrape interval."""
    remember: timedelta = timedelta(seconds=10)
    """Polls within it share one round of queries."""
    readings: dict[str, str] = {}
    """PromQL of your own for `request_rate`, `error_percent`, `latency_p95_ms` or `availability_percent`.

    `x{selector}` becomes `x{job="api"}`, `x{selector,code="500"}` becomes `x{job="api",code="500"}`, `{window}` the
    window. With `by ({label})` one query serves all targets; without it each target is asked for by itself.
    """

    def __post_init__(self) -> None:
        """Refuse what could not be asked."""
        check_readings(self.readings)
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url is {self.url!r}; it begins with http:// or https://")


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`options.prometheus` of a target."""

    selector: str = ""
    """Matchers that select its series, such as `job="api",env="prod"`; empty: found by its names."""
    readings: dict[str, str] = {}
    """PromQL of its own, as in `plugins.prometheus.readings`."""

    def __post_init__(self) -> None:
        """Refuse what could not be asked."""
        check_readings(self.readings)


def options(target: Target) -> Options:
    """Return what a target says to this plugin.

    Raises:
        PluginError: it says it wrongly.

    """
    given = target.options.get("prometheus") or {}
    where = f"targets[{target.name}].options.prometheus"
    if not isinstance(given, dict):
        raise PluginError(f"{where}: it is a table with selector and readings", retryable=False)
    try:
        return settings(Options, given, where=where)
    except SettingsError as error:
        raise PluginError(str(error), retryable=False) from error


def check_readings(given: dict[str, str]) -> None:
    """Raise ValueError for a reading that there is not."""
    for name in given:
        if name not in READINGS:
            raise ValueError(f"no reading {name!r}; known: {', '.join(READINGS)}")
