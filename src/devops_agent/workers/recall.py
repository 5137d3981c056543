"""Recall: what earlier incidents, earlier alerts and the runbooks that people keep say about this one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devops_agent.analysis.retrieval import LIKELY, Document, Library
from devops_agent.analysis.severity import Labelled, train, wording
from devops_agent.engine.receive import OWN_SOURCES
from devops_agent.model.alert import Alert, Severity, service_name
from devops_agent.ports import PluginError
from devops_agent.store import alerts
from devops_agent.workers import remember

if TYPE_CHECKING:
    from devops_agent.model.knowledge import Similar
    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.workers.embedding import Embedder
    from devops_agent.workers.investigate import Scene

log = logging.getLogger("devops_agent.recall")

_ALIKE = 0.5
"""Cosine from which on an earlier incident is worth a word."""
_MOST = 3
_SURE = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Recall:
    """Searches what is remembered."""

    store: Store
    clock: Clock
    embedder: Callable[[], Embedder]
    documents: Callable[[], Sequence[Document]]
    """The user's runbooks that are written for people."""

    async def like(self, scene: Scene) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return (ids of earlier incidents like it, advice), best first."""
        near = await self._near(scene.incident.id)
        written = await asyncio.to_thread(self._written, scene.firing)
        return tuple(one.incident for one in near), (*written, *(_helped(one) for one in near if one.helped))

    async def severity(self, firing: Sequence[Alert]) -> Severity | None:
        """Return what the alerts' words amount to; None when one of them carries a severity, or words do not tell.

        It learns from the severities that people's own rules carry; without any it goes by general words.
        """
        if not firing or any(alert.labels.get("severity") for alert in firing):
            return None
        known = await self.store.read(lambda rows: alerts.newest_of_each_name(rows, besides=OWN_SOURCES))
        examples = [
            Labelled(wording=wording(one), severity=one.severity, group=service_name(one.labels)[0])
            for one in reversed(known)
            if one.labels.get("severity")
        ]
        model = await asyncio.to_thread(train, examples)
        judged = [found for alert in firing if (found := model.judge(alert)).confidence >= _SURE]
        return max((found.severity for found in judged), key=lambda severity: severity.rank, default=None)

    async def told(self, text: str) -> Sequence[str]:
        """Return what earlier incidents like a description say, for a model."""
        try:
            found = await remember.similar(self.store, text, embedder=self.embedder(), limit=_MOST)
        except PluginError:
            return []
        return [f"{one.incident}: {one.says} Helped: {one.helped or 'nothing known'}" for one in found]

    async def _near(self, incident: str) -> list[Similar]:
        try:
            found = await remember.recall(self.store, incident, embedder=self.embedder(), clock=self.clock, limit=_MOST)
        except PluginError as error:
            log.warning("cannot look for similar incidents", extra={"error": str(error)})
            return []
        return [one for one in found if one.score >= _ALIKE]

    def _written(self, firing: Sequence[Alert]) -> tuple[str, ...]:
        documents = {document.name: document for document in self.documents()}
        if not documents:
            return ()
        library = Library(documents.values())
        found = {one.name: one for alert in firing for one in library.find_for(alert, limit=1) if one.score >= LIKELY}
        best = sorted(found.values(), key=lambda one: -one.score)[:_MOST]
        return tuple(_read(documents[one.name], one.score) for one in best)


def _read(document: Document, score: float) -> str:
    where = f" ({document.urls[0]})" if document.urls else ""
    return f"Your runbook “{document.title or document.name}”{where} fits the alert ({score:.0%})."


def _helped(one: Similar) -> str:
    said = f" ({one.feedback})" if one.feedback else ""
    return f"In {one.incident}, {one.score:.0%} alike, this helped: {one.helped}{said}."
