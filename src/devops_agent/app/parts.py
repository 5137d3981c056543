"""Builds the plugins that the settings speak of, from the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devops_agent.config.secrets import SecretError, read_secret
from devops_agent.kit.http import Http
from devops_agent.kit.tools import SettingsError, Tools
from devops_agent.plugins import catalogue
from devops_agent.ports import PluginError
from devops_agent.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.config.settings import Settings
    from devops_agent.model.action import Action
    from devops_agent.ports import Actuator, Clock, Guardian, Inventory, Probe, Watcher


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Everything of the plugins that the agent role uses."""

    http: Http
    actuators: Mapping[str, Actuator]
    probes: Mapping[str, Probe]
    fallback: Probe
    inventories: Mapping[str, Inventory]
    watchers: Mapping[str, Watcher]
    completers: Mapping[str, Any]

    async def close(self) -> None:
        """Let go of every connection."""
        for part in (*self.actuators.values(), *self.probes.values(), *self.watchers.values()):
            if (close := getattr(part, "close", None)) is not None:
                await close()
        await self.http.close()


def build_parts(settings: Settings, *, guardian: Guardian, clock: Clock) -> Parts:
    """Build what the settings need; what they do not speak of is not even imported.

    Raises:
        SettingsError: a plugin's settings are wrong, or name a plugin that there is not.

    """
    check_names(settings)
    http = Http()
    tools = Tools(clock=clock, guardian=guardian, http=http, state_dir=Path(settings.state_dir), secret=secret)
    used = used_plugins(settings)

    def build(port: str, entries: Mapping[str, str], *, only: bool = True) -> dict[str, Any]:
        registry = Registry(port, entries)
        return {
            name: registry.load(name)(plugin_settings(settings, name), tools=tools)
            for name in registry.names
            if not only or name in used or name not in catalogue.ON_DEMAND
        }

    probes = build("probe", {name: entry for name, entry in catalogue.PROBES.items() if name != "tcp"})
    network = settings.plugins.get("network", {})
    probes["tcp"] = Registry("probe", catalogue.PROBES).load("tcp")(network, tools=tools)
    docker = settings.plugins.get("docker", {})
    return Parts(
        http=http,
        actuators=build("actuator", catalogue.ACTUATORS),
        probes=probes,
        fallback=Registry("fallback probe", catalogue.FALLBACK).load("network")(network, tools=tools),
        inventories=build("inventory", catalogue.INVENTORIES) if docker.get("discover", True) else {},
        watchers={
            name: watcher
            for name, watcher in build("watcher", catalogue.WATCHERS).items()
            if settings.plugins.get(name, {}).get("events", True)
        },
        completers=build("completer", catalogue.COMPLETERS),
    )


def used_plugins(settings: Settings) -> frozenset[str]:
    """Return the plugins that a target or a setting speaks of."""
    return frozenset({target.via for target in settings.targets} | set(settings.plugins))


def plugin_settings(settings: Settings, name: str) -> Mapping[str, object]:
    """Return what the settings say to a plugin; Prometheus looks targets up by the labels that its alerts carry."""
    given = settings.plugins.get(name, {})
    return {"labels": settings.alerting.service_labels, **given} if name == "prometheus" else given


def check_names(settings: Settings) -> None:
    """Raise SettingsError when `plugins:` names one that there is not."""
    acting = {*catalogue.ACTUATORS, *catalogue.PROBES, *catalogue.FALLBACK, *catalogue.COMPLETERS}
    knowing = {*catalogue.METRICS, *catalogue.LOGS, *catalogue.CHANGES, *catalogue.MIRRORS}
    known = sorted((acting | knowing) - {"tcp"})
    for name in settings.plugins:
        if name not in known:
            message = f"plugins: no plugin {name!r}; known: {', '.join(known)}"
            raise SettingsError(message)


def actions_of(actuators: Mapping[str, Actuator]) -> dict[str, Action]:
    """Return every action that these plugins offer, by name."""
    return {action.name: action for actuator in actuators.values() for action in actuator.actions()}


def all_actions(settings: Settings, *, clock: Clock) -> dict[str, Action]:
    """Return the actions of every plugin there is under these settings, for checking runbooks."""
    check_names(settings)
    tools = Tools(clock=clock, guardian=nobody(), http=Http(), state_dir=Path(settings.state_dir), secret=secret)
    registry = Registry("actuator", catalogue.ACTUATORS)
    built = {name: registry.load(name)(settings.plugins.get(name, {}), tools=tools) for name in registry.names}
    return actions_of(built)


def nobody() -> Guardian:
    """Return a guardian for tools with which nothing is ever done."""
    return _Nobody()


class _Nobody:
    def refuse(self, identity: object) -> None:
        """Nothing is ever acted on with these tools."""
        message = "this actuator was built to be asked what it offers, not to act"
        raise PluginError(message, retryable=False)


def secret(path: str) -> str:
    """Read a secret file for a plugin; raises PluginError when it cannot be read."""
    try:
        return read_secret(path)
    except SecretError as error:
        raise PluginError(str(error), retryable=False) from error
