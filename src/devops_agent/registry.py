"""Names → plugins: the catalogue's entries are imported on first use, and a wrong name is told with the known ones."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


class UnknownPluginError(LookupError):
    """No plugin of that name for that port."""


class Registry:
    """One port's plugins, by name; `entries` maps a name to `module:callable`."""

    def __init__(self, port: str, entries: Mapping[str, str]) -> None:
        self.port = port
        self._entries = dict(entries)

    @property
    def names(self) -> list[str]:
        """What there is, in order."""
        return sorted(self._entries)

    def load(self, name: str) -> Callable[..., Any]:
        """Import and return the plugin's factory.

        Raises:
            UnknownPluginError: there is none of that name.

        """
        try:
            module, _, attribute = self._entries[name].partition(":")
        except KeyError:
            message = f"no {self.port} {name!r}; known: {', '.join(self.names)}"
            raise UnknownPluginError(message) from None
        factory: Callable[..., Any] = getattr(import_module(module), attribute)
        return factory
