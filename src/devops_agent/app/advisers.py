"""Builds what the worker role asks for advice and memory: a model, an embedding, a mirror of history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent.app.parts import nobody, secret
from devops_agent.kit.http import Http
from devops_agent.kit.tools import Tools
from devops_agent.plugins import catalogue
from devops_agent.registry import Registry
from devops_agent.workers.embedding import build_embedder

if TYPE_CHECKING:
    from devops_agent.config.settings import Settings
    from devops_agent.ports import Clock, Mirror, Reasoner
    from devops_agent.workers.embedding import Embedder

_MIRROR = "memory_keeper"
_REASONER = "langchain"


def build_reasoner(settings: Settings, *, clock: Clock) -> Reasoner | None:
    """Return what asks the model; None when none is configured.

    Raises:
        SettingsError: the model's settings are wrong, or its key cannot be read.

    """
    model = settings.investigation.model
    if not model.name:
        return None
    config: dict[str, object] = {
        "name": model.name,
        "base_url": model.base_url,
        "key_file": model.key_file,
        "input_price": model.input_price,
        "output_price": model.output_price,
    }
    built: Reasoner = Registry("reasoner", catalogue.REASONERS).load(_REASONER)(
        config, tools=_tools(settings, clock=clock)
    )
    return built


def build_mirror(settings: Settings, *, clock: Clock) -> Mirror | None:
    """Return what mirrors history; None when no memory server is configured.

    Raises:
        SettingsError: the plugin's settings are wrong.

    """
    if _MIRROR not in settings.plugins:
        return None
    built: Mirror = Registry("mirror", catalogue.MIRRORS).load(_MIRROR)(
        settings.plugins[_MIRROR], tools=_tools(settings, clock=clock)
    )
    return built


def embedder_of(settings: Settings) -> Embedder:
    """Return what makes vectors of texts.

    Raises:
        PluginError: its key cannot be read.

    """
    knowledge = settings.knowledge
    key = secret(knowledge.key_file) if knowledge.key_file else ""
    return build_embedder(knowledge.embedding, base_url=knowledge.base_url, key=key)


def _tools(settings: Settings, *, clock: Clock) -> Tools:
    return Tools(clock=clock, guardian=nobody(), http=Http(), state_dir=Path(settings.state_dir), secret=secret)
