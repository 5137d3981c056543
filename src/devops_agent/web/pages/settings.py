"""The settings in force: what each is, where it comes from, and the three switches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Request, Response

from devops_agent.config.described import field_docs
from devops_agent.config.settings import Settings
from devops_agent.engine.commands import FLAGS
from devops_agent.store import controls
from devops_agent.web.api.catalogue import without_secrets
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from devops_agent.config.origin import Configured
    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)

_GENERAL = "general"
_ELSEWHERE = ("targets", "flags", "source")
"""What has a page or a place of its own."""


class Line(NamedTuple):
    """A setting in force."""

    place: str
    value: str
    origin: str
    """`agent.yaml:12` or `$NAME`; empty: its default."""
    says: str


class Flag(NamedTuple):
    """A switch, and who set it."""

    name: str
    value: bool
    configured: bool
    """What file and environment say."""
    origin: str
    by: str
    """Empty: nobody switched it while running."""
    at: datetime | None
    says: str


@router.get("/settings")
async def settings_(request: Request, desk: DeskOf) -> Response:
    """Show the settings, without secrets; the configuration only to administrators, as the API does."""
    viewer = await desk.gate.viewer(request)
    settings, configured = desk.parts.settings(), desk.parts.configured()
    lines = list(_lines(settings, configured)) if viewer.allows("admin") else []

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        return {
            "switches": list(_flags(settings, configured, controls.switches(rows))),
            "sections": _sections(lines),
            "changed": sum(bool(line.origin) for line in lines),
            "problems": [str(problem) for problem in configured.problems],
            "source": settings.source,
            "watched": len(settings.targets),
        }

    return await show(request, desk, "settings", read)


def _flags(
    settings: Settings, configured: Configured, switched: dict[str, tuple[bool, str, datetime]]
) -> Iterator[Flag]:
    docs = field_docs(type(settings.flags))
    for name in FLAGS:
        written = getattr(settings.flags, name)
        value, by, at = switched.get(name, (written, "", None))
        yield Flag(name, value, written, configured.origin(f"flags.{name}"), by, at, docs.get(name, ""))


def _lines(settings: Settings, configured: Configured) -> Iterator[Line]:
    for name, value in without_secrets(settings).items():
        if name not in _ELSEWHERE:
            yield from _below(
                value, name, configured, says=field_docs(Settings).get(name, ""), kind=_type(settings, name)
            )


def _below(value: object, place: str, configured: Configured, *, says: str, kind: Any) -> Iterator[Line]:  # noqa: ANN401 — a struct, or any other value
    if isinstance(value, dict) and value:
        docs = field_docs(type(kind)) if isinstance(kind, msgspec.Struct) else {}
        for name, one in value.items():
            yield from _below(one, f"{place}.{name}", configured, says=docs.get(name, ""), kind=_type(kind, name))
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for number, one in enumerate(value):
            inner = kind[number] if isinstance(kind, tuple | list) and number < len(kind) else None
            yield from _below(one, f"{place}[{number}]", configured, says=says, kind=inner)
    else:
        yield Line(place, _plainly(value), configured.origin(place), says)


def _type(kind: Any, name: str) -> Any:  # noqa: ANN401 — as above
    """Return the value itself, of which the type tells the docstrings of what is below."""
    return kind.get(name) if isinstance(kind, dict) else getattr(kind, name, None)


def _plainly(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(_plainly, value))
    return "" if value is None or value == {} else str(value)


def _sections(lines: list[Line]) -> dict[str, list[Line]]:
    """Return the lines by the table that they stand in; those in none first."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        head, dot, _ = line.place.partition(".")
        head = head.partition("[")[0] if dot or "[" in head else _GENERAL
        found.setdefault(head, []).append(line)
    return dict(sorted(found.items(), key=lambda one: one[0] != _GENERAL))
