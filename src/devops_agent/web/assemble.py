"""Puts the web application together: intake, API, page, metrics, and one form for everything that goes wrong."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route

from devops_agent.analysis.retrieval import Document
from devops_agent.config.origin import Configured
from devops_agent.web import api, chat, describe, forms, metrics, pages, stream
from devops_agent.web.asking import Desk, as_problem
from devops_agent.web.auth import Gate
from devops_agent.web.edge import SAYS_UNFORESEEN, Edge
from devops_agent.web.intake import Intake
from devops_agent.web.oidc import Provider
from devops_agent.web.pages import shell
from devops_agent.web.parts import Parts
from devops_agent.web.problem import ProblemError, answer
from devops_agent.web.proxies import Proxies
from devops_agent.web.replies import Replies
from devops_agent.web.signed import Signatures
from devops_agent.web.trust import Trusted

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from devops_agent.config.settings import Settings
    from devops_agent.engine.ground import Ground
    from devops_agent.model.action import Action
    from devops_agent.model.runbook import Runbook
    from devops_agent.ports import Clock, Receiver
    from devops_agent.store import Store

log = logging.getLogger("devops_agent.web")

_COMMAND_BYTES = 256_000
"""Largest body of a command; posted alerts have a limit of their own (agent.yaml: web.max_body_bytes)."""


def create_app(  # noqa: PLR0913 — the seam to the composition root names each part
    *,
    store: Store,
    settings: Callable[[], Settings],
    ground: Callable[[], Ground],
    receivers: Mapping[str, Receiver],
    runbooks: Callable[[], Sequence[Runbook]],
    actions: Callable[[], Mapping[str, Action]],
    clock: Clock,
    version: str,
    configured: Callable[[], Configured] = Configured,
    documents: Callable[[], Sequence[Document]] = tuple,
) -> FastAPI:
    """Return the application.

    Args:
        store: open, and closed by whoever opened it.
        settings: those in force now.
        ground: on which alerts are judged now.
        receivers: name → who reads alerts posted to `/webhook/NAME`.
        runbooks: those that there are now.
        actions: every action that plugins offer, by name.
        clock: the time.
        version: of the product.
        configured: where the settings come from.
        documents: the runbooks that people keep for people.

    """
    parts = Parts(
        store=store,
        settings=settings,
        ground=ground,
        receivers=receivers,
        runbooks=runbooks,
        actions=actions,
        clock=clock,
        version=version,
        configured=configured,
        documents=documents,
    )
    gate = Gate(store, clock=clock, settings=settings)
    app = _Application(
        title="DevOps AI Agent",
        version=version,
        description=describe.SAYS,
        docs_url=None,
        openapi_url=None,
        redoc_url=None,
        lifespan=_alive,
        max_body_size=_COMMAND_BYTES,
        redirect_slashes=False,
    )
    app.state.desk = Desk(parts, gate)
    app.state.intake = Intake(parts, gate)
    app.state.meter = metrics.Meter(app.state.desk, app.state.intake)
    app.state.stream = stream.Stream(store)
    app.state.trusted = Trusted()
    app.state.provider = Provider(lambda: settings().accounts.oidc, clock=clock)
    app.state.signatures = Signatures(settings, clock=clock)
    app.state.replies = Replies()
    app.state.proxies = Proxies(settings().web.trusted_proxies)
    for path in app.state.intake.paths:
        app.router.routes.append(Route(path, app.state.intake, methods=["POST"]))
    for_people = (*pages.routers(), forms.router)
    for_programs = (*api.routers(), metrics.router, stream.router, chat.router)
    app.state.places = _places(for_people)
    posted = {path.split("/")[1] for path in app.state.intake.paths}
    app.state.programs = (_places(for_programs) | posted | {"api", "static"}) - app.state.places
    app.state.routers = (*for_programs, *for_people)
    for router in app.state.routers:
        app.include_router(router)
    app.mount("/static", shell.static_files(), name="static")
    _tell_problems(app)
    app.openapi = lambda: describe.describe(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


def _places(routers: Iterable[APIRouter]) -> frozenset[str]:
    """Return the first parts of all paths."""
    return frozenset(
        route.path.split("/")[1] for router in routers for route in router.routes if isinstance(route, Route)
    )


class _Application(FastAPI):
    """FastAPI inside the edge."""

    def build_middleware_stack(self) -> ASGIApp:
        """Return the layers, the outermost first."""
        # Packing what carries a form's key is safe here: the session's cookie goes with no request of another site.
        packed = GZipMiddleware(super().build_middleware_stack(), minimum_size=1_000, compresslevel=5)
        return Edge(
            packed,
            straight=dict.fromkeys(self.state.intake.paths, self.state.intake),
            proxies=self.state.proxies,
        )


@asynccontextmanager
async def _alive(app: FastAPI) -> AsyncIterator[None]:
    app.state.stream.open()
    yield
    app.state.stream.close()
    app.state.trusted.close()
    await app.state.replies.close()


def _tell_problems(app: FastAPI) -> None:
    """Answer every error as a problem."""

    async def known(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        if problem is None:
            raise error
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            log.warning("request not served", extra={"path": request.url.path, "why": problem.detail})
        return _as_asked(request, problem)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 — registered for it
        says = _SAYS.get(error.status_code, error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND and request.url.path.startswith("/webhook/"):
            says = f"nobody reads alerts at {{path}}; post to one of {', '.join(sorted(app.state.intake.paths))}"
        detail = says.format(path=request.url.path, method=request.method)
        return _as_asked(request, ProblemError(error.status_code, detail, headers=error.headers))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 — registered for it
        places = [{"at": ".".join(map(str, one["loc"])), "says": one["msg"]} for one in error.errors()[:20]]
        detail = "; ".join(f"{place['at']}: {place['says']}" for place in places)
        return _as_asked(request, ProblemError(422, f"cannot read the request: {detail}", more={"errors": places}))

    async def unforeseen(request: Request, _: Exception) -> Response:
        return _as_asked(request, ProblemError(500, SAYS_UNFORESEEN))

    from devops_agent.engine.commands import RefusedError
    from devops_agent.engine.lifecycle import IllegalMoveError
    from devops_agent.store.rows import StoreError

    handlers: dict[type[Exception] | int, Callable[[Request, Exception], Awaitable[Response]]] = {
        **dict.fromkeys((ProblemError, RefusedError, IllegalMoveError, StoreError), known),
        HTTPException: http,
        RequestValidationError: invalid,
        Exception: unforeseen,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


_SAYS = {
    404: "there is nothing at {path}; /docs lists what there is",
    405: "{path} does not take {method}; /docs lists what there is",
    413: "the body is too large for {path}",
}


def _as_asked(request: Request, problem: ProblemError) -> Response:
    """Answer people with a page and programs with a problem."""
    return shell.problem(request, problem) if shell.is_for_people(request) else answer(problem)
