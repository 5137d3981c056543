"""An incident, and a scripted model that is asked about it, on a real store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devops_agent.config.settings import Investigation, Model
from devops_agent.kit.dialogue import Prices
from devops_agent.kit.testing import START, FakeClock
from devops_agent.kit.testing.reasoner import ScriptedReasoner, Turn, answers
from devops_agent.model.alert import Alert, AlertStatus, Severity, fingerprint
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.evidence import Evidence
from devops_agent.model.incident import Incident, Status
from devops_agent.model.runbook import Match, Runbook
from devops_agent.model.target import Target
from devops_agent.store import evidence, spending
from devops_agent.store.spending import Spent
from devops_agent.workers.advice import Advice
from devops_agent.workers.advise import ModelAdviser
from devops_agent.workers.gather import Sources
from devops_agent.workers.question import Question
from tests.engine.inline import InlineStore, new_database

if TYPE_CHECKING:
    from pathlib import Path

MODEL = Model(name="scripted:model", input_price=1.0, output_price=2.0)
SHOP, DATABASE = Target(name="shop", depends_on=("database",)), Target(name="database")
INCIDENT = Incident(
    id="INC-1",
    status=Status.INVESTIGATING,
    severity=Severity.CRITICAL,
    target="shop",
    kind="unhealthy",
    title="ServiceUnhealthy on shop",
    opened_at=START,
    changed_at=START,
)
RULES = Hypothesis(kind="unhealthy", says="GET /health: 500", confidence=0.9, evidence=("EV-1",))
RESTART = Runbook(name="service-unhealthy", says="Restart it.", match=Match(kinds=("unhealthy",)))


def alert(*, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Alert:
    """Return a firing alert about the shop."""
    whole = {"alertname": "ServiceUnhealthy", "service": "shop", **(labels or {})}
    return Alert(
        fingerprint=fingerprint(whole),
        status=AlertStatus.FIRING,
        labels=whole,
        annotations={"summary": "the shop answers 500", **(annotations or {})},
        starts_at=START,
        source="alertmanager",
    )


def piece(says: str = "12 lines (new): connection refused by database", **changes: object) -> Evidence:
    """Return a piece of evidence, as an investigator makes it."""
    made = Evidence(source="loki", target="shop", name="log_pattern", value=12, at=START, says=says)
    return made.with_(**changes)


def claim(**changes: object) -> dict[str, Any]:
    """Return a claim that can be believed."""
    return {
        "kind": "dependency_down",
        "component": "database",
        "says": "The database refuses connections.",
        "confidence": 0.8,
        "evidence": ["EV-1"],
        "refuted_by": "a successful query",
        "runbook": "",
        **changes,
    }


def claims(*given: dict[str, Any], tokens: tuple[int, int] | None = (1_000, 100)) -> Turn:
    """Return a turn in which the model claims this."""
    return answers({"claims": list(given)}, tokens=tokens)


@dataclass(kw_only=True)
class Inquiry:
    """Everything that asking a model needs."""

    store: InlineStore
    clock: FakeClock = field(default_factory=FakeClock)
    model: Model = MODEL
    sources: Sources = field(default_factory=Sources)
    question: Question
    reasoner: ScriptedReasoner = field(default_factory=lambda: ScriptedReasoner(turns=(claims(claim()),)))
    similar: Sequence[str] | None = None
    secrets: tuple[str, ...] = ()

    @property
    def adviser(self) -> ModelAdviser:
        """The one under test, as a new process would build it."""

        async def similar(_: str) -> Sequence[str]:
            return self.similar or ()

        return ModelAdviser(
            reasoner=self.reasoner,
            store=self.store,
            clock=self.clock,
            settings=lambda: Investigation(model=self.model),
            runbooks=lambda: self.question.runbooks,
            sources=self.sources,
            similar=None if self.similar is None else similar,
            secrets=self.secrets,
        )

    async def ask(self, *turns: Turn) -> Advice:
        """Ask a model that does this."""
        if turns:
            prices = Prices(input=self.model.input_price, output=self.model.output_price)
            self.reasoner = ScriptedReasoner(turns=turns, clock=self.clock, prices=prices)
        return await self.adviser.ask(self.question, sightings={})

    async def spent(self) -> Spent:
        """Return what the day has cost so far."""
        return await self.store.read(lambda rows: spending.spent(rows, now=self.clock.now()))


async def inquiry(folder: Path, *pieces: Evidence, **changes: object) -> Inquiry:
    """Return an inquiry about the shop with this evidence (by default one piece), which gets the ids EV-1, EV-2, …."""
    path = folder / "agent.db"
    await new_database(path, template=folder.parent / "template.db")
    store = InlineStore(path)
    kept = await store.write(lambda rows: evidence.keep(rows, INCIDENT.id, pieces or (piece(),)))
    question = Question(
        incident=INCIDENT,
        targets=(SHOP, DATABASE),
        alerts=(alert(),),
        evidence=tuple(kept),
        hypotheses=(RULES,),
        runbooks=(RESTART,),
    )
    return Inquiry(store=store, question=question.with_(**changes))
