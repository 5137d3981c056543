"""Remember: what a closed incident teaches.

Its text is found again, what people do again and again becomes a draft of a runbook, what recurs a proposal of a
permanent fix, and history is mirrored elsewhere.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.durable.dispatch import Job
from devops_agent.durable.journal import Again
from devops_agent.engine.lifecycle import CLOSED, REMEMBER
from devops_agent.model.fact import Fact
from devops_agent.model.knowledge import Document, Draft, Proposal, Similar, text_of
from devops_agent.ports import PluginError
from devops_agent.store import alerts, events, evidence, incidents, knowledge, runs
from devops_agent.workers import drafting, history, patterns
from devops_agent.workers.embedding import vector_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from devops_agent.durable.journal import Run
    from devops_agent.model.incident import Incident
    from devops_agent.model.runbook import Runbook
    from devops_agent.ports import Clock, Mirror
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows
    from devops_agent.store.runs import Claim
    from devops_agent.workers.embedding import Embedder

MIRROR = "mirror"
"""The job, and the key, of all that is to be mirrored."""
_LATER = timedelta(minutes=5)
"""How long what is away is left alone."""
_MUCH_LATER = timedelta(hours=6)
"""How long what refuses is left alone: somebody has to mend it."""
_BATCH = 50
"""Events that are mirrored in one go."""

log = logging.getLogger("devops_agent.remember")


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that remembering needs."""

    store: Store
    clock: Clock
    embedder: Callable[[], Embedder]
    """Built when the first text is to be embedded."""
    runbooks: Callable[[], Sequence[Runbook]]
    mirror: Mirror | None
    version: str


def jobs(desk: Desk) -> Mapping[str, Job]:
    """Return what is done with the runs of the queue."""
    return {
        CLOSED: Job(do=lambda run: _remember(run, desk), give_up=_give_up),
        MIRROR: Job(do=lambda run: _mirror(run, desk), give_up=_give_up),
    }


async def similar(store: Store, text: str, *, embedder: Embedder, limit: int = 5, besides: str = "") -> list[Similar]:
    """Return the closed incidents most like what `text` says, the most alike first.

    Raises:
        PluginError: the text cannot be embedded.

    """
    vector = await vector_of(embedder, text)
    return await store.read(
        lambda rows: knowledge.like(rows, vector, model=embedder.name, limit=limit, besides=besides)
    )


async def recall(store: Store, incident: str, *, embedder: Embedder, clock: Clock, limit: int = 5) -> list[Similar]:
    """Return the closed incidents most like an open one, and keep its vector, so that others can look for it too.

    Raises:
        PluginError: it cannot be embedded.

    """
    told = await store.read(lambda rows: _told(rows, incident))
    if told is None:
        return []
    vector = await vector_of(embedder, told.text)
    document = _document(told, vector, model=embedder.name).with_(kind="open", at=clock.now())

    def keep(rows: Rows) -> list[Similar]:
        known = knowledge.get(rows, incident)
        if known is None or known.kind == "open":
            knowledge.keep(rows, document)
        return knowledge.like(rows, vector, model=embedder.name, limit=limit, besides=incident)

    return await store.write(keep)


class _Told(Fact, kw_only=True):
    """An incident as it is remembered."""

    incident: Incident
    text: str
    helped: str


class _Learnt(Fact, kw_only=True):
    """What history, with the incident in it, amounts to."""

    drafts: tuple[Draft, ...] = ()
    proposals: tuple[Proposal, ...] = ()


async def _remember(run: Run, desk: Desk) -> Again | None:
    told = await desk.store.read(lambda rows: _told(rows, run.key))
    if told is None or not told.incident.closed:
        return None
    if desk.mirror is not None:
        await desk.store.write(lambda rows: _mirror_soon(rows, desk), tell=(REMEMBER,))
    if told.incident.ordered_json:  # an order is no trouble that could come again
        return None
    try:
        embedder = desk.embedder()
        vector = await vector_of(embedder, told.text)
    except PluginError as error:
        return _away(desk, error, what="embed an incident", key=run.key)
    document = _document(told, vector, model=embedder.name)
    now = desk.clock.now()
    learnt = await desk.store.read(lambda rows: _learn(rows, told.incident, desk))

    def keep(rows: Rows) -> int:
        knowledge.keep(rows, document)
        fresh = [draft for draft in learnt.drafts if knowledge.draft(rows, draft.name) is None]
        for draft in learnt.drafts:
            knowledge.keep_draft(rows, draft)
        for draft in fresh:
            events.add(rows, "drafted", _says_drafted(draft), at=now, incident=told.incident.id, draft=draft.name)
        incident = told.incident
        knowledge.keep_proposals(rows, target=incident.target, kind=incident.kind, found=learnt.proposals)
        return len(fresh)

    await run.record("keep", keep, kind=int, tell=("events",))
    return None


def _told(rows: Rows, id_: str) -> _Told | None:
    incident = incidents.get(rows, id_)
    if incident is None:
        return None
    text = text_of(
        incident,
        alerts=alerts.of_incident(rows, id_),
        causes=[events.last_said(rows, id_, "diagnosis")],
        evidence=evidence.of_incident(rows, id_),
    )
    return _Told(incident=incident, text=text, helped=drafting.helped(rows, incident))


def _document(told: _Told, vector: tuple[float, ...], *, model: str) -> Document:
    incident = told.incident
    return Document(
        id=incident.id,
        kind="incident",
        model=model,
        vector=vector,
        says=told.text,
        meta={
            "target": incident.target,
            "kind": incident.kind,
            "title": incident.title,
            "helped": told.helped,
            "ended": incident.reason,
        },
        at=incident.resolved_at or incident.changed_at,
    )


def _learn(rows: Rows, incident: Incident, desk: Desk) -> _Learnt:
    now = desk.clock.now()
    return _Learnt(
        drafts=tuple(drafting.draft(rows, incident.kind, runbooks=desk.runbooks(), now=now)),
        proposals=tuple(patterns.propose(rows, target=incident.target, kind=incident.kind, now=now)),
    )


def _says_drafted(draft: Draft) -> str:
    return f"{draft.reasons[-1]}: drafted runbook {draft.name}; `devops-agent draft show {draft.name}`"


def _mirror_soon(rows: Rows, desk: Desk) -> None:
    runs.enqueue(rows, REMEMBER, MIRROR, key=MIRROR, now=desk.clock.now(), version=desk.version)


async def _mirror(run: Run, desk: Desk) -> Again | None:
    """Hand over what was not mirrored yet; told again after a crash, the same keys make it no more than once."""
    if desk.mirror is None:
        return None
    while True:
        begin, untold = await desk.store.read(
            lambda rows: (knowledge.mirrored(rows), history.untold(rows, limit=_BATCH))
        )
        if untold.seq == begin:
            return None
        try:
            if untold.memories:
                await desk.mirror.save(untold.memories)
        except PluginError as error:
            return _away(desk, error, what="mirror history", key=run.key)
        await desk.store.write(lambda rows, seq=untold.seq: knowledge.note_mirrored(rows, seq))  # type: ignore[misc]


def _away(desk: Desk, error: PluginError, *, what: str, key: str) -> Again:
    rest = _LATER if error.retryable else _MUCH_LATER
    log.warning("cannot %s now", what, extra={"key": key, "error": str(error), "again_after": str(rest)})
    return Again(desk.clock.now() + rest, str(error))


def _give_up(rows: Rows, claim: Claim, says: str) -> None:
    """Nothing waits for it: the next incident is remembered all the same."""
    del rows
    log.error("cannot remember", extra={"key": claim.key, "error": says})
