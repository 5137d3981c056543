"""What a target may say of its deployments, and the form of the notes."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plugin has no settings of its own."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a target's `options` that this plugin reads; others may stand beside it."""

    deployments: str = ""
    """File to which a pipeline adds a line of JSON for each deployment; one file may serve several targets.

    `{"at": "2026-01-05T12:00:00Z", "target": "shop", "version": "2.1", "before": "2.0", "says": "…"}`: only `at` is
    needed; `"kind": "config"` tells of a change of configuration.
    """


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One line: `{"at": "2026-01-05T12:00:00Z", "target": "shop", "version": "2.1"}`."""

    at: datetime
    """With its zone; without one it is UTC."""
    target: str = ""
    """Whose deployment it is; empty: of every target that names the file."""
    version: str = ""
    """What was deployed."""
    before: str = ""
    """What ran until then."""
    kind: str = "deployment"
    """Or `config`, when only its configuration was changed."""
    says: str = ""
    """A sentence for people."""
