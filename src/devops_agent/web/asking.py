"""How a request reaches the store: who asks, how often, once or again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Header, Request
from fastapi.security import HTTPBearer

from devops_agent.config.calendars import Calendars
from devops_agent.engine.commands import TOPICS, NotFoundError, RefusedError
from devops_agent.engine.lifecycle import IllegalMoveError
from devops_agent.store import events
from devops_agent.store.rows import OverloadedError, StaleError, StoreBusyError, StoreError
from devops_agent.store.tokens import Token
from devops_agent.web.auth import address_of
from devops_agent.web.limits import RateLimit
from devops_agent.web.problem import ProblemError, busy, too_many

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from devops_agent.model.contact import Notify
    from devops_agent.store.rows import Rows
    from devops_agent.web.auth import Gate
    from devops_agent.web.parts import Parts

T = TypeVar("T")

_READ_WITHIN = 10.0
_KEYS = 1_000
_WORDS: Mapping[int, str] = {
    400: "The request is malformed",
    401: "No token, or none that is known",
    403: "The token may not do this",
    404: "There is no such thing",
    408: "The body came too slowly",
    409: "It does not fit the state of things",
    413: "The body is too large",
    415: "The body is compressed",
    422: "The request does not say what is needed",
    429: "Too many requests",
    503: "The store cannot be used now",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the answers of an operation that are problems, for its description."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    every = sorted({400, 401, 403, 422, 429, 503, *statuses})
    return {status: {"description": _WORDS[status], "content": content} for status in every}


class Desk:
    """Takes requests of one scope after another to the store."""

    def __init__(self, parts: Parts, gate: Gate) -> None:
        self.parts = parts
        self.gate = gate
        self.started_at = parts.clock.now()
        self.reading = asyncio.Lock()
        """Held while calendars are read."""
        self._calendars: tuple[Notify | None, Calendars] = (None, Calendars())
        self.proving = asyncio.Lock()
        """Held while the chain of events is walked: one walk at a time, however many ask for it."""
        allowed = parts.settings().web.requests_per_minute
        self._rate = RateLimit(allowed, burst=max(10, allowed // 10))
        self._done: OrderedDict[tuple[str, str, str], tuple[bytes, asyncio.Future[Any]]] = OrderedDict()

    async def admit(self, request: Request, scope: str) -> Token:
        """Return who asks.

        Raises:
            ProblemError: 401, 403, 429 or 503.

        """
        token = await self.gate.admit(request.headers.get("authorization", ""), scope, address=address_of(request))
        self.count(token.id)
        return token

    def count(self, asker: str) -> None:
        """Count a request.

        Raises:
            ProblemError: 429.

        """
        if wait := self._rate.wait(asker, now=self.parts.clock.monotonic()):
            allowed = self.parts.settings().web.requests_per_minute
            raise too_many(wait, f"more than {allowed} requests a minute (agent.yaml: web.requests_per_minute)")

    def calendars_of(self, notify: Notify) -> Calendars:
        """Return what keeps the calendars that were read; with other settings they are read anew."""
        if self._calendars[0] is not notify:
            self._calendars = (notify, Calendars())
        return self._calendars[1]

    async def read(self, work: Callable[[Rows], T]) -> T:
        """Read from the store.

        Raises:
            ProblemError: 503.

        """
        try:
            async with asyncio.timeout(_READ_WITHIN):
                return await self.parts.store.read(work)
        except TimeoutError as error:
            raise busy(f"the store does not answer within {_READ_WITHIN:g} s") from error

    async def command(self, work: Callable[[Rows], T], *, once: Once, topics: Iterable[str] = TOPICS) -> T:
        """Do what somebody asked for; with an idempotency key that was used before, only say again what came of it.

        Keys are kept in this process: the last thousand, until it ends.
        """

        def work_there(rows: Rows) -> T:
            with events.asked_from(once.address):
                return work(rows)

        if not once.key:
            return await self.parts.store.write(work_there, tell=topics)
        name = (once.asker, once.path, once.key)
        if name in self._done:
            asked, before = self._done[name]
            if asked != once.asked:
                raise ProblemError(409, "this Idempotency-Key was used for another request; use a new one")
            return await asyncio.shield(before)
        doing = asyncio.ensure_future(self.parts.store.write(work_there, tell=topics))
        self._done[name] = (once.asked, doing)
        while len(self._done) > _KEYS:
            self._done.popitem(last=False)
        try:
            return await asyncio.shield(doing)
        except StoreError:
            self._done.pop(name, None)  # nothing was written, so the same key may try again
            raise


class Once:
    """Who asks for what, and the key under which asking again is the same request."""

    def __init__(self, token: Token, request: Request, *, key: str = "", asked: bytes = b"") -> None:
        self.asker = token.id
        self.path = request.url.path
        self.address = address_of(request)
        self.key = key
        self.asked = asked
        """The body of the request."""
        self.by = f"api:{token.name}"


async def admit_viewer(request: Request, desk: Desk, *, counted: bool = True) -> Token:
    """Return who may read, by token or by the page's session; not `counted` when it is the same request again.

    Raises:
        ProblemError: 401, 403, 429 or 503.

    """
    if "authorization" in request.headers:
        token = await desk.gate.admit(request.headers["authorization"], "read", address=address_of(request))
    else:
        token = (await desk.gate.viewer(request)).token
    if counted:
        desk.count(token.id)
    return token


def desk_of(request: Request) -> Desk:
    """Return the desk of the application that a request came to."""
    desk: Desk = request.app.state.desk
    return desk


_BEARER = HTTPBearer(auto_error=False, description="A token of `devops-agent token create`.")


SCOPES: dict[Callable[..., object], str] = {}
"""Dependency that admits → the scope that it asks for, for the description."""


def needs(scope: str) -> Any:  # noqa: ANN401 — FastAPI's own word for a dependency
    """Return the dependency that admits who may do what `scope` names."""

    async def admit(request: Request, _: Annotated[object, Depends(_BEARER)] = None) -> Token:
        return await desk_of(request).admit(request, scope)

    SCOPES[admit] = scope
    return Depends(admit)


async def _admit_any(request: Request, _: Annotated[object, Depends(_BEARER)] = None) -> Token:
    """Admit who may read, and say who it is."""
    return await desk_of(request).admit(request, "read")


SCOPES[_admit_any] = "read"


def _orders(scope: str) -> Callable[..., Awaitable[Once]]:
    """Return the dependency of a command: who asks, and the key that makes asking twice the same as once."""

    async def admit(
        request: Request,
        idempotency_key: Annotated[str, Header(max_length=200)] = "",
        _: Annotated[object, Depends(_BEARER)] = None,
    ) -> Once:
        token = await desk_of(request).admit(request, scope)
        asked = await request.body() if idempotency_key else b""
        return Once(token, request, key=idempotency_key, asked=asked)

    SCOPES[admit] = scope
    return admit


DeskOf = Annotated[Desk, Depends(desk_of)]
Asker = Annotated[Token, Depends(_admit_any)]
"""Who reads, where it matters who."""
Operator = Annotated[Once, Depends(_orders("operate"))]
"""Who gives a command that needs scope `operate`."""
Administrator = Annotated[Once, Depends(_orders("admin"))]
"""Who gives a command that needs scope `admin`."""


def as_problem(error: Exception) -> ProblemError | None:
    """Return what an error of the engine or the store means to who asked; None when it is neither's."""
    match error:
        case ProblemError():
            return error
        case NotFoundError():
            return ProblemError(404, str(error))
        case RefusedError() | IllegalMoveError() | StaleError():
            return ProblemError(409, str(error))
        case OverloadedError() | StoreBusyError() | StoreError():
            return busy(str(error))
        case _:
            return None
