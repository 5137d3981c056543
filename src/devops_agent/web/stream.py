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
_NO_MORE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Stream:
    """Hears of new events once for all listeners of this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bell = store.bell.on("events")
        self._listeners: set[asyncio.Event] = set()
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

    @property
    def full(self) -> bool:
        """Whether there are as many listeners as can be."""
        return len(self._listeners) >= _LISTENERS

    async def events(self, after: int) -> AsyncIterator[list[Event]]:
        """Yield what came after event `after`, as it comes; an empty list is a sign of life."""
        news = asyncio.Event()
        self._listeners.add(news)
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
            self._listeners.discard(news)

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
    await admit_viewer(request, desk)

    async def may_listen() -> bool:
        try:
            await admit_viewer(request, desk, counted=False)
        except ProblemError as problem:
            return problem.status not in _NO_MORE
        return True

    told: Stream = request.app.state.stream
    if told.full:
        raise ProblemError(503, f"{_LISTENERS} listeners are connected already", headers={"Retry-After": "10"})
    since = last_event_id or after
    start = int(since) if since else (await desk.read(events.head))[0]
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_written(told, start, may_listen), media_type="text/event-stream", headers=headers)


async def _written(told: Stream, start: int, may_listen: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async for found in told.events(start):
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
