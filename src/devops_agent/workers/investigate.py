"""Investigate: the closer look at an incident. Gathers, weighs, writes the insight, and only then asks a model."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from devops_agent.analysis.diagnosis import Case, Conclusion, judge
from devops_agent.durable.dispatch import Job
from devops_agent.engine.commands import RUNS
from devops_agent.engine.investigate import JOB
from devops_agent.model.evidence import Evidence
from devops_agent.model.fact import Fact
from devops_agent.model.fault import kind_of
from devops_agent.model.incident import Incident, Status
from devops_agent.model.insight import Insight, Suspect
from devops_agent.model.target import Target
from devops_agent.store import alerts, events, evidence, incidents, insights, runs, targets
from devops_agent.workers.advice import told
from devops_agent.workers.exhibits import exhibits, most_telling
from devops_agent.workers.gather import Heard, Sources, Windows, gather
from devops_agent.workers.suspects import suspects_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from devops_agent.config.settings import Investigation
    from devops_agent.durable.journal import Run
    from devops_agent.model.alert import Alert, Severity
    from devops_agent.model.directory import Directory
    from devops_agent.model.sighting import Sighting
    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows
    from devops_agent.store.runs import Claim

log = logging.getLogger("devops_agent.investigate")

_LONGEST = 120.0  # seconds for one closer look, before the model is asked; others wait for their turn
_LATELY = timedelta(hours=2)
_PIECES = 80
"""Evidence kept of one closer look."""


class Scene(Fact, kw_only=True):
    """What is known before anybody is asked."""

    incident: Incident
    firing: tuple[Alert, ...]
    targets: tuple[Target, ...]
    """The one in trouble, then what it depends on, nearest first."""
    sightings: dict[str, Sighting]
    states: tuple[Evidence, ...] = ()
    """How they were when the response looked at them; the latest of each."""
    asked_at: datetime | None = None
    """When this look was asked for."""


class Remembered(Protocol):
    """What earlier incidents and the user's own runbooks say."""

    async def like(self, scene: Scene) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return (ids of earlier incidents like it, advice), best first."""

    async def severity(self, firing: Sequence[Alert]) -> Severity | None:
        """Return what the alerts' words amount to; None when one of them carries a severity."""


class Adviser(Protocol):
    """Asks the model, if there is one."""

    async def advise(self, scene: Scene, seen: Sequence[Evidence], insight: Insight) -> Insight:
        """Return the insight with what the model advises; whatever goes wrong is told in it, never raised."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Investigator:
    """Everything that closer looks need; what is a function here may change while the worker runs."""

    store: Store
    clock: Clock
    sources: Sources
    directory: Callable[[], Directory]
    settings: Callable[[], Investigation]
    remembered: Remembered
    adviser: Adviser | None = None

    def jobs(self) -> dict[str, Job]:
        """Return what is to be done with the runs of the queue."""
        return {JOB: Job(do=self.investigate, give_up=self._give_up)}

    async def investigate(self, run: Run) -> None:
        """Make one closer look. Killed anywhere, it is made again; what was kept stays."""
        scene = await self._scene(run.key)
        if scene is None:
            return
        try:
            async with asyncio.timeout(_LONGEST):
                insight, seen = await self._look(run, scene)
        except TimeoutError:
            insight, seen = self._given_up(scene), []
        await run.record("insight", lambda rows: self._write(rows, insight), kind=type(None), tell=("events", RUNS))
        # Whatever may take long comes after the response was woken.
        similar, advice = await self.remembered.like(scene)
        insight = insight.with_(similar=similar, advice=advice)
        await run.record("recall", lambda rows: self._recalled(rows, insight), kind=type(None), tell=("events",))
        if self.adviser is not None:
            advised = await self.adviser.advise(scene, seen, insight)
            await run.record("advice", lambda rows: self._advised(rows, advised), kind=type(None), tell=("events",))

    async def _look(self, run: Run, scene: Scene) -> tuple[Insight, list[Evidence]]:
        windows = self._windows(scene)
        heard = await gather(scene.targets, sources=self.sources, windows=windows)
        found = await asyncio.to_thread(self._exhibits, heard, scene, windows)
        kept = await run.record("keep", lambda rows: evidence.keep(rows, run.key, found), kind=list[Evidence])
        seen = [*scene.states, *kept]
        graph = {one.name: one.depends_on for one in scene.targets}
        suspects = await asyncio.to_thread(
            suspects_of, heard, depends_on=graph, seen=seen, windows=windows, began_at=_began(scene)
        )
        concluded = judge(_case(scene, seen, suspects, graph))
        severity = await self.remembered.severity(scene.firing)
        return self._insight(scene, concluded, heard).with_(suspects=suspects, severity=severity), seen

    def _given_up(self, scene: Scene) -> Insight:
        says = f"the closer look was given up after {_LONGEST:g} s: there is too much to read"
        return Insight(
            incident=scene.incident.id, at=self.clock.now(), asked_at=scene.asked_at, enough=False, says=says
        )

    async def _scene(self, id_: str) -> Scene | None:
        def read(rows: Rows) -> Scene | None:
            incident = incidents.get(rows, id_)
            target = directory.get(incident.target) if incident is not None else None
            if incident is None or target is None:
                return None
            above = (directory.get(name) for name in directory.ancestors(target.name))
            return Scene(
                incident=incident,
                firing=tuple(alert for alert in alerts.of_incident(rows, id_, limit=200) if alert.firing),
                targets=(target, *(one for one in above if one is not None)),
                sightings={one.target.name: one for one in targets.all_(rows)},
                states=_latest_states(evidence.of_incident(rows, id_)),
                asked_at=insights.asked_at(rows, id_),
            )

        directory = self.directory()
        return await self.store.read(read)

    def _windows(self, scene: Scene) -> Windows:
        settings, now = self.settings(), self.clock.now()
        # A look that was put off sees the trouble whole; one at the very beginning sees what led to it.
        # Of one that has lasted for days the last hours tell how it is.
        begin = max(min(scene.incident.opened_at, now), now - _LATELY) - settings.window
        return Windows(baseline_from=begin - settings.baseline, begin=begin, end=now, log_lines=settings.log_lines)

    def _exhibits(self, heard: Sequence[Heard], scene: Scene, windows: Windows) -> list[Evidence]:
        now = self.clock.now()
        looked_at = {state.target for state in scene.states}
        polled = {name: seen for name, seen in scene.sightings.items() if name not in looked_at}
        pieces = [
            piece
            for one in heard
            for piece in exhibits(one, sighting=polled.get(one.component), windows=windows, now=now)
        ]
        return most_telling(pieces, limit=_PIECES)

    def _insight(self, scene: Scene, concluded: Conclusion, heard: Sequence[Heard]) -> Insight:
        return Insight(
            incident=scene.incident.id,
            at=self.clock.now(),
            asked_at=scene.asked_at,
            hypotheses=concluded.hypotheses,
            well=concluded.well,
            enough=concluded.enough,
            says=concluded.says,
            dropped=concluded.dropped,
            missing=tuple(dict.fromkeys(reason for one in heard for reason in one.missing)),
        )

    def _write(self, rows: Rows, insight: Insight) -> None:
        incident = _keep(rows, insight)
        if incident is None:
            return
        events.add(
            rows,
            "insight",
            insight.says,
            at=insight.at,
            incident=incident.id,
            target=incident.target,
            actor="investigate",
            hypotheses=[_told(h.kind, h.component, h.confidence, h.evidence) for h in insight.hypotheses],
            dropped=insight.dropped,
            missing=list(insight.missing),
        )
        if incident.status is Status.INVESTIGATING:
            runs.wake(rows, RUNS, incident.id, now=insight.at)

    def _recalled(self, rows: Rows, insight: Insight) -> None:
        if not (insight.similar or insight.advice) or _keep(rows, insight) is None:
            return
        says = "; ".join(insight.advice) or f"like {', '.join(insight.similar)}"
        events.add(
            rows,
            "recalled",
            says,
            at=self.clock.now(),
            incident=insight.incident,
            actor="investigate",
            similar=list(insight.similar),
        )

    def _advised(self, rows: Rows, insight: Insight) -> None:
        incident = _keep(rows, insight)
        if incident is None:
            return
        events.add(
            rows,
            "advice",
            told(insight, target=incident.target),
            at=self.clock.now(),
            incident=incident.id,
            target=incident.target,
            actor="investigate",
            model=insight.model,
            hypotheses=[_told(h.kind, h.component, h.confidence, h.evidence) for h in insight.advised],
            dropped=insight.dropped,
        )

    def _give_up(self, rows: Rows, claim: Claim, says: str) -> None:
        """The response does not wait for ever; people are told why the closer look is missing."""
        incident = incidents.get(rows, claim.key)
        if incident is not None:
            told = f"the closer look failed: {says}"
            now = self.clock.now()
            events.add(
                rows, "insight_failed", told, at=now, incident=incident.id, target=incident.target, actor="investigate"
            )


def _keep(rows: Rows, insight: Insight) -> Incident | None:
    """Write what was found; None when it holds no more: another look was asked for since, or the incident is gone.

    What was gathered before a plan was tried, or before the trouble came back, must not be taken for the answer.
    """
    incident = incidents.get(rows, insight.incident)
    if incident is None or insights.asked_at(rows, incident.id) != insight.asked_at:
        return None
    insights.keep(rows, insight)
    return incident


def _latest_states(kept: Sequence[Evidence]) -> tuple[Evidence, ...]:
    return tuple({piece.target: piece for piece in kept if piece.name == "state" and piece.source == "look"}.values())


def _case(
    scene: Scene, seen: Sequence[Evidence], suspects: tuple[Suspect, ...], graph: Mapping[str, tuple[str, ...]]
) -> Case:
    own = [alert for alert in scene.firing if alert.labels]
    claimed = {kind_of(alert.labels) for alert in own} or {scene.incident.kind}
    return Case(
        target=scene.incident.target,
        claimed=tuple(sorted(claimed)),
        began_at=_began(scene),
        evidence=tuple(seen),
        depends_on=dict(graph),
        suspects=suspects,
    )


def _began(scene: Scene) -> datetime:
    return min((alert.starts_at for alert in scene.firing), default=scene.incident.opened_at)


def _told(kind: str, component: str, confidence: float, cited: Sequence[str]) -> dict[str, object]:
    return {"kind": kind, "component": component, "confidence": confidence, "evidence": list(cited)}
