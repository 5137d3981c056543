"""Builds the receivers: the only plugins that the web role loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.plugins import catalogue
from devops_agent.registry import Registry

if TYPE_CHECKING:
    from devops_agent.ports import Receiver


def build_receivers() -> dict[str, Receiver]:
    """Return every receiver by its name in `/webhook/NAME`."""
    registry = Registry("receiver", catalogue.RECEIVERS)
    return {name: registry.load(name)() for name in registry.names}
