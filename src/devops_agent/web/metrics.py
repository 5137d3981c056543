"""Our own metrics for Prometheus, made when they are asked for from the rows that all roles share.

What a scrape costs does not grow with the number of alerts: figures come from small tables and indexes, and what only
the timeline knows is followed from where the last scrape ended. Such counters begin with this process, as Prometheus
expects.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from devops_agent.engine import objectives
from devops_agent.model.duration import write_duration
from devops_agent.model.reading import FIVE_MINUTES, floor
from devops_agent.store import (
    approvals,
    attempts,
    controls,
    deliveries,
    events,
    figures,
    heartbeats,
    incidents,
    outbox,
    targets,
)
from devops_agent.store.rows import Rows, StoreError
from devops_agent.web.asking import desk_of, problems
from devops_agent.web.problem import busy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from devops_agent.config.settings import Breaker
    from devops_agent.model.attempt import Attempt
    from devops_agent.model.control import Pause
    from devops_agent.model.event import Event
    from devops_agent.model.sighting import Sighting
    from devops_agent.model.slo import Standing
    from devops_agent.web.asking import Desk
    from devops_agent.web.intake import Intake

K = TypeVar("K", bound=tuple[str, ...])

router = APIRouter(tags=["overview"])

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_AT_ONCE = 500
_PAGES = 40
_PHASES = frozenset({"decision", "awaiting_approval", "remediating", "verifying", "escalated", "resolved"})
_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3_600, 14_400, math.inf)
HISTOGRAM_LABELS = {
    "devops_agent_incident_seconds": ("phase",),
    "devops_agent_time_to_resolution_seconds": ("class",),
}
_ROLE_FIGURES = {
    "rss_bytes": ("role_resident_memory_bytes", "Resident memory of a role"),
    "cpu_seconds": ("role_cpu_seconds", "Processor time that a role has used"),
    "lateness_p99_seconds": ("poll_lateness_seconds", "How late polls began since the last heartbeat, 99th percentile"),
    "responses": ("responses_under_way", "Responses to incidents under way"),
    "polls": ("polls", "Polls done since the agent started"),
}
"""What heartbeats say → metric without prefix, and its help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What the rows say at the moment of a scrape."""

    beats: dict[str, heartbeats.Heartbeat]
    sightings: list[Sighting]
    incidents: dict[str, int]
    actions: dict[tuple[str, str], int]
    deliveries: dict[tuple[str, str], int]
    outbox_pending: int
    approvals_waiting: int
    pauses: list[Pause]
    recent: list[Attempt]
    standings: list[Standing]


class Meter:
    """Everything that is measured."""

    def __init__(self, desk: Desk, intake: Intake) -> None:
        self._desk = desk
        self._intake = intake
        self._registry = CollectorRegistry(auto_describe=False)
        self._figures: Figures | None = None
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._followed: int | None = None
        self._turn = asyncio.Lock()
        self._standings: tuple[datetime, list[Standing]] | None = None
        """How targets stand against their objectives, and at which five minutes that was looked up."""
        self._phase = Histogram(
            "devops_agent_incident_seconds",
            "Seconds from the opening of an incident until it reached a phase",
            HISTOGRAM_LABELS["devops_agent_incident_seconds"],
            registry=self._registry,
            buckets=_BUCKETS,
        )
        self._resolution = Histogram(
            "devops_agent_time_to_resolution_seconds",
            "Seconds from the opening of an incident until it was resolved",
            HISTOGRAM_LABELS["devops_agent_time_to_resolution_seconds"],
            registry=self._registry,
            buckets=_BUCKETS,
        )
        ProcessCollector(namespace="devops_agent_web", registry=self._registry)
        self._registry.register(self)

    async def expose(self) -> bytes:
        """Return the text that Prometheus reads."""
        async with self._turn:
            await self._follow()
            self._figures = await self._desk.read(self._read)
            return generate_latest(self._registry)

    async def families(self) -> list[Metric]:
        """Return everything that is measured, with names, help and labels."""
        await self.expose()
        return list(self._registry.collect())

    def collect(self) -> Iterable[Metric]:
        """Yield what is known at the moment of a scrape."""
        if self._figures is not None:
            yield from self._of_intake()
            yield from _of_rows(self._figures, self._desk.parts.settings().guard.breaker)
            yield _counter(
                "decisions", "Decisions of the guard", {key: float(n) for key, n in self._decisions.items()},
                "decision", "rule",
            )  # fmt: skip

    async def _follow(self) -> None:
        """Take over what the timeline has told since the last scrape."""
        if self._followed is None:
            self._followed = (await self._desk.read(events.head))[0]
        for _ in range(_PAGES):
            since = self._followed
            told = await self._desk.read(lambda rows: _told(rows, since))  # noqa: B023 — awaited at once
            for event, opened_at, kind in told:
                self._note(event, opened_at, kind)
                self._followed = event.seq
            if len(told) < _AT_ONCE:
                return

    def _note(self, event: Event, opened_at: datetime | None, kind: str) -> None:
        if event.kind == "decision":
            self._decisions[event.says.partition(":")[0], str(event.data.get("rule", ""))] += 1
        if opened_at is not None:
            took = max(0.0, (event.at - opened_at).total_seconds())
            self._phase.labels(event.kind).observe(took)
            if event.kind == "resolved":
                self._resolution.labels(kind).observe(took)

    def _read(self, rows: Rows) -> Figures:
        now = self._desk.parts.clock.now()
        sightings = targets.all_(rows)
        return Figures(
            beats=heartbeats.all_(rows),
            sightings=sightings,
            incidents=incidents.count_by_status(rows),
            actions=figures.actions_by_result(rows),
            deliveries=deliveries.counts(rows),
            outbox_pending=outbox.pending(rows),
            approvals_waiting=len(approvals.pending(rows)),
            pauses=controls.pauses(rows, now=now),
            recent=attempts.started_since(rows, now - self._desk.parts.settings().guard.breaker.open_for),
            standings=self._stand(rows, sightings, now=now),
        )

    def _stand(self, rows: Rows, sightings: list[Sighting], *, now: datetime) -> list[Standing]:
        bucket = floor(now, FIVE_MINUTES)
        if self._standings is None or self._standings[0] != bucket:
            self._standings = bucket, objectives.standings(rows, [one.target for one in sightings], now=now)
        return self._standings[1]

    def _of_intake(self) -> Iterable[Metric]:
        intake = self._intake
        yield _counter("alerts_received", "Alerts that came in", _floats(intake.received), "receiver")
        yield _counter("alerts_repeated", "Alerts that said nothing new", _floats(intake.repeated), "receiver")
        yield _counter("intake_refused", "Requests with alerts that were not taken", _floats(intake.refused), "status")
        yield _gauge("writes_pending", "Writes that wait for the disk", {(): float(self._desk.parts.store.pending)})
        yield _gauge("build_info", "The version that runs", {(self._desk.parts.version,): 1.0}, "version")


def _told(rows: Rows, since: int) -> list[tuple[Event, datetime | None, str]]:
    """Return events with the opening and class of their incident, where they mark a phase of it."""
    found: list[tuple[Event, datetime | None, str]] = []
    for event in events.after(rows, since, limit=_AT_ONCE):
        incident = incidents.get(rows, event.incident) if event.kind in _PHASES and event.incident else None
        found.append((event, incident.opened_at if incident else None, incident.kind if incident else ""))
    return found


def _of_rows(read: Figures, breaker: Breaker) -> Iterable[Metric]:
    yield _counter(
        "actions", "Actions executed", {key: float(n) for key, n in read.actions.items()}, "action", "result"
    )
    told = {key: float(n) for key, n in read.deliveries.items()}
    yield _counter("notifications", "Messages to people, by channel and result", told, "channel", "result")
    yield _gauge("outbox_pending", "Messages that are still to be told", {(): float(read.outbox_pending)})
    yield _gauge("approvals_waiting", "Questions that wait for an answer", {(): float(read.approvals_waiting)})
    yield _gauge(
        "incidents", "Incidents by status", {(status,): float(n) for status, n in read.incidents.items()}, "status"
    )
    paused = {("",): 0.0, **{(pause.target,): 1.0 for pause in read.pauses}}
    yield _gauge("paused", "Whether automatic actions are paused; the empty target means all", paused, "target")
    open_ = dict.fromkeys(open_circuits(read.recent, breaker), 1.0)
    yield _gauge(
        "circuit_open", "Runbooks that are left alone on a target because they keep failing", open_, "target", "runbook"
    )
    health = Counter((one.health.value,) for one in read.sightings)
    yield _gauge("targets", "Targets by health", {key: float(n) for key, n in health.items()}, "health")
    latency = {
        (one.target.name,): one.readings["latency_ms"] / 1000 for one in read.sightings if "latency_ms" in one.readings
    }
    yield _gauge("health_check_seconds", "How long the last health check of a target took", latency, "target")
    yield from _of_objectives(read.standings)
    beats = {(role,): beat.at.timestamp() for role, beat in read.beats.items()}
    yield _gauge("heartbeat_timestamp_seconds", "When a role was last alive, since 1970", beats, "role")
    for said, (name, says) in _ROLE_FIGURES.items():
        values = {
            (role,): float(beat.data[said])
            for role, beat in read.beats.items()
            if isinstance(beat.data.get(said), int | float) and math.isfinite(beat.data[said])
        }
        yield _gauge(name, says, values, "role")


def _of_objectives(standings: list[Standing]) -> Iterable[Metric]:
    def gauge(name: str, says: str, value: Callable[[Standing], float | None]) -> Metric:
        values = {(one.target,): found for one in standings if (found := value(one)) is not None}
        return _gauge(f"slo_{name}", says, values, "target")

    yield gauge("objective_ratio", "Share of the time that a target is to serve", lambda one: one.objective)
    yield gauge(
        "availability_ratio", "Share of the last 30 days that a target served", lambda one: one.budget.availability
    )
    yield gauge(
        "error_budget_ratio",
        "Share of the error budget of 30 days that is left; below zero when it is overspent",
        lambda one: one.budget.left,
    )
    yield gauge("unknown_ratio", "Share of the last 30 days in which nobody looked", lambda one: one.budget.unknown)
    rates = {
        (one.target, write_duration(burn.window.long)): burn.long_rate
        for one in standings
        for burn in one.burns
        if burn.long_rate is not None
    }
    yield _gauge("slo_burn_rate", "How fast the error budget goes; 1 uses it up in 30 days", rates, "target", "window")


def open_circuits(recent: Iterable[Attempt], breaker: Breaker) -> list[tuple[str, str]]:
    """Return (target, runbook) of those whose last `breaker.failures` attempts in a row did not heal."""
    in_a_row: Counter[tuple[str, str]] = Counter()
    for attempt in recent:
        key = attempt.target, attempt.plan.runbook
        if attempt.outcome.strike:
            in_a_row[key] += 1
        elif attempt.ended_at is not None:
            in_a_row[key] = 0
    return sorted(key for key, failures in in_a_row.items() if failures >= breaker.failures)


def _floats(counts: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    return {(key,): float(n) for key, n in counts.items()}


def _counter(name: str, says: str, values: Mapping[K, float], *labels: str) -> Metric:
    family = CounterMetricFamily(f"devops_agent_{name}", says, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(list(key), value)
    return family


def _gauge(name: str, says: str, values: Mapping[K, float], *labels: str) -> Metric:
    family = GaugeMetricFamily(f"devops_agent_{name}", says, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(list(key), value)
    return family


async def _admit(request: Request) -> None:
    desk = desk_of(request)
    if not desk.parts.settings().web.metrics_open:
        await desk.admit(request, "read")


@router.get(
    "/metrics",
    response_class=Response,
    responses={**problems(), 200: {"description": "Prometheus' text form", "content": {"text/plain": {}}}},
)
async def metrics(request: Request, _: Annotated[None, Depends(_admit)]) -> Response:
    """Expose our own metrics. Needs no token unless `web.metrics_open` is false."""
    meter: Meter = request.app.state.meter
    try:
        return Response(await meter.expose(), media_type=CONTENT_TYPE)
    except StoreError as error:
        raise busy(str(error)) from error
