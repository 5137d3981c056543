"""What an examination finds, and what to do about it."""

from enum import StrEnum

from devops_agent.model.fact import Fact


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Fact, kw_only=True):
    """One thing that was looked at."""

    level: Level
    what: str
    """A fixed word: `config`, `store`, `agent`, …"""
    says: str
    way_out: str = ""
    """What to do about it; empty when there is nothing to do."""


def ok(what: str, says: str) -> Finding:
    """Return that something is in order."""
    return Finding(level=Level.OK, what=what, says=says)


def warn(what: str, says: str, way_out: str) -> Finding:
    """Return that something may be meant so, or not."""
    return Finding(level=Level.WARN, what=what, says=says, way_out=way_out)


def fail(what: str, says: str, way_out: str) -> Finding:
    """Return that something has to be mended."""
    return Finding(level=Level.FAIL, what=what, says=says, way_out=way_out)
