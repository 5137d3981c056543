"""Events as they happen, as server-sent events (WHATWG HTML, 9.2); resumable by `Last-Event-ID`."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from devops_agent.store import events
from devops_agent.store.rows import StoreError
from devops_agent.web.asking import DeskOf, admit_viewer, problems
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from devops_agent.model.event import Event
    from devops_agent.store import Store

router = APIRouter(tags=["overview"])

_LOOK_EVERY = 10.0
"""Seconds after which the rows are looked at without a wake-up, and a sign of life is sent."""
_AT_ONCE = 100
_LISTENERS = 200
_OF_ONE = 20
"""Listeners that one account, or a token of nobody's, may have: a few people with a few windows each."""
_NO_MORE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Stream:
    """Hears of new events once for all listeners of this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bell = store.bell.on("events")
        self._listeners: dict[asyncio.Event, str] = {}
        """Each with who it is."""
        self._closed = False
        self._hearing: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to hear."""
        self._hearing = asyncio.create_task(self._hear())

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._store.bell.off(self._bell)
        if self._hearing is not None:
            self._hearing.cancel()
        for listener in self._listeners:
            listener.set()

    def full(self, who: str) -> str:
        """Return why nobody, or not `who`, can listen beside those who do; empty: they can."""
        if len(self._listeners) >= _LISTENERS:
            return f"{_LISTENERS} listeners are connected already"
        if sum(one == who for one in self._listeners.values()) >= _OF_ONE:
            return f"you have {_OF_ONE} listeners connected already"
        return ""

    async def events(self, after: int, *, who: str) -> AsyncIterator[list[Event]]:
        """Yield what came after event `after`, as it comes; an empty list is a sign of life."""
        if self.full(who):  # others came in between
            return
        news = asyncio.Event()
        self._listeners[news] = who
        try:
            while not self._closed:
                news.clear()
                found: list[Event] = []
                with contextlib.suppress(StoreError):  # it is looked at again soon
                    found = await self._store.read(lambda rows: events.after(rows, after, limit=_AT_ONCE))  # noqa: B023 — awaited at once
                yield found
                if found:
                    after = found[-1].seq
                if len(found) < _AT_ONCE:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_EVERY):
                            await news.wait()
        finally:
            self._listeners.pop(news, None)

    async def _hear(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            for listener in self._listeners:
                listener.set()


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        **problems(),
        200: {"description": "Events, without end", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    },
)
async def stream(
    request: Request,
    desk: DeskOf,
    last_event_id: Annotated[str, Header(pattern=r"^[0-9]{0,18}$")] = "",
    after: Annotated[str, Query(pattern=r"^[0-9]{0,18}$", description="event number; empty: only what is new")] = "",
) -> StreamingResponse:
    """Tell events as they happen. Takes a token or the page's session."""
    asker = await admit_viewer(request, desk)
    who = asker.account or asker.id

    async def may_listen() -> bool:
        try:
            await admit_viewer(request, desk, counted=False)
        except ProblemError as problem:
            return problem.status not in _NO_MORE
        return True

    told: Stream = request.app.state.stream
    if says := told.full(who):
        raise ProblemError(503, says, headers={"Retry-After": "10"})
    since = last_event_id or after
    start = int(since) if since else (await desk.read(events.head))[0]
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _written(told.events(start, who=who), may_listen), media_type="text/event-stream", headers=headers
    )


async def _written(told: AsyncIterator[list[Event]], may_listen: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async for found in told:
        if not await may_listen():  # the token ended meanwhile
            return
        yield b"".join(map(_event, found)) or b": still here\n\n"


def _event(event: Event) -> bytes:
    body = {
        "seq": event.seq,
        "at": event.at,
        "incident": event.incident,
        "target": event.target,
        "kind": event.kind,
        "actor": event.actor,
        "says": event.says,
    }
    return b"id: %d\nevent: event\ndata: %s\n\n" % (event.seq, msgspec.json.encode(body))
