"""A past to be remembered: incidents that came and went, and what ended them."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent.durable.journal import Again, Run
from devops_agent.engine import commands, lifecycle
from devops_agent.engine.lifecycle import REMEMBER
from devops_agent.kit.testing import START, FakeClock
from devops_agent.model.action import Step
from devops_agent.model.alert import Alert, AlertStatus, Severity, fingerprint
from devops_agent.model.attempt import ActionDone, Attempt, Outcome
from devops_agent.model.decision import Decision, Permission
from devops_agent.model.incident import Incident, Status
from devops_agent.model.runbook import Plan, Runbook
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target
from devops_agent.ports import PluginError
from devops_agent.store import alerts, attempts, events, incidents, runs, targets
from devops_agent.workers.remember import Desk, jobs
from tests.engine.inline import InlineStore, new_database

if TYPE_CHECKING:
    from devops_agent.model.knowledge import Memory
    from devops_agent.store.rows import Rows

API = Target(name="api", via="docker", ref="api-1")
DAY = timedelta(days=1)
ALLOWED = Decision(permission=Permission.ALLOW, rule="all", reason="every rule allows it", verdicts=())
RESTART = Step(name="restart", action="docker.restart")


class WordEmbedder:
    """A vector that counts words: texts that share words are alike."""

    name = "words"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> list[float]:
        vector = [0.0] * 64
        for word in text.lower().replace(".", " ").split():
            vector[zlib.crc32(word.encode()) % 64] += 1.0
        return vector


class FakeMirror:
    """Keeps what it is given by key; `trouble` is raised while it is set."""

    def __init__(self) -> None:
        self.kept: dict[str, Memory] = {}
        self.given = 0
        self.trouble: PluginError | None = None

    async def save(self, memories: Sequence[Memory]) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.given += len(memories)
        self.kept |= {memory.key: memory for memory in memories}


@dataclass(kw_only=True)
class Past:
    """A store with a past, and what remembers it."""

    store: InlineStore
    clock: FakeClock = field(default_factory=FakeClock)
    embedder: WordEmbedder = field(default_factory=WordEmbedder)
    mirror: FakeMirror | None = None
    runbooks: tuple[Runbook, ...] = ()

    @property
    def desk(self) -> Desk:
        return Desk(
            store=self.store,
            clock=self.clock,
            embedder=lambda: self.embedder,
            runbooks=lambda: self.runbooks,
            mirror=self.mirror,
            version="test",
        )

    async def happens(self, **what: object) -> Incident:
        """Let an incident come and go; see `happen`."""
        return await self.store.write(lambda rows: happen(rows, **what))  # type: ignore[arg-type]

    async def remember(self) -> list[Again]:
        """Do everything that is to be remembered and is due; return what is to be done again later."""
        later: list[Again] = []
        while True:
            claim = await self.store.write(
                lambda rows: runs.claim(rows, REMEMBER, owner="test", now=self.clock.now(), lease=DAY)
            )
            if claim is None:
                return later
            run = Run(self.store, claim, clock=self.clock)
            again = await jobs(self.desk)[claim.job].do(run)
            await self.store.write(
                lambda rows, claim=claim: runs.finish(rows, claim, ok=True, says="", now=self.clock.now())  # type: ignore[misc]
            )
            if again is not None:
                later.append(again)


@asynccontextmanager
async def past(folder: Path) -> AsyncIterator[Past]:
    """Give an empty past."""
    await new_database(folder / "agent.db", template=folder.parent / "template.db")
    made = Past(store=InlineStore(folder / "agent.db"))
    made.clock = FakeClock(START + 60 * DAY)
    await made.store.write(lambda rows: targets.keep(rows, [_sighting(API)]))
    try:
        yield made
    finally:
        await made.store.close()


def happen(  # noqa: PLR0913 — an incident has these parts
    rows: Rows,
    *,
    at: datetime,
    target: str = "api",
    kind: str = "memory_pressure",
    title: str = "memory at 91 %",
    minutes: float = 2.0,
    runbook: str = "restart",
    steps: Sequence[Step] = (RESTART,),
    outcome: Outcome | None = Outcome.HEALED,
    guided: bool = False,
    ordered: bool = False,
) -> Incident:
    """Write an incident that was opened at `at` and is resolved `minutes` later; without `outcome` nothing was done."""
    incident = incidents.open_(
        rows, target=target, cause_group="x", kind=kind, severity=Severity.WARNING, title=title, now=at
    )
    events.add(rows, "opened", title, at=at, incident=incident.id, target=target)
    alerts.keep(rows, [_alert(kind, target, title, at=at)], target=target, incident=incident.id, now=at)
    end = at + timedelta(minutes=minutes)
    if outcome is not None and ordered:
        _order(rows, target, steps, outcome, at=at + timedelta(seconds=10))
    elif outcome is not None:
        if guided:
            incidents.describe(rows, incident.id, guided=runbook)
        plan = Plan(incident=incident.id, runbook=runbook, target=target, steps=tuple(steps))
        _carry_out(rows, incident, plan, outcome, at=at + timedelta(seconds=10), ordered=False)
    moved = lifecycle.move(rows, incident, Status.INVESTIGATING, reason="looks into it", now=at)
    return lifecycle.move(rows, moved, Status.RESOLVED, reason="well again", now=end)


def _order(rows: Rows, target: str, steps: Sequence[Step], outcome: Outcome, *, at: datetime) -> None:
    for number, step in enumerate(steps):
        begun = at + timedelta(seconds=number)
        made = commands.order(rows, target=target, step=step, reason="it helps", by="ada", now=begun, version="test")
        plan = Plan(incident=made.id, runbook="order", target=target, steps=(step,))
        _carry_out(rows, made, plan, outcome, at=begun, ordered=True)
        moved = lifecycle.move(rows, made, Status.INVESTIGATING, reason="does it", now=begun)
        lifecycle.move(rows, moved, Status.RESOLVED, reason="done as ordered", now=begun)


def _carry_out(rows: Rows, incident: Incident, plan: Plan, outcome: Outcome, *, at: datetime, ordered: bool) -> None:
    kept = attempts.keep(
        rows,
        Attempt(
            incident=incident.id,
            target=incident.target,
            kind=incident.kind,
            risk="safe",
            plan=plan,
            decision=ALLOWED,
            decided_at=at,
            outcome=Outcome.STARTED,
            ordered=ordered,
            version="test",
        ),
    )
    attempts.start(rows, kept.id, now=at)
    end = at + timedelta(seconds=5)
    attempts.end(rows, kept.id, outcome, says="stayed well for 5 s", now=end)
    for step in plan.steps:
        done = ActionDone(
            key=f"{kept.id}/{step.name}",
            attempt=kept.id,
            incident=incident.id,
            target=incident.target,
            kind=incident.kind,
            action=step.action,
            step=step.name,
            started_at=at,
            ended_at=end,
            ok=True,
            verified=outcome is Outcome.HEALED,
            says="restarted",
        )
        attempts.record_action(rows, done)


def _alert(kind: str, target: str, title: str, *, at: datetime) -> Alert:
    labels = {"alertname": kind.title().replace("_", ""), "service": target}
    return Alert(
        fingerprint=fingerprint(labels),
        status=AlertStatus.RESOLVED,
        labels=labels,
        annotations={"summary": title},
        starts_at=at,
        source="test",
    )


def _sighting(target: Target) -> Sighting:
    return Sighting(target=target, health=Health.WELL, since=START, seen_at=START)
