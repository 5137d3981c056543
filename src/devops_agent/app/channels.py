"""Builds what delivers to the channels of the settings; a channel that is never needed is not even imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent.app.parts import nobody, secret
from devops_agent.kit.http import Http
from devops_agent.kit.tools import SettingsError, Tools
from devops_agent.plugins import catalogue
from devops_agent.ports import NotifyError, PluginError
from devops_agent.registry import Registry, UnknownPluginError

if TYPE_CHECKING:
    from devops_agent.config.settings import Settings
    from devops_agent.model.contact import Channel
    from devops_agent.ports import Clock, Notifier


class Channels:
    """The channels of the settings, each built when the first message for it is there."""

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._http = Http()
        self._built: dict[str, Notifier] = {}

    def of(self, name: str) -> Notifier:
        """Return what delivers to a channel.

        Raises:
            NotifyError: its settings are wrong, or what it needs is not installed; permanent.

        """
        if name not in self._built:
            self._built[name] = self._build(name)
        return self._built[name]

    async def close(self) -> None:
        """Let go of every connection."""
        for notifier in self._built.values():
            if (close := getattr(notifier, "close", None)) is not None:
                await close()
        await self._http.close()

    def _build(self, name: str) -> Notifier:
        settings = self._settings
        channel = next((one for one in settings.notify.channels if one.name == name), None)
        if channel is None:
            raise NotifyError(f"no channel {name!r} in agent.yaml (notify.channels)", permanent=True)
        tools = Tools(
            clock=self._clock, guardian=nobody(), http=self._http, state_dir=Path(settings.state_dir), secret=secret
        )
        try:
            return build_notifier(channel, tools=tools)
        except (SettingsError, UnknownPluginError, PluginError, ImportError) as error:
            raise NotifyError(f"cannot build the channel {name!r}: {error}", permanent=True) from error


def build_notifier(channel: Channel, *, tools: Tools) -> Notifier:
    """Return what delivers to one channel.

    Raises:
        UnknownPluginError: there is no plugin that `via` names.
        SettingsError: its options are wrong.
        PluginError: a secret of it cannot be read.
        ImportError: a library that it needs is not installed.

    """
    built: Notifier = Registry("notifier", catalogue.NOTIFIERS).load(channel.via)(channel.options, tools=tools)
    return built
