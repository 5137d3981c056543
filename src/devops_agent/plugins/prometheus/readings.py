"""The standard readings as PromQL: the names that the usual client libraries give their metrics; pure.

Sources: the client libraries' classic names, OpenTelemetry's semantic conventions (http.server.request.duration) and
Micrometer's (http.server.requests).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

_COUNTERS = (
    "http_requests_total",
    "http_request_duration_seconds_count",
    "http_server_request_duration_seconds_count",
    "http_server_requests_seconds_count",
)
_STATUSES = ("status", "code", "status_code", "http_response_status_code")
_SECONDS = (
    "http_request_duration_seconds_bucket",
    "http_server_request_duration_seconds_bucket",
    "http_server_requests_seconds_bucket",
    "prediction_duration_seconds_bucket",  # of the demo service
)
_LEAST_RATE = 0.05
"""Requests a second below which a share of errors says nothing: one of two would be half of all."""
_PLACE = re.compile(r"\{selector(?=\s*[,}])|\{label\}|\{window\}")
TOGETHER = "devops_agent_target"
"""A label to group by that no series has: everything selected is taken together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One standard reading."""

    template: str
    unit: str
    says: str


def _total(counter: str) -> str:
    return f"sum by ({{label}}) (rate({counter}{{selector}}[{{window}}]))"


def _errors(counter: str) -> str:
    failed = (f'sum by ({{label}}) (rate({counter}{{selector,{status}=~"5.."}}[{{window}}]))' for status in _STATUSES)
    # Without any failed request there is no series of them, and their share is 0 all the same.
    return f"100 * ({' or '.join(failed)} or 0 * {_total(counter)}) / ({_total(counter)} > {_LEAST_RATE})"


def _latency(histogram: str) -> str:
    return f"1000 * histogram_quantile(0.95, sum by ({{label}}, le) (rate({histogram}{{selector}}[{{window}}])))"


READINGS: Mapping[str, Reading] = {
    "request_rate": Reading(template=" or ".join(map(_total, _COUNTERS)), unit="1/s", says="requests a second"),
    "error_percent": Reading(template=" or ".join(map(_errors, _COUNTERS)), unit="%", says="of requests fail"),
    "latency_p95_ms": Reading(
        template=" or ".join(map(_latency, _SECONDS)), unit="ms", says="is what 95 % of requests stay under"
    ),
    "availability_percent": Reading(
        template="100 * avg by ({label}) (avg_over_time(up{selector}[{window}]))",
        unit="%",
        says="of scrapes were answered",
    ),
}
SCRAPED_AT = "max by ({label}) (timestamp(up{selector}))"
"""When Prometheus last heard of a target."""


def fill(template: str, *, matchers: str, label: str, window: timedelta) -> str:
    """Return a template as PromQL; in one pass, so that nothing in a matcher is taken for a place to fill."""
    filled = {
        "{selector": "{" + matchers,
        "{label}": label,
        "{window}": f"{max(1, round(window.total_seconds()))}s",
    }
    return _PLACE.sub(lambda place: filled[place[0]], template)


def bare_matchers(selector: str) -> str:
    """Return a selector's matchers, with or without its braces written."""
    return selector.strip().removeprefix("{").removesuffix("}").strip().removesuffix(",")


def batches(values: Sequence[str], size: int = 100) -> list[tuple[str, ...]]:
    """Cut values into groups that fit one query."""
    return [tuple(values[at : at + size]) for at in range(0, len(values), size)]
