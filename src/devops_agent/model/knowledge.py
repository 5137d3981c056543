"""Knowledge: what closed incidents teach. Texts to search by, drafts of runbooks, proposals of permanent fixes."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact
from devops_agent.model.runbook import Runbook

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from devops_agent.model.alert import Alert
    from devops_agent.model.attempt import Attempt
    from devops_agent.model.evidence import Evidence
    from devops_agent.model.incident import Incident

_LONGEST = 200
"""Characters of one sentence that count."""
_PIECES = 12
"""Pieces of evidence that count: the telling ones stand first."""
_VARYING = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+(?:[.:,]\d+)*", re.IGNORECASE)
_TELLING = {"stack_trace": 0, "log_pattern": 1, "slow_operation": 2, "change": 3}
"""Names of evidence that tell one trouble from another, the most telling first."""


class Document(Fact, kw_only=True):
    """A text that is found by its meaning."""

    id: str
    """The incident's id, or the name of the runbook or draft."""
    kind: str
    """`incident` (closed), `open` (an incident that is not), `runbook`, `draft`."""
    model: str
    """What made the vector; vectors of different models cannot be compared."""
    vector: tuple[float, ...]
    """Of length 1, so that the cosine of two is their dot product."""
    says: str
    meta: dict[str, str] = {}
    at: datetime


class Similar(Fact, kw_only=True):
    """An earlier incident that was like this one."""

    incident: str
    score: float
    """Cosine of the two texts' vectors, -1 to 1, a tenth more when people confirmed what was said or done, a third
    less when they did not."""
    target: str
    kind: str
    says: str
    helped: str = ""
    """What verifiably helped then; empty: nothing did, or nobody knows."""
    feedback: str = ""
    """What people said of it: `diagnosis right`, `diagnosis wrong`, `helped`, `useless`, `harmful`, `mended`."""
    at: datetime


class Standing(StrEnum):
    """Where a draft stands."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Draft(Fact, kw_only=True):
    """A runbook made from what has worked repeatedly; never used before a person has accepted it."""

    name: str
    standing: Standing = Standing.WAITING
    runbook: Runbook
    reasons: tuple[str, ...]
    """A sentence for each incident that it rests on, and one that sums them up."""
    made_at: datetime
    answered_at: datetime | None = None
    by: str = ""
    comment: str = ""


class Proposal(Fact, kw_only=True):
    """What recurs, and what would end it for good."""

    id: str
    """`down/api/recurs`: the same trouble has one proposal, which grows with it."""
    target: str
    kind: str
    """Fault class."""
    pattern: str
    """`recurs`, `time of day`, `after deployments`."""
    says: str
    advice: str
    incidents: tuple[str, ...]
    """Those that it rests on, oldest first."""
    made_at: datetime


class Memory(Fact, kw_only=True):
    """One item of the history that is mirrored elsewhere."""

    key: str
    """Stable: the same thing has the same key for ever, so that a later word on it replaces the earlier."""
    says: str
    sort: str
    """`incident`, `plan`, `action`, `metrics`."""
    failed: bool = False
    urgent: bool = False


def text_of(incident: Incident, *, alerts: Iterable[Alert], causes: Iterable[str], evidence: Iterable[Evidence]) -> str:
    """Return the text by which an incident is found: its symptoms, without what varies from one time to the next.

    What helped is left out: a new incident, which looks for old ones, does not know yet.
    """
    telling = sorted((one for one in evidence if _tells(one)), key=lambda one: _TELLING.get(one.name, len(_TELLING)))
    sentences = [
        f"{incident.kind.replace('_', ' ')} on {incident.target}",
        incident.title,
        *(f"{alert.name} {alert.summary}" for alert in alerts),
        *causes,
        *(one.says for one in telling[:_PIECES]),
    ]
    steady = (_VARYING.sub("#", sentence[:_LONGEST]).strip() for sentence in sentences)
    return ". ".join(dict.fromkeys(sentence for sentence in steady if sentence))


def helped(attempts: Sequence[Attempt]) -> str:
    """Return what verifiably healed an incident, as a person reads it; empty when nothing did."""
    healing = [one for one in attempts if one.outcome == "healed"]
    if not healing:
        return ""
    steps = ", ".join(step.action for step in healing[-1].plan.steps)
    return f"{healing[-1].plan.runbook} ({steps})"


def _tells(piece: Evidence) -> bool:
    return bool(piece.says) and (piece.name in _TELLING or piece.value is False)
