"""Checks over HTTP: what counts as well, what is said when not, and which readings are taken."""

import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import FakeClock
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Check, Target
from devops_agent.plugins.http.probe import HttpProbe
from tests.plugins.http.serving import Server, answering

WINDOW = timedelta(minutes=5)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http()
    yield client
    await client.close()


@pytest.fixture
def probe(http: Http) -> HttpProbe:
    return HttpProbe(http, clock=FakeClock())


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with answering() as serving:
        yield serving


async def look(probe: HttpProbe, *checks: Check) -> dict[str, Evidence]:
    seen = await probe.look(Target(name="shop", checks=checks), window=WINDOW)
    assert all(piece.source == "http" for piece in seen)
    return {piece.name: piece for piece in seen}


async def test_a_healthy_answer_passes_and_brings_latency_and_readings(probe: HttpProbe, server: Server) -> None:
    server.answers["/health"] = (200, {"status": "healthy", "memory_percent": 41.5, "disk_percent": 60, "load": 1})
    seen = await look(probe, Check(url=f"{server.url}/health"))
    assert seen["health"].value is True
    assert seen["health"].query == f"GET {server.url}/health"
    assert "answers 200 in" in seen["health"].says
    assert (seen["memory_percent"].value, seen["memory_percent"].unit) == (41.5, "%")
    assert seen["disk_percent"].value == 60
    assert (seen["latency_ms"].unit, seen["latency_ms"].query) == ("ms", f"GET {server.url}/health")
    assert set(seen) == {"health", "memory_percent", "disk_percent", "latency_ms"}


async def test_all_checks_of_a_target_are_done_and_others_are_left_to_other_probes(
    probe: HttpProbe, server: Server
) -> None:
    server.answers |= {"/health": (200, "ok"), "/slow": (200, "ok")}
    seen = await look(
        probe,
        Check(url=f"{server.url}/health"),
        Check(name="docs", url=f"{server.url}/docs", vital=False),
        Check(name="port", kind="tcp", url="127.0.0.1:1"),
    )
    assert (seen["health"].value, seen["docs"].value) == (True, False)
    assert "port" not in seen
    assert await probe.look(Target(name="bare"), window=WINDOW) == []


async def test_latency_is_that_of_a_vital_check(probe: HttpProbe, server: Server) -> None:
    server.answers |= {"/health": (200, "ok"), "/report": (200, "ok")}
    report = Check(name="report", url=f"{server.url}/report", vital=False)
    seen = await look(probe, report, Check(url=f"{server.url}/health"))
    assert seen["latency_ms"].query.endswith("/health")


@pytest.mark.parametrize(
    ("status", "body", "check", "reason", "says"),
    [
        (500, "boom", {}, "status", "answers 500: boom"),
        (200, {"status": "DOWN"}, {}, "unhealthy", "says that it is DOWN"),
        (200, {"status": "unhealthy", "db": "lost"}, {}, "unhealthy", '"db": "lost"'),
        (503, {"status": "fail", "message": "no disk left"}, {}, "status", "answers 503: no disk left"),
        (503, {"status": "unhealthy"}, {}, "status", "answers 503: unhealthy"),
        (503, {"error": {"message": "no database"}}, {}, "status", "answers 503: no database"),
        (
            503,
            {"status": "down", "checks": {"db": {"status": "down", "error": "refused"}, "mq": {"status": "up"}}},
            {},
            "status",
            "answers 503: db: refused",
        ),
        (
            200,
            {"status": "unhealthy", "failing": [{"name": "queue", "message": "full"}, {"name": "cache"}]},
            {},
            "unhealthy",
            "says that it is unhealthy: queue: full",
        ),
        (200, {"db": {"ok": 1}}, {"expect_json": {"db.ok": True}}, "json", "answers db.ok = 1, expected True"),
        (200, "text", {"expect_json": {"status": "ok"}}, "json", "status = nothing, expected 'ok'"),
        (200, "closed", {"expect_body": "open"}, "body", "answers without 'open': closed"),
        (200, "", {"expect_body": "open"}, "body", "an empty body"),
        (201, "", {"expect_status": (200,)}, "status", "answers 201"),
        (200, "", {"max_latency": timedelta(0)}, "latency", "allowed are 0 ms"),
    ],
)
async def test_what_is_not_as_expected_fails_with_word_and_sentence(  # noqa: PLR0913 — a row of the table
    *, probe: HttpProbe, server: Server, status: int, body: object, check: dict[str, object], reason: str, says: str
) -> None:
    server.answers["/health"] = (status, body)
    seen = await look(probe, Check(url=f"{server.url}/health").with_(**check))
    assert seen["health"].value is False
    assert seen["health.error"].value == reason
    assert says in seen["health"].says


@pytest.mark.parametrize("word", ["healthy", "ok", "UP", "degraded", "pass", "warn"])
async def test_other_words_do_not_fail(probe: HttpProbe, server: Server, word: str) -> None:
    server.answers["/health"] = (200, {"status": word})
    assert (await look(probe, Check(url=f"{server.url}/health")))["health"].value is True


async def test_an_expected_status_word_is_taken_as_it_is(probe: HttpProbe, server: Server) -> None:
    server.answers["/drill"] = (200, {"status": "down"})
    seen = await look(probe, Check(url=f"{server.url}/drill", expect_json={"status": "down"}))
    assert seen["health"].value is True


async def test_fields_map_readings_from_anywhere_in_the_answer(probe: HttpProbe, server: Server) -> None:
    server.answers["/r"] = (200, {"memory": {"percent": "81.5 %"}, "disks": [{"used": 70}], "cpu_percent": True})
    fields = {"memory_percent": "memory.percent", "disk_percent": "disks.0.used", "queue": "jobs.waiting"}
    seen = await look(probe, Check(url=f"{server.url}/r", fields=fields))
    assert (seen["memory_percent"].value, seen["disk_percent"].value) == (81.5, 70)
    assert seen["queue"].value is None
    assert "answers no number under jobs.waiting" in seen["queue"].says
    assert "cpu_percent" not in seen


async def test_readings_come_from_a_failing_answer_too(probe: HttpProbe, server: Server) -> None:
    server.answers["/health"] = (503, {"status": "unhealthy", "memory_percent": 97})
    seen = await look(probe, Check(url=f"{server.url}/health"))
    assert (seen["health"].value, seen["memory_percent"].value) == (False, 97)


async def test_a_synthetic_request_is_sent_as_configured(probe: HttpProbe, server: Server) -> None:
    server.answers["/api/v1/predict"] = (200, {"prediction": {"direction": "up"}})
    check = Check(
        name="predict",
        url=f"{server.url}/api/v1/predict",
        method="POST",
        body='{"timeframe": "1h"}',
        headers={"Content-Type": "application/json"},
        expect_json={"prediction.direction": "up"},
    )
    assert (await look(probe, check))["predict"].value is True
    [asked] = server.asked
    assert (asked.method, asked.body) == ("POST", b'{"timeframe": "1h"}')
    assert asked.headers["content-type"] == "application/json"


async def test_no_answer_is_evidence_with_its_reason(probe: HttpProbe, server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        seen = await look(probe, Check(url=closed))
    assert (seen["health"].value, seen["health.error"].value) == (False, "refused")
    assert "the connection is refused" in seen["health"].says
    assert "latency_ms" not in seen

    server.hangs = True
    seen = await look(probe, Check(url=server.url, timeout=timedelta(milliseconds=50)))
    assert (seen["health"].value, seen["health.error"].value) == (False, "timeout")


async def test_a_page_about_the_host_does_not_replace_the_readings_of_the_target(
    probe: HttpProbe, server: Server
) -> None:
    server.answers |= {
        "/health/resources": (200, {"disk_percent": 95}),
        "/health/system": (200, {"disk_percent": 40, "memory_percent": 50}),
        "/own": (200, {"disk": {"used": 96}}),
    }
    system = Check(name="system", url=f"{server.url}/health/system", vital=False)
    resources = Check(name="resources", url=f"{server.url}/health/resources", vital=False)
    mapped = Check(name="own", url=f"{server.url}/own", vital=False, fields={"disk_percent": "disk.used"})
    seen = await look(probe, resources, system)
    assert (seen["disk_percent"].value, seen["memory_percent"].value) == (95, 50)
    assert (await look(probe, system, resources, mapped))["disk_percent"].value == 96


@pytest.mark.parametrize("value", ['"nan"', '"NaN %"', '"-inf"', "1" + "0" * 400, f'"{"9" * 400}"'])
async def test_a_reading_that_is_no_figure_is_left_out(probe: HttpProbe, server: Server, value: str) -> None:
    server.answers["/health"] = (200, f'{{"memory_percent": {value}, "disk_percent": 60}}')
    seen = await look(probe, Check(url=f"{server.url}/health"))
    assert seen["disk_percent"].value == 60
    assert "memory_percent" not in seen


async def test_an_answer_nested_too_deep_is_no_json(probe: HttpProbe, server: Server) -> None:
    server.answers["/health"] = (200, "[" * 100_000)
    seen = await look(probe, Check(url=f"{server.url}/health"))
    assert seen["health"].value is True


@pytest.mark.parametrize("path", ["/health", "/broken"])
async def test_a_password_in_a_url_is_told_to_nobody(probe: HttpProbe, server: Server, path: str) -> None:
    server.answers["/health"] = (200, {"memory_percent": 1})
    url = server.url.replace("//", "//user:secret@")
    seen = await look(probe, Check(name="health", url=url + path, fields={"cpu_percent": "nowhere"}))
    assert "secret" not in str(seen)
    assert server.url in seen["health"].says
