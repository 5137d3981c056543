"""All incidents, the newest first, by what people remember of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from devops_agent.store import incidents
from devops_agent.web.api.incidents import NEWEST, StatusAsked
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import SHOWN, show
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)

Text = Annotated[str, Field(max_length=253)]
Day = Annotated[str, Field(max_length=30, description="`2026-05-03` or `2026-05-03T12:00`, UTC")]


class Asked(BaseModel):
    """How the list is narrowed; empty: not at all."""

    status: StatusAsked = ""
    severity: Literal["", "critical", "warning", "info", "none"] = ""
    target: Text = ""
    kind: Text = ""
    text: Text = ""
    since: Day = ""
    until: Day = ""
    cursor: Annotated[str, Field(pattern=r"^[0-9]{0,18}$")] = ""


@router.get("/incidents")
async def incidents_(request: Request, desk: DeskOf, asked: Annotated[Asked, Query()]) -> Response:
    """List incidents."""
    given = asked.model_dump(exclude={"cursor"})
    cursor = asked.cursor
    sought = incidents.Sought(**{**given, "since": moment(asked.since), "until": moment(asked.until)})

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        found = incidents.search(rows, sought, before=int(cursor or NEWEST), limit=SHOWN + 1)
        counts = incidents.count_sought(rows, sought)
        every = sum(counts.values())
        counts |= {"": every, "unresolved": every - counts.get("resolved", 0)}
        more = found[SHOWN - 1].id.removeprefix("INC-") if len(found) > SHOWN else ""
        return {
            "found": found[:SHOWN],
            "counts": counts,
            "kinds": incidents.kinds(rows),
            "given": given,
            "narrowed": any(given.values()),
            "address": lambda **changes: address("/incidents", given, **changes),
            "next": more,
            "cursor": cursor,
        }

    return await show(request, desk, "incidents", read)


def moment(text: str) -> datetime | None:
    """Return the moment, UTC, that a form's date, or date and time, names; None for an empty text.

    Raises:
        ProblemError: 422, it names none.

    """
    if not text:
        return None
    try:
        named = datetime.fromisoformat(text)
    except ValueError as error:
        raise ProblemError(422, f"{text!r} is no date; write 2026-05-03 or 2026-05-03T12:00") from error
    return named if named.tzinfo else named.replace(tzinfo=UTC)


def address(path: str, given: dict[str, str], **changes: str) -> str:
    """Return the address of a list narrowed as given, with changes; what is empty is left out."""
    wanted = {name: value for name, value in {**given, **changes}.items() if value}
    return f"{path}?{urlencode(wanted)}" if wanted else path
