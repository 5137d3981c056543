"""What a closer look, people and time add to the working week of `seed`: evidence, causes, what was learnt."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from devops_agent.model.alert import Severity
from devops_agent.model.attempt import Outcome
from devops_agent.model.diagnosis import Diagnosis, Hypothesis
from devops_agent.model.evidence import Evidence
from devops_agent.model.incident import Category, Complexity
from devops_agent.model.insight import Insight, Suspect
from devops_agent.model.knowledge import Document, Draft, Proposal
from devops_agent.model.learning import Tried
from devops_agent.model.prediction import Prediction
from devops_agent.model.runbook import Match, Runbook
from devops_agent.store import events, evidence, insights, knowledge, learning
from tests.web.seed import RESTART

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows


def deepen(rows: Rows, now: datetime) -> None:
    """Write it all, on top of what `seed.fill` wrote."""
    kept = evidence.keep(rows, "INC-3", _seen(now))
    ids = tuple(piece.id for piece in kept)
    causes = (
        Hypothesis(
            kind="unreachable", says="no name server answers from this machine", confidence=0.86,
            evidence=ids[:2], refuted_by="another machine that cannot resolve the name either",
        ),
        Hypothesis(kind="dependency_down", says="ledger waits for db", confidence=0.21, component="db"),
    )  # fmt: skip
    found = Diagnosis(
        hypotheses=causes, category=Category.NETWORK, complexity=Complexity.COMPLEX, severity=Severity.CRITICAL
    )
    events.add(
        rows, "diagnosis", f"unreachable: {found.says} (86% sure)", at=now, incident="INC-3", target="ledger",
        found=found,
    )  # fmt: skip
    insights.keep(rows, _insight(ids, now))
    document = Document(
        id="INC-1", kind="incident", model="hashing", vector=(1.0,), says="checkout is down",
        meta={"target": "checkout", "title": "checkout is down", "helped": "service-down (docker.restart)"}, at=now,
    )  # fmt: skip
    knowledge.keep(rows, document)
    knowledge.keep(rows, document.with_(id="INC-3", kind="open"))
    _learn(rows, now)


def _seen(now: datetime) -> list[Evidence]:
    began = now.timestamp() - 900
    points = tuple((began + 15 * step, 40.0 + (step if step < 40 else 4 * step) % 97) for step in range(60))
    like = Evidence(
        source="loki", target="ledger", name="log_errors", value=41, at=now, query='{service="ledger"} |= "error"'
    )
    return [
        Evidence(source="host", name="dns", value=False, at=now, query="ledger.internal", says="no such name"),
        like.with_(
            name="stack_trace", value=12, says="ConnectionError at ledger/db.py:88 in connect (new, 12 times)",
            details={
                "exception": "ConnectionError", "message": "Name or service not known", "file": "ledger/db.py",
                "line": 88, "function": "connect", "new": True, "language": "python",
            },
        ),
        like.with_(
            name="log_pattern", value=29, says="29 lines (new): retrying in <*> s",
            details={"template": "retrying in <*> s", "example": "12:00:07 WARN retrying in 4 s", "new": True},
        ),
        Evidence(
            source="prometheus", target="ledger", name="reading", query="ledger_latency_ms", value=77.0, unit="ms",
            at=now, points=points, says="latency_ms of ledger rose from 60 to 90 ms at 12:00:00", partial=True,
            details={"series": "latency_ms", "begins_at": datetime.fromtimestamp(began + 600, now.tzinfo).isoformat()},
        ),
    ]  # fmt: skip


def _insight(ids: tuple[str, ...], now: datetime) -> Insight:
    return Insight(
        incident="INC-3", at=now, says="Names cannot be resolved; the service itself is well.",
        hypotheses=(Hypothesis(kind="bad_release", says="resolv.conf was changed", confidence=0.4, evidence=ids[2:3]),),
        advised=(
            Hypothesis(
                kind="unreachable", says="restart the resolver", confidence=0.6, source="openai:gpt",
                runbook="unreachable", evidence=ids[:1],
            ),
        ),
        suspects=(
            Suspect(component="resolver", score=0.7, says="everything that fails asks it", evidence=ids[:1]),
            Suspect(component="ledger", score=0.3),
        ),
        missing=("prometheus of eu-west: timed out",), dropped=2, similar=("INC-1",),
        advice=("name-resolution.md: look at the resolver’s log first",),
    )  # fmt: skip


def _learn(rows: Rows, now: datetime) -> None:
    for number in range(30):
        at = now - timedelta(days=number)
        raw = 0.5 + number % 5 / 10
        made = Prediction(
            incident=f"OLD-{number}", source="rules" if number % 6 else "openai:gpt", kind="down", target="checkout",
            seen=True, raw=raw, published=raw, at=at,
        )  # fmt: skip
        learning.predict(rows, made)
        learning.judge(rows, made.incident, "down", right=number % 3 > 0)
        tried = Tried(
            at=at, incident=made.incident, target="checkout", kind="down", runbook="service-down",
            actions=("docker.restart",), version="1", outcome=Outcome.HEALED if number % 4 else Outcome.FAILED,
        )  # fmt: skip
        learning.keep_trial(rows, f"OLD-{number}", tried)
    book = Runbook(
        name="memory-pressure-docker-restart", says="Restart it before its memory is full.",
        match=Match(kinds=("memory_pressure",), via=("docker",)), steps=(RESTART,), advice=("Look for the leak.",),
    )  # fmt: skip
    reasons = ("INC-1: ada restarted it and it healed", "3 of 3 such restarts healed it")
    knowledge.keep_draft(rows, Draft(name=book.name, runbook=book, reasons=reasons, made_at=now - timedelta(hours=5)))
    proposal = Proposal(
        id="down/checkout/recurs", target="checkout", kind="down", pattern="time of day",
        says="checkout is down about every day at 03:00", advice="Look at what is scheduled for 03:00.",
        incidents=("INC-1", "INC-3"), made_at=now,
    )  # fmt: skip
    knowledge.keep_proposals(rows, target="checkout", kind="down", found=[proposal])
