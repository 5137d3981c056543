"""Builds what delivers to the channels of the settings; a channel that is never needed is not even imported."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from devops_agent.app.parts import nobody, secret
from devops_agent.kit.http import Http
from devops_agent.kit.tools import SettingsError, Tools
from devops_agent.plugins import catalogue
from devops_agent.ports import NotifyError, PluginError
from devops_agent.registry import Registry, UnknownPluginError

if TYPE_CHECKING:
    from collections.abc import Collection

    from devops_agent.config.settings import Settings
    from devops_agent.model.contact import Channel
    from devops_agent.ports import Clock, Notifier


log = logging.getLogger("devops_agent.notify")


@runtime_checkable
class Asked(Protocol):
    """A channel on which people can ask something."""

    def listen(self, answer: Callable[[str], Awaitable[str]]) -> None:
        """Have questions answered by `answer`."""

    async def serve(self) -> None:
        """Stay connected until cancelled."""


class Channels:
    """The channels of the settings, each built when the first message for it is there."""

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._http = Http()
        self._built: dict[str, Notifier] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}

    def of(self, name: str) -> Notifier:
        """Return what delivers to a channel.

        Raises:
            NotifyError: its settings are wrong, or what it needs is not installed; permanent.

        """
        if name not in self._built:
            self._built[name] = self._build(name)
        return self._built[name]

    def updates(self) -> dict[str, bool]:
        """Return channel → whether it changes its messages in place; one that cannot be built is left out."""
        found = {}
        for channel in self._settings.notify.channels:
            with contextlib.suppress(NotifyError):  # told when there is a message for it
                found[channel.name] = self.of(channel.name).updates
        return found

    @property
    def open(self) -> bool:
        """Whether people can ask something at this moment."""
        return bool(self._serving)

    def stay(self, names: Collection[str], *, answer: Callable[[str], Awaitable[str]]) -> None:
        """Stay connected with these channels and no others; what people ask there is answered by `answer`."""
        for name in [name for name in self._serving if name not in names or self._serving[name].done()]:
            task = self._serving.pop(name)
            if task.done() and not task.cancelled():
                log.error("nobody can ask on a channel now", extra={"channel": name}, exc_info=task.exception())
            task.cancel()
        for name in [name for name in names if name not in self._serving]:
            with contextlib.suppress(NotifyError):
                notifier = self.of(name)
                if isinstance(notifier, Asked):
                    notifier.listen(answer)
                    self._serving[name] = asyncio.create_task(notifier.serve(), name=f"serve {name}")

    async def close(self) -> None:
        """Let go of every connection."""
        for task in self._serving.values():
            task.cancel()
        await asyncio.gather(*self._serving.values(), return_exceptions=True)
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
