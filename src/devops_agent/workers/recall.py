"""Recall: what earlier incidents, and the runbooks that people keep, say about this one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devops_agent.ports import PluginError
from devops_agent.workers import remember

if TYPE_CHECKING:
    from devops_agent.model.alert import Alert, Severity
    from devops_agent.model.knowledge import Similar
    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.workers.embedding import Embedder
    from devops_agent.workers.investigate import Scene

log = logging.getLogger("devops_agent.recall")

_ALIKE = 0.5
"""Cosine from which on an earlier incident is worth a word."""
_MOST = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Recall:
    """Searches what is remembered."""

    store: Store
    clock: Clock
    embedder: Callable[[], Embedder]

    async def like(self, scene: Scene) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return (ids of earlier incidents like it, advice), best first; nothing when texts cannot be compared."""
        try:
            found = await remember.recall(
                self.store, scene.incident.id, embedder=self.embedder(), clock=self.clock, limit=_MOST
            )
        except PluginError as error:
            log.warning("cannot look for similar incidents", extra={"error": str(error)})
            return (), ()
        near = [one for one in found if one.score >= _ALIKE]
        return tuple(one.incident for one in near), tuple(_advice(one) for one in near if one.helped)

    async def severity(self, firing: Sequence[Alert]) -> Severity | None:
        """Return what the alerts' words amount to; None when one of them carries a severity."""
        return None

    async def told(self, text: str) -> Sequence[str]:
        """Return what earlier incidents like a description say, for a model."""
        try:
            found = await remember.similar(self.store, text, embedder=self.embedder(), limit=_MOST)
        except PluginError:
            return []
        return [f"{one.incident}: {one.says} Helped: {one.helped or 'nothing known'}" for one in found]


def _advice(one: Similar) -> str:
    said = f" ({one.feedback})" if one.feedback else ""
    return f"In {one.incident}, {one.score:.0%} alike, this helped: {one.helped}{said}"
