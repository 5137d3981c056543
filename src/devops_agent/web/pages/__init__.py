"""The pages: what people look at. Made here from the rows, kept right by a small script; they work without it too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter


def routers() -> tuple[APIRouter, ...]:
    """Return the routers of all pages."""
    from devops_agent.web.pages import (
        account,
        accounts,
        approvals,
        audit,
        docs,
        incident,
        incidents,
        learning,
        login,
        overview,
        reports,
        runbooks,
        settings,
        silences,
        target,
        targets,
    )

    parts = (
        overview,
        incidents,
        incident,
        approvals,
        targets,
        target,
        silences,
        runbooks,
        learning,
        reports,
        audit,
        settings,
        docs,
        login,
        account,
        accounts,
    )
    return tuple(part.router for part in parts)
