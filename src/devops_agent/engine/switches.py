"""Switches: what was switched while running goes before what file and environment say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.store import controls

if TYPE_CHECKING:
    from devops_agent.config.settings import Settings
    from devops_agent.store.rows import Rows

PAM = "PAM_INTEGRATION_ENABLED"


def is_on(rows: Rows, flag: str, *, settings: Settings) -> bool:
    """Return whether one of the three flags is on at this moment."""
    configured: bool = getattr(settings.flags, flag)
    return controls.flags(rows).get(flag, configured)


def asks_from(rows: Rows, *, settings: Settings) -> list[str]:
    """Return the channels on which people may ask questions at any moment: somebody has to stay there."""
    named = [channel.name for channel in settings.notify.channels if channel.via == "pam"]
    return named if named and is_on(rows, PAM, settings=settings) else []
