"""What the web role is built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devops_agent.analysis.retrieval import Document
from devops_agent.config.origin import Configured
from devops_agent.config.settings import Settings
from devops_agent.engine.ground import Ground
from devops_agent.model.action import Action
from devops_agent.model.runbook import Runbook
from devops_agent.ports import Clock, Receiver
from devops_agent.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Values and calls that `app` composes; what may change while running is a call."""

    store: Store
    settings: Callable[[], Settings]
    ground: Callable[[], Ground]
    receivers: Mapping[str, Receiver]
    runbooks: Callable[[], Sequence[Runbook]]
    actions: Callable[[], Mapping[str, Action]]
    clock: Clock
    version: str
    configured: Callable[[], Configured] = Configured
    """Where the settings come from, and what is wrong with their file now."""
    documents: Callable[[], Sequence[Document]] = tuple
    """The runbooks that people keep for people; read from disk, so not within the event loop."""
