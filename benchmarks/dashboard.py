"""How fast the pages are made, and how heavy they are, with 500 targets and 10,000 incidents and their stories."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row, median, share
from devops_agent.store import open_store, tokens
from tests.web import crowd
from tests.web.serving import SETTINGS, Moving, build

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Message

    from devops_agent.store import Store

_WITHIN_MS = 300.0
_WEIGHED_WITHIN_MS = {"learning": 1_000.0}
"""What is counted over the whole record takes longer, and is looked at at leisure."""
_WEIGHS_KB = 150.0
_TRIES = 60
_PAGES = {
    "overview": "/",
    "targets": "/targets",
    "target": "/targets/service-000",
    "target, 30 days": "/targets/service-000?window=30d",
    "incidents": "/incidents",
    "incidents, those that need people": "/incidents?status=escalated",
    "incident": "/incidents/INC-{middle}",
    "approvals": "/approvals",
    "learning": "/learning",
    "audit": "/audit",
}
_FILES = ("page.css", "page.js", "theme.js")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of asking for a page."""

    status: int
    headers: dict[str, str]
    size: int
    """Bytes, as they are before anything packs them."""
    seconds: float
    """From the request until the last byte was handed over."""


def measure(*, quick: bool) -> list[Row]:
    """Return, for each page, the median and the 95th percentile of the time in which it is made, and its weight."""
    return asyncio.run(_measure(targets=50 if quick else 500, incidents=300 if quick else 10_000, quick=quick))


async def _measure(*, targets: int, incidents: int, quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with await open_store(f"sqlite:///{Path(folder)}/agent.db") as store:
            clock = Moving()
            await crowd.fill(store, clock.now(), targets_=targets, incidents_=incidents)
            app = build(store, clock=clock, settings=[SETTINGS])
            cookie = await _log_in(app, store, clock)
            rows: list[Row] = []
            for name, path in _PAGES.items():
                made = [
                    await _ask(app, path.format(middle=incidents // 2), cookie) for _ in range(5 if quick else _TRIES)
                ]
                rows += _rows(name, made)
    held = sum(len((resources.files("devops_agent.web") / "static" / file).read_bytes()) for file in _FILES)
    overview = next(row.value for row in rows if row.what == "overview: weight")
    return [
        *rows,
        Row(what="overview with style and scripts: weight", value=overview + held / 1000, unit="kB", below=_WEIGHS_KB),
    ]


def _rows(name: str, made: list[Answer]) -> list[Row]:
    taken = [one.seconds * 1000 for one in made]
    wrong = any(one.status != HTTPStatus.OK for one in made)
    within = _WEIGHED_WITHIN_MS.get(name, _WITHIN_MS)
    return [
        Row(what=f"{name}: median", value=median(taken), unit="ms", below=within, failed=wrong),
        Row(what=f"{name}: 95th percentile", value=share(taken, 0.95), unit="ms", below=within, failed=wrong),
        Row(what=f"{name}: weight", value=made[-1].size / 1000, unit="kB", below=_WEIGHS_KB, failed=wrong),
    ]


async def _log_in(app: FastAPI, store: Store, clock: Moving) -> str:
    """Return the cookie of somebody who may do everything."""
    secret, now = "bench", clock.now()
    await store.write(lambda rows: tokens.keep(rows, "bench", secret=secret, scope="admin", now=now))
    answer = await _ask(app, "/login", body=f"token={secret}".encode())
    return answer.headers["set-cookie"].partition(";")[0]


async def _ask(app: FastAPI, path: str, cookie: str = "", body: bytes | None = None) -> Answer:
    """Ask the application itself, without a network between; with a body, post it as a form."""
    where, _, query = path.partition("?")
    headers = {"host": "localhost", "accept": "text/html", "cookie": cookie}
    if body is not None:
        headers["content-type"] = "application/x-www-form-urlencoded"
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
        "method": "GET" if body is None else "POST", "path": where, "raw_path": where.encode(),
        "query_string": query.encode(), "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body or b"", "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    began = time.perf_counter()
    await app(scope, receive, send)
    taken = time.perf_counter() - began
    return Answer(
        status=said[0]["status"],
        headers={name.decode(): value.decode() for name, value in said[0]["headers"]},
        size=sum(len(message.get("body", b"")) for message in said),
        seconds=taken,
    )
