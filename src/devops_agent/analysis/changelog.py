"""The change log as a paper: what was done, day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.analysis.paper import Link, Paper, Section, Table, Text, link
from devops_agent.analysis.report import span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.model.change import Change

_HEAD = ("UTC", "What", "Target", "By", "Why", "Result", "Taken back")


def paper_of(changes: Sequence[Change], *, begin: datetime, end: datetime, url: str | None = None) -> Paper:
    """Return the log of what was done between two moments; `url` is where the page is, for links; None: no links."""
    days: dict[str, list[Change]] = {}
    for one in changes:
        days.setdefault(f"{one.at:%A %Y-%m-%d}", []).append(one)
    sections = tuple(
        Section(title=day, blocks=(Table(head=_HEAD, rows=tuple(_row(one, url) for one in some)),))
        for day, some in days.items()
    )
    return Paper(
        title="Change log",
        lead=(f"From {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC: {len(changes)} changes.",),
        sections=sections or (Section(title="Nothing", blocks=(Text(says="Nothing was done in this time."),)),),
    )


def _row(one: Change, url: str | None) -> tuple[str | Link, ...]:
    result = one.result
    if one.seconds is not None:
        result = f"{one.result} after {span(one.seconds)}{f': {one.says}' if one.says else ''}"
    back = "yes" if one.undone else f"no; by {one.undo}" if one.undo else "no"
    why = link(f"{one.incident}: {one.why}", f"/incidents/{one.incident}", url)
    return f"{one.at:%H:%M:%S}", one.what, one.target or "–", one.by, why if one.incident else one.why, result, back
