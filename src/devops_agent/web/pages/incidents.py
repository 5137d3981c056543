"""All incidents, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from devops_agent.store import incidents
from devops_agent.web.api.incidents import NEWEST, StatusAsked
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import SHOWN, Cursor, show

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/incidents")
async def incidents_(
    request: Request,
    desk: DeskOf,
    status: StatusAsked = "",
    target: Annotated[str, Query(max_length=253)] = "",
    cursor: Cursor = "",
) -> Response:
    """List incidents."""

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        before = int(cursor or NEWEST)
        found = incidents.page(rows, before=before, status=status, target=target, limit=SHOWN + 1)
        more = found[SHOWN - 1].id.removeprefix("INC-") if len(found) > SHOWN else ""
        return {"found": found[:SHOWN], "status": status, "target": target, "next": more}

    return await show(request, desk, "incidents", read)
