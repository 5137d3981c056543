import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from devops_agent.kit.testing import START, FakeClock
from devops_agent.kit.tools import Tools
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Target
from devops_agent.model.view import view_of
from devops_agent.plugins.prometheus.probe import PrometheusProbe, build
from tests.plugins.asked import Said, Server
from tests.plugins.prometheus.fake import FakePrometheus

SHOP, TILL = Target(name="shop"), Target(name="till", aliases=("kasse",))
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def probe(server: Server, given_tools: Tools) -> AsyncIterator[PrometheusProbe]:
    probe = build({"url": server.url}, tools=given_tools)
    yield probe
    await probe.close()


@pytest.fixture
def both(fake: FakePrometheus) -> FakePrometheus:
    fake.labels = {"job": ["shop", "kasse", "other"]}
    fake.know("timestamp", ({"job": "shop"}, START.timestamp() - 12))
    fake.know("histogram_quantile", ({"job": "shop"}, 120.123456), ({"job": "kasse"}, 80))
    fake.know("5..", ({"job": "shop"}, 12.5), ({"job": "other"}, 99))
    fake.know("avg_over_time", ({"job": "shop"}, 100), ({"job": "kasse"}, 0))
    fake.know("rate", ({"job": "shop"}, 3))
    return fake


def queries(server: Server) -> list[str]:
    return [asked.one("query") for asked in server.asked if asked.path == "/api/v1/query"]


def values(evidence: list[Evidence]) -> dict[str, object]:
    return {piece.name: piece.value for piece in evidence}


async def test_readings_are_evidence_with_query_window_and_age(both: FakePrometheus, probe: PrometheusProbe) -> None:
    evidence = {piece.name: piece for piece in await probe.look(SHOP, window=MINUTE)}
    assert values(list(evidence.values())) == {
        "request_rate": 3.0,
        "error_percent": 12.5,
        "latency_p95_ms": 120.1235,
        "availability_percent": 100.0,
    }
    errors = evidence["error_percent"]
    assert (errors.source, errors.unit, errors.window, errors.age) == ("prometheus", "%", MINUTE, timedelta(seconds=12))
    assert 'http_requests_total{job="shop",status=~"5.."}[60s]' in errors.query
    assert errors.says == "12.5 % of requests fail"


async def test_all_targets_share_a_few_queries_for_some_seconds(
    both: FakePrometheus, server: Server, clock: FakeClock, probe: PrometheusProbe
) -> None:
    await probe.look(SHOP, window=MINUTE)
    await clock.advance(2)
    assert values(await probe.look(TILL, window=MINUTE)) == {"latency_p95_ms": 80.0, "availability_percent": 0.0}
    server.asked.clear()
    for target in (SHOP, TILL, SHOP, TILL):
        await probe.look(target, window=MINUTE)
    assert server.asked == []
    await clock.advance(10)
    await asyncio.gather(*(probe.look(target, window=MINUTE) for target in (SHOP, TILL)))
    asked = queries(server)
    assert len(asked) == 5
    assert all('job=~"shop|kasse"' in query for query in asked)


async def test_a_share_of_errors_over_the_threshold_is_a_condition(
    both: FakePrometheus, probe: PrometheusProbe
) -> None:
    view = view_of(SHOP, state=None, evidence=tuple(await probe.look(SHOP, window=MINUTE)), at=START)
    assert [condition.kind for condition in view.conditions] == ["high_error_rate"]


async def test_a_target_that_nobody_measures_is_silence(both: FakePrometheus, probe: PrometheusProbe) -> None:
    assert await probe.look(Target(name="quiet"), window=MINUTE) == []


async def test_that_it_is_away_is_evidence_and_makes_nothing_unwell(
    given_tools: Tools, clock: FakeClock, both: FakePrometheus, server: Server
) -> None:
    away = build({"url": "http://127.0.0.1:1"}, tools=given_tools)
    (piece,) = await away.look(SHOP, window=MINUTE)
    assert (piece.name, piece.value) == ("prometheus", "unknown")
    assert piece.says.startswith("cannot GET http://127.0.0.1:1/api/v1/")
    assert view_of(SHOP, state=None, evidence=(piece,), at=START).conditions == ()
    await away.close()


async def test_it_is_asked_again_once_it_is_back(
    both: FakePrometheus, clock: FakeClock, probe: PrometheusProbe
) -> None:
    both.says = lambda _: Said(status=503, body="starting")
    (piece,) = await probe.look(SHOP, window=MINUTE)
    assert "503 starting" in piece.says
    both.says = None
    (still,) = await probe.look(SHOP, window=MINUTE)
    assert still.says == piece.says
    await clock.advance(10)
    assert values(await probe.look(SHOP, window=MINUTE))["request_rate"] == 3.0


async def test_one_that_hangs_delays_a_look_for_a_moment_only(
    both: FakePrometheus, clock: FakeClock, probe: PrometheusProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devops_agent.plugins.prometheus.probe._PATIENCE", 0.05)
    both.says = lambda _: None
    (piece,) = await probe.look(SHOP, window=MINUTE)
    assert (piece.value, piece.says) == ("unknown", "Prometheus has not answered within 0.05 s")
    await clock.advance(1)
    (piece,) = await probe.look(TILL, window=MINUTE)
    assert piece.value == "unknown"


async def test_the_own_query_of_a_target_goes_before_the_shared_one(
    both: FakePrometheus, server: Server, given_tools: Tools
) -> None:
    both.rows.insert(0, ("my_orders", [({}, 7.0)]))
    both.rows.insert(0, ("my_queue", [({}, 70.0)]))
    settings = {"url": server.url, "readings": {"latency_p95_ms": "max(my_queue{selector})"}}
    probe = build(settings, tools=given_tools)
    own = {"prometheus": {"readings": {"request_rate": "sum(my_orders{selector})"}}}
    seen = {piece.name: piece for piece in await probe.look(SHOP.with_(options=own), window=MINUTE)}
    assert (seen["request_rate"].value, seen["request_rate"].query) == (7.0, 'sum(my_orders{job="shop"})')
    assert (seen["latency_p95_ms"].value, seen["error_percent"].value) == (70.0, 12.5)
    await probe.close()


async def test_a_selector_of_its_own_needs_no_label(
    fake: FakePrometheus, server: Server, probe: PrometheusProbe
) -> None:
    fake.know(r'sum by \(devops_agent_target, le\) \(rate\(http_request_duration.*app="kasse"', ({}, 80))
    fake.know(".")
    target = Target(name="till", options={"prometheus": {"selector": '{app="kasse"}'}})
    assert values(await probe.look(target, window=MINUTE)) == {"latency_p95_ms": 80.0}


async def test_options_that_cannot_work_are_told_at_their_target_only(
    both: FakePrometheus, clock: FakeClock, probe: PrometheusProbe
) -> None:
    wrong = TILL.with_(options={"prometheus": {"selektor": "x"}})
    await probe.look(SHOP, window=MINUTE)
    await clock.advance(10)
    (piece,) = await probe.look(wrong, window=MINUTE)
    assert "targets[till].options.prometheus" in piece.says
    assert values(await probe.look(SHOP, window=MINUTE))["request_rate"] == 3.0


async def test_a_query_that_is_refused_costs_only_its_reading(
    both: FakePrometheus, server: Server, given_tools: Tools
) -> None:
    settings = {"url": server.url, "readings": {"request_rate": "sum by ({label}) ((("}}
    probe = build(settings, tools=given_tools)
    seen = await probe.look(SHOP, window=MINUTE)
    assert values(seen).keys() == {"prometheus", "error_percent", "latency_p95_ms", "availability_percent"}
    assert "bad_data" in seen[0].says
    await probe.close()
