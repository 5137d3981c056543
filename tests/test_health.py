"""The health endpoints, asked as a client asks them: through the application's own ASGI interface."""

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import Message

from devops_agent import health


async def get(app: Starlette, path: str) -> tuple[int, dict[str, Any]]:
    """Ask the application for a path; status and JSON body."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "http_version": "1.1"}
    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def serving(*, options: health.Options = health.DEFAULTS, **checks: health.Check) -> Starlette:
    app = Starlette()
    health.attach(app, "checkout", version="1.2", checks=checks, options=options)
    return app


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
async def test_a_service_whose_checks_pass_is_healthy(kind: type[Starlette]) -> None:
    app = kind()
    health.attach(app, "checkout", version="1.2", checks={"database": lambda: True})
    status, body = await get(app, "/health")
    assert (status, body["status"], body["service"], body["version"]) == (200, "healthy", "checkout", "1.2")
    assert body["uptime_seconds"] >= 0


async def test_a_check_that_returns_false_makes_it_unhealthy() -> None:
    status, body = await get(serving(database=lambda: False), "/health")
    assert (status, body["status"]) == (503, "unhealthy")
    assert body["failing"] == [{"name": "database", "message": "the check returned False"}]


async def test_a_check_that_returns_nothing_passes() -> None:
    status, _ = await get(serving(database=lambda: None), "/health")
    assert status == 200


async def test_the_message_of_a_failing_check_is_shown_without_trace_and_password() -> None:
    async def ping() -> None:
        raise OSError("cannot reach postgresql://shop:hunter2@db:5432/shop\nsecond line")

    _, body = await get(serving(database=ping), "/health")
    assert body["failing"] == [{"name": "database", "message": "cannot reach postgresql://***@db:5432/shop"}]


async def test_an_error_without_words_is_shown_by_its_type() -> None:
    async def ping() -> None:
        raise KeyError

    _, body = await get(serving(database=ping), "/health")
    assert body["failing"] == [{"name": "database", "message": "KeyError"}]


async def test_checks_run_at_the_same_time() -> None:
    both = asyncio.Barrier(2)
    status, _ = await get(serving(one=both.wait, two=both.wait), "/health")
    assert status == 200


async def test_a_plain_function_may_answer_with_an_awaitable() -> None:
    async def ping() -> bool:
        return False

    def call() -> Awaitable[bool]:
        return ping()

    status, _ = await get(serving(database=call), "/health")
    assert status == 503


async def test_a_hanging_check_fails_after_its_time_and_is_asked_anew_the_next_time() -> None:
    asked = 0

    async def ping() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await asyncio.Event().wait()

    app = serving(database=ping, options=health.Options(timeout=0.01))
    status, body = await get(app, "/health")
    assert (status, body["failing"][0]["message"]) == (503, "no answer within 0.01 s")
    assert (await get(app, "/health"))[0] == 200


async def test_a_hanging_plain_check_costs_one_thread_however_often_it_is_asked() -> None:
    go_on, begun = threading.Event(), []

    def ping() -> None:
        begun.append(threading.get_ident())
        go_on.wait()

    app = serving(database=ping, options=health.Options(timeout=0.01))
    try:
        answers = [await get(app, "/health") for _ in range(5)]
    finally:
        go_on.set()
    assert [status for status, _ in answers] == [503] * 5
    assert len(begun) == 1


async def test_status_tells_each_check_and_dependency() -> None:
    app = Starlette()
    health.attach(
        app,
        "checkout",
        checks={"prices": lambda: False, "disk": lambda: True},
        dependencies={"prices": "http://prices:80", "mail": "smtp:25"},
        options=health.Options(slow_after=-1),
    )
    status, body = await get(app, "/status")
    assert (status, body["status"]) == (200, "unhealthy")
    assert body["checks"]["prices"]["state"] == "failing"
    assert body["checks"]["disk"]["state"] == "slow"
    assert body["checks"]["disk"]["latency_ms"] >= 0
    assert body["dependencies"] == {
        "prices": {"address": "http://prices:80", "state": "failing"},
        "mail": {"address": "smtp:25", "state": None},
    }


async def test_resources_are_numbers_at_the_top() -> None:
    _, body = await get(serving(), "/health/resources")
    assert 0 < body["memory_percent"] <= 100
    assert 0 < body["disk_percent"] <= 100
    assert body["cpu_percent"] >= 0
    assert body["rss_bytes"] > 1_000_000
    assert body["open_files"] > 0
    assert body["threads"] > 0
    assert body["memory_scope"] in {"container", "host"}


async def test_system_readings_are_those_of_the_host() -> None:
    _, body = await get(serving(), "/health/system")
    assert body["cpu_count"] > 0
    assert body["load_1"] >= 0
    assert 0 < body["memory_percent"] <= 100
    assert 0 < body["disk_percent"] <= 100
    assert body["uptime_seconds"] > 0
    assert body["boot_time"].startswith("20")


async def test_what_cannot_be_read_is_null(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    app = serving(options=health.Options(disk_path=str(tmp_path / "gone")))
    status, body = await get(app, "/health/resources")
    assert (status, body["rss_bytes"], body["disk_percent"]) == (200, None, None)
    status, body = await get(app, "/health/system")
    assert (status, body["memory_percent"], body["boot_time"]) == (200, None, None)
    assert body["cpu_count"] > 0


async def test_own_readings_replace_those_of_the_same_name_and_are_null_when_they_fail() -> None:
    def broken() -> float:
        raise OSError("no such meter")

    own = {"memory_percent": lambda: 12.5, "queue_length": broken, "ratio": lambda: float("nan")}
    _, body = await get(serving(options=health.Options(readings=own)), "/health/resources")
    assert (body["memory_percent"], body["queue_length"], body["ratio"]) == (12.5, None, None)


async def test_a_hanging_reading_is_null() -> None:
    go_on = threading.Event()
    own = {"queue_length": lambda: float(go_on.wait())}
    app = serving(options=health.Options(readings=own, timeout=1))
    app_soon = serving(options=health.Options(readings=own, timeout=0.01))
    try:
        status, body = await get(app_soon, "/health/resources")
    finally:
        go_on.set()
    assert (status, body["queue_length"]) == (200, None)
    assert (await get(app, "/health/resources"))[1]["queue_length"] == 1


async def test_the_endpoints_come_before_a_page_mounted_at_the_root() -> None:
    async def page(*_: object) -> PlainTextResponse:
        return PlainTextResponse("a page")

    app = Starlette(routes=[Mount("/", routes=[Route("/{rest:path}", page)])])
    health.attach(app, "checkout")
    assert (await get(app, "/health"))[1]["status"] == "healthy"


def test_a_path_that_the_application_has_is_not_taken_over() -> None:
    async def own(*_: object) -> PlainTextResponse:
        return PlainTextResponse("mine")

    app = Starlette(routes=[Route("/status", own)])
    with pytest.raises(ValueError, match=r"cannot attach /status: .* another prefix \(Options\.prefix\)"):
        health.attach(app, "checkout")
    assert len(app.routes) == 1
    health.attach(app, "checkout", options=health.Options(prefix="/internal"))
    assert {"/internal/health", "/internal/status"} <= {getattr(route, "path", "") for route in app.routes}


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        pytest.param(
            "0::/shop/checkout\n",
            {
                "shop/checkout": {"memory.max": "max", "memory.current": "900", "memory.stat": ""},
                "shop": {"memory.max": "1000", "memory.current": "900", "memory.stat": "anon 1\ninactive_file 400\n"},
            },
            (500, 1000),
            id="v2, limit set further up, without what the kernel can drop",
        ),
        pytest.param(
            "0::/\n",
            {".": {"memory.max": "2000", "memory.current": "500", "memory.stat": "inactive_file 0"}},
            (500, 2000),
            id="v2 inside a container",
        ),
        pytest.param(
            "4:memory:/docker/abc\n0::/\n",
            {
                "memory": {
                    "memory.limit_in_bytes": "4000",
                    "memory.usage_in_bytes": "3000",
                    "memory.stat": "total_inactive_file 1000",
                },
            },
            (2000, 4000),
            id="v1 inside a container, where the group's own path is not to be seen",
        ),
        pytest.param(
            "4:memory:/\n",
            {
                "memory": {
                    "memory.limit_in_bytes": "9223372036854771712",
                    "memory.usage_in_bytes": "3000",
                    "memory.stat": "",
                },
            },
            None,
            id="v1 without limit",
        ),
        pytest.param("0::/\n", {}, None, id="nothing to see"),
    ],
)
def test_memory_is_that_of_the_tightest_control_group(
    tmp_path: Path,
    membership: str,
    files: dict[str, dict[str, str]],
    expected: tuple[int, int] | None,
) -> None:
    for folder, contents in files.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            (tmp_path / folder / name).write_text(text)
    (tmp_path / "self").write_text(membership)
    assert health.container_memory(tmp_path, tmp_path / "self") == expected
