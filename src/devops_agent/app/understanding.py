"""Understanding incidents: what the worker process for closer looks and for memory is built from; heavy."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from devops_agent import __version__
from devops_agent.app.advisers import build_mirror, build_reasoner, embedder_of
from devops_agent.app.library import documents
from devops_agent.app.senses import build_senses
from devops_agent.config.secrets import read_secret
from devops_agent.engine import investigate
from devops_agent.engine.ground import ground_of
from devops_agent.kit.tools import SettingsError
from devops_agent.store import catalogue, targets
from devops_agent.workers import remember
from devops_agent.workers.advise import ModelAdviser
from devops_agent.workers.investigate import Investigator
from devops_agent.workers.recall import Recall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.config.settings import Settings
    from devops_agent.durable.dispatch import Job
    from devops_agent.engine.ground import Ground
    from devops_agent.model.runbook import Runbook
    from devops_agent.ports import Clock
    from devops_agent.store import Store
    from devops_agent.workers.embedding import Embedder

log = logging.getLogger("devops_agent.worker")


class Understanding:
    """The bench of queues that look closer at incidents, and remember them."""

    def __init__(self, settings: Settings, store: Store, *, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._ground: Ground = ground_of(settings, discovered=(), version=__version__)
        self._runbooks: tuple[Runbook, ...] = ()
        self._senses = build_senses(settings, clock=clock)
        self._embedder: Embedder | None = None
        self._recall = Recall(
            store=store, clock=clock, embedder=self._embed, documents=lambda: documents(self._settings)
        )

    stays = False
    """It is started anew when there is work."""

    def jobs(self, queue: str) -> Mapping[str, Job]:
        """Return what is done with the runs of one of its queues."""
        return self._looks() if queue == investigate.QUEUE else self._memory()

    async def look_around(self) -> None:
        """Learn which targets the agent has found beside those written down."""
        seen = await self._store.read(targets.all_)
        found = [one.target for one in seen if one.target.found_by != "config"]
        self._ground = ground_of(self._settings, discovered=found, version=__version__)
        self._runbooks = tuple(await self._store.read(catalogue.runbooks))

    async def close(self) -> None:
        """Let go of every connection."""
        await self._senses.close()

    def _looks(self) -> Mapping[str, Job]:
        return Investigator(
            store=self._store,
            clock=self._clock,
            sources=self._senses.sources(),
            directory=lambda: self._ground.directory,
            settings=lambda: self._settings.investigation,
            remembered=self._recall,
            adviser=self._adviser(),
        ).jobs()

    def _memory(self) -> Mapping[str, Job]:
        desk = remember.Desk(
            store=self._store,
            clock=self._clock,
            embedder=self._embed,
            runbooks=lambda: self._runbooks,
            mirror=build_mirror(self._settings, clock=self._clock),
            version=__version__,
        )
        return remember.jobs(desk)

    def _adviser(self) -> ModelAdviser | None:
        """Return what asks the model; None when none is configured, or its settings are wrong: the look needs none."""
        try:
            reasoner = build_reasoner(self._settings, clock=self._clock)
        except SettingsError as error:
            log.error("no model is asked: %s", error)  # noqa: TRY400 — where in our code tells nobody what to mend
            return None
        if reasoner is None:
            return None
        key_file = self._settings.investigation.model.key_file
        return ModelAdviser(
            reasoner=reasoner,
            store=self._store,
            clock=self._clock,
            settings=lambda: self._settings.investigation,
            runbooks=lambda: self._runbooks,
            sources=self._senses.sources(),
            similar=self._recall.told,
            secrets=(read_secret(key_file),) if key_file else (),
        )

    def _embed(self) -> Embedder:
        """Return what embeds texts, built for the first of them."""
        if self._embedder is None:
            self._embedder = embedder_of(self._settings)
        return self._embedder
