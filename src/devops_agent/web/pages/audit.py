"""Everything that happened, by what is known of it, and whether anybody tampered with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from devops_agent.store import events
from devops_agent.web.api.incidents import NEWEST
from devops_agent.web.api.record import walk
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.incidents import Day, Text, address, moment
from devops_agent.web.pages.shell import show

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

router = APIRouter(include_in_schema=False, default_response_class=Response)

_SHOWN = 100
_AT_ONCE = 1_000
_PROVEN_AT_ONCE = 100_000
"""Events of which the chain is proven before the page is shown: about a second's."""


class Asked(BaseModel):
    """How the record is narrowed; empty: not at all."""

    kind: Text = ""
    actor: Text = ""
    target: Text = ""
    incident: Text = ""
    text: Text = ""
    since: Day = ""
    until: Day = ""
    cursor: Annotated[str, Field(pattern=r"^[0-9]{0,18}$")] = ""
    verify: Annotated[int, Field(ge=0, le=2**62)] = 0
    """The event from which on the chain is proven; 0: it is not."""
    hash: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Of the event before that one."""

    @property
    def given(self) -> dict[str, str]:
        """Return what narrows it."""
        given: dict[str, str] = self.model_dump(exclude={"cursor", "verify", "hash"})
        return given

    @property
    def sought(self) -> events.Sought:
        """Return which events that are.

        Raises:
            ProblemError: 422, a date is none.

        """
        return events.Sought(
            kind=self.kind,
            actor=self.actor,
            target=self.target,
            incident=self.incident,
            text=self.text,
            since=moment(self.since),
            until=moment(self.until),
        )


@router.get("/audit")
async def audit_(request: Request, desk: DeskOf, asked: Annotated[Asked, Query()]) -> Response:
    """List everything that happened."""
    viewer = await desk.gate.viewer(request)
    sought = asked.sought
    walked = None
    if asked.verify:
        desk.count(viewer.token.id)
        begin = events.Walked(seq=asked.verify - 1, hash=asked.hash or events.GENESIS)
        walked = await walk(desk, begin, most=_PROVEN_AT_ONCE)

    def read(rows: Rows, _: datetime) -> dict[str, Any]:
        told = events.search(rows, sought, before=int(asked.cursor or NEWEST), limit=_SHOWN + 1)
        more = str(told[_SHOWN - 1].seq) if len(told) > _SHOWN else ""
        return {
            "told": told[:_SHOWN],
            "next": more,
            "cursor": asked.cursor,
            "walked": walked,
            "given": asked.given,
            "narrowed": any(asked.given.values()),
            "kinds": events.all_kinds(rows),
            "address": lambda path="/audit", **changes: address(path, asked.given, **changes),
        }

    return await show(request, desk, "audit", read)


@router.get("/audit/export")
async def export(request: Request, desk: DeskOf, asked: Annotated[Asked, Query()]) -> StreamingResponse:
    """Return the events as they are listed, the newest first, one JSON object a line."""
    viewer = await desk.gate.viewer(request)
    desk.count(viewer.token.id)
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(_lines(desk, asked.sought), media_type="application/jsonl", headers=headers)


async def _lines(desk: Desk, sought: events.Sought) -> AsyncIterator[bytes]:
    before = NEWEST
    while True:
        found = await desk.read(lambda rows: events.search(rows, sought, before=before, limit=_AT_ONCE))  # noqa: B023 — awaited at once
        yield b"".join(msgspec.json.encode(event) + b"\n" for event in found)
        if len(found) < _AT_ONCE:
            return
        before = found[-1].seq
