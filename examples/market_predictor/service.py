"""The FastAPI application: predictions, health, metrics and the switches of its faults."""

import asyncio
import http.client
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Body, Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from devops_agent import health

from . import metrics, predict
from .faults import FAULTS, SwitchError
from .sabotage import TICK, Sabotage
from .switches import Switches

VERSION = "1.0.0"
PREDICT = "/api/v1/predict"
_PLAIN = {"/health", "/status", "/health/resources", "/health/system", PREDICT}
"""Paths under which requests are counted even when a fault answers instead of a route."""


class Question(BaseModel):
    """What to predict."""

    timeframe: predict.Timeframe
    symbol: str = Field(default="BTC-USD", max_length=20)


class Answer(BaseModel):
    """A prediction and how sure it is."""

    symbol: str
    timeframe: predict.Timeframe
    direction: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the service is told at its start."""

    name: str
    disk_path: str
    depends_on: str = ""


def build(settings: Settings, *, sabotage: Sabotage, switches: Switches | None) -> FastAPI:
    """Make the application; without `switches` it offers no faults."""

    @asynccontextmanager
    async def ticking(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_tick(sabotage))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = FastAPI(title=settings.name, version=VERSION, lifespan=ticking)
    counted = metrics.Metrics()
    app.add_middleware(_Unwell, sabotage=sabotage)
    app.add_middleware(_Counted, counted=counted)
    _attach_health(app, settings, sabotage)
    _offer_predictions(app, sabotage)
    if switches:
        _offer_faults(app, switches)

    @app.get("/metrics")
    async def read_metrics() -> Response:
        return Response(counted.as_text(), media_type=metrics.CONTENT_TYPE)

    return app


async def _tick(sabotage: Sabotage) -> None:
    while True:
        sabotage.tick()
        await asyncio.sleep(TICK)


def _attach_health(app: FastAPI, settings: Settings, sabotage: Sabotage) -> None:
    async def started() -> None:
        if left := sabotage.seconds_to_ready():
            raise RuntimeError(f"starting, {left:.1f} s to go")

    def dependency() -> None:
        if sabotage.on("dependency_down"):
            raise ConnectionError("the dependency is down (a fault that is switched on)")
        if settings.depends_on:
            ask(settings.depends_on)

    health.attach(
        app,
        settings.name,
        version=VERSION,
        checks={"start": started, "dependency": dependency},
        dependencies={"dependency": settings.depends_on} if settings.depends_on else {},
        options=health.Options(
            disk_path=settings.disk_path,
            readings={"memory_percent": sabotage.memory_percent, "disk_percent": sabotage.disk_percent},
        ),
    )


def ask(url: str) -> None:
    """Ask for a page.

    Raises:
        ConnectionError: nobody answers, or with 500 and above.

    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=1)
    try:
        connection.request("GET", parts.path or "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(f"cannot reach {url}: {error}") from error
    finally:
        connection.close()
    if status >= http.client.INTERNAL_SERVER_ERROR:
        raise ConnectionError(f"{url} answers {status}")


def _offer_predictions(app: FastAPI, sabotage: Sabotage) -> None:
    errors_due = 0.0

    @app.post(PREDICT)
    async def answer(question: Question, request: Request) -> Answer:
        nonlocal errors_due
        request.state.timeframe = question.timeframe
        if left := sabotage.seconds_to_ready():
            raise HTTPException(503, f"starting, {left:.1f} s to go")
        if on := sabotage.on("error_burst"):
            # Counted, not thrown dice: a share of 0.5 is every second answer, today and tomorrow.
            errors_due += on.number("share")
            if errors_due >= 1:
                errors_due -= 1
                predict.forget_models()
        found = predict.predict(question.symbol, question.timeframe)
        return Answer(symbol=question.symbol, timeframe=question.timeframe, **found._asdict())


def _only_from_here(request: Request) -> None:
    if not request.client or not ip_address(request.client.host).is_loopback:
        raise HTTPException(403, "faults are switched from this machine only")


def _offer_faults(app: FastAPI, switches: Switches) -> None:
    here = [Depends(_only_from_here)]

    @app.get("/faults", dependencies=here)
    async def list_faults() -> dict[str, Any]:
        return {name: asdict(fault) | {"on": switches.get(name) is not None} for name, fault in FAULTS.items()}

    @app.post("/faults/{name}", dependencies=here, status_code=202)
    async def switch_on(name: str, params: Annotated[dict[str, Any] | None, Body()] = None) -> dict[str, Any]:
        if name not in FAULTS:
            raise HTTPException(404, f"no fault {name!r}; known: {', '.join(FAULTS)}")
        try:
            switches.on(name, params or {})
        except SwitchError as error:
            raise HTTPException(422, str(error)) from error
        return {"fault": name, "on": True}

    @app.delete("/faults/{name}", dependencies=here)
    async def switch_off(name: str) -> dict[str, Any]:
        if name not in FAULTS:
            raise HTTPException(404, f"no fault {name!r}; known: {', '.join(FAULTS)}")
        switches.off(name)
        return {"fault": name, "on": False}


class _Unwell:
    """Answers late or wrongly while such a fault is on."""

    def __init__(self, app: ASGIApp, *, sabotage: Sabotage) -> None:
        self._app = app
        self._sabotage = sabotage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if path in {PREDICT, "/health"} and (slow := self._sabotage.on("latency")):
            await asyncio.sleep(slow.number("seconds"))
        if path == "/health" and (wrong := self._sabotage.on("wrong_health")):
            garbage = wrong.params["answer"] == "garbage"
            body = "<html>%%%" if garbage else '{"status": "unhealthy"}'
            kind = "text/html" if garbage else "application/json"
            await Response(body, media_type=kind)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _Counted:
    """Counts every answer."""

    def __init__(self, app: ASGIApp, *, counted: metrics.Metrics) -> None:
        self._app = app
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 500
        state = scope.setdefault("state", {})

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            plain = scope["path"] if scope["path"] in _PLAIN else "other"
            path = str(getattr(scope.get("route"), "path", plain))
            self._counted.count_request(method=scope["method"], path=path, status=status)
            if path == PREDICT:
                took = time.monotonic() - begun
                self._counted.count_prediction(status=status, timeframe=state.get("timeframe", "wrong"), seconds=took)
