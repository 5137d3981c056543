"""Every route of the application, so that a new one is attacked too without anybody thinking of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi.routing import APIRoute

if TYPE_CHECKING:
    from tests.web.serving import Running

VALUES = {
    "incident": "INC-2", "approval": "APR-1", "silence": "SIL-1", "silence_id": "SIL-1", "target": "search",
    "runbook": "service-down", "flag": "AUTO_REMEDIATION_ENABLED", "kind": "daily", "name": "2026-11-20",
    "draft": "DRF-1", "mute_id": "MUT-1",
}  # fmt: skip
"""Parts of paths that lead somewhere in the seeded store, as far as there is something."""


class Page(NamedTuple):
    """A route for people."""

    method: str
    path: str
    """With every part filled in."""
    route: str


class Operation(NamedTuple):
    """A route for programs."""

    method: str
    path: str
    said: dict[str, Any]


def pages(web: Running, method: str) -> list[Page]:
    """Return all pages, or all forms."""
    return [
        Page(method, filled(route.path), route.path)
        for router in web.app.state.routers
        for route in router.routes
        if isinstance(route, APIRoute) and not route.include_in_schema and method in (route.methods or ())
    ]


def operations(web: Running) -> list[Operation]:
    """Return all operations of the API."""
    return [
        Operation(method.upper(), filled(path), said)
        for path, methods in web.app.openapi()["paths"].items()
        for method, said in methods.items()
    ]


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)(?::path)?\}", lambda part: VALUES.get(part.group(1), "checkout"), path)
