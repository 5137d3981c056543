"""Everything that happened, and whether anybody tampered with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from devops_agent.store import events
from devops_agent.web.api.incidents import NEWEST
from devops_agent.web.api.record import prove
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import Cursor, show

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/audit")
async def audit_(request: Request, desk: DeskOf, cursor: Cursor = "", *, verify: bool = False) -> Response:
    """List everything that happened."""
    await desk.gate.viewer(request)
    proof = await prove(desk) if verify else None

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        told = events.latest(rows, before=int(cursor or NEWEST), limit=101)
        more = str(told[99].seq) if len(told) > 100 else ""  # noqa: PLR2004 — one more than is shown
        return {"told": told[:100], "next": more, "proof": proof}

    return await show(request, desk, "audit", read)
