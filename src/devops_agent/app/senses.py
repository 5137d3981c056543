"""Builds the sources of evidence that the settings speak of: metrics, logs, changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devops_agent.app.parts import check_names, nobody, plugin_settings, secret, used_plugins
from devops_agent.kit.http import Http
from devops_agent.kit.tools import Tools
from devops_agent.plugins import catalogue
from devops_agent.registry import Registry
from devops_agent.workers.gather import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.config.settings import Settings
    from devops_agent.ports import ChangeSource, Clock, Logs, Metrics

_BY_OPTION = {
    "process": ("log", "log_file"),
    "git": ("repository",),
    "deployments": ("deployments",),
}
"""Sources that are of use only to targets with one of these options."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Senses:
    """Everything that can be asked about targets; none of it acts."""

    http: Http
    metrics: Metrics | None
    logs: Mapping[str, Logs]
    """By name, the preferred first: what is kept elsewhere outlives a container."""
    changes: Mapping[str, ChangeSource]

    def sources(self) -> Sources:
        """Return them as the closer look asks them."""
        return Sources(metrics=self.metrics, logs=tuple(self.logs.items()), changes=tuple(self.changes.items()))

    async def close(self) -> None:
        """Let go of every connection."""
        await self.http.close()


def build_senses(settings: Settings, *, clock: Clock) -> Senses:
    """Build what the settings and targets speak of; what they do not speak of is not even imported.

    Raises:
        SettingsError: a plugin's settings are wrong, or name a plugin that there is not.

    """
    check_names(settings)
    http = Http()
    tools = Tools(clock=clock, guardian=nobody(), http=http, state_dir=Path(settings.state_dir), secret=secret)
    used = _used(settings)

    def build(port: str, entries: Mapping[str, str]) -> dict[str, Any]:
        registry = Registry(port, entries)
        return {
            name: registry.load(name)(plugin_settings(settings, name), tools=tools) for name in entries if name in used
        }

    return Senses(
        http=http,
        metrics=next(iter(build("source of metrics", catalogue.METRICS).values()), None),
        logs=build("source of logs", catalogue.LOGS),
        changes=build("source of changes", catalogue.CHANGES),
    )


def _used(settings: Settings) -> frozenset[str]:
    said = {option for target in settings.targets for option in target.options}
    needless = {name for name, options in _BY_OPTION.items() if not said.intersection(options)}
    return (used_plugins(settings) | _BY_OPTION.keys()) - needless
