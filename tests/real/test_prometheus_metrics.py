"""The plugin against Prometheus itself: its contract on data put in before the start, and the demo service scraped."""

import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from devops_agent.app.clock import SystemClock
from devops_agent.kit.http import Http
from devops_agent.kit.testing import FakeClock, MetricsContract, tools
from devops_agent.kit.testing.telemetry_contract import GivenSeries
from devops_agent.model.target import Check, Target
from devops_agent.model.telemetry import Series
from devops_agent.model.view import View, view_of
from devops_agent.plugins.prometheus.metrics import PrometheusMetrics, build
from devops_agent.plugins.prometheus.probe import PrometheusProbe
from devops_agent.plugins.prometheus.probe import build as build_probe
from devops_agent.ports import Metrics
from tests.examples.running import Running, Start
from tests.real.parts import Server, find, start_prometheus
from tests.real.running import until

SCRAPING = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: shops
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{service: shop}}}}]
"""
SETTINGS = {"window": "10s", "remember": "200ms"}
MINUTE = timedelta(minutes=1)


def as_openmetrics(series: Sequence[Series]) -> str:
    lines = []
    for name in dict.fromkeys(one.name for one in series):
        lines.append(f"# TYPE {name} gauge")
        for one in series:
            if one.name == name:
                labels = ",".join(f'{label}="{value}"' for label, value in one.labels.items())
                lines += [
                    f"{name}{{{labels}}} {value} {time}" for time, value in zip(one.times, one.values, strict=True)
                ]
    return "\n".join((*lines, "# EOF\n"))


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    http = Http()
    yield http
    await http.close()


class TestRealPrometheus(MetricsContract):
    @pytest.fixture
    def given(self, tmp_path: Path, http: Http, prometheus: Callable[..., Server]) -> Iterator[GivenSeries]:
        started: list[Server] = []

        async def given(series: Sequence[Series]) -> Metrics:
            text = tmp_path / "series.txt"
            text.write_text(as_openmetrics(series))
            argv = [find("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), str(tmp_path / "data")]
            subprocess.run(argv, check=True, capture_output=True)
            # The samples are old; and a gap of one step is to be seen, which Prometheus fills for five minutes.
            options = ("--storage.tsdb.retention.time=100y", "--query.lookback-delta=14s")
            started.append(start_prometheus(tmp_path, "", options=options))
            return build({"url": started[-1].url}, tools=tools(tmp_path, clock=FakeClock(), http=http))

        find("prometheus")
        yield given
        for server in started:
            server.stop()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Running]:
    start = Start(tmp_path / "demo")
    service = start.service("--faults")
    assert service.process.stderr is not None
    # A pipe full of tracebacks that nobody reads would stop the service.
    threading.Thread(target=service.process.stderr.read, daemon=True).start()
    yield service
    start.end_all()


@pytest.fixture
def monitor(prometheus: Callable[..., Server], demo: Running) -> Server:
    return prometheus(SCRAPING.format(port=demo.port))


@pytest.fixture
def shop(demo: Running) -> Target:
    return Target(name="shop", checks=(Check(url=f"{demo.url}/health"),))


@pytest.fixture
async def probe(monitor: Server, http: Http, tmp_path: Path) -> AsyncIterator[PrometheusProbe]:
    given = tools(tmp_path, clock=SystemClock(), http=http)
    probe = build_probe({"url": monitor.url, **SETTINGS}, tools=given)
    yield probe
    await probe.close()


@pytest.fixture
def metrics(monitor: Server, http: Http, tmp_path: Path) -> PrometheusMetrics:
    return build({"url": monitor.url, **SETTINGS}, tools=tools(tmp_path, clock=SystemClock(), http=http))


async def seen(probe: PrometheusProbe, demo: Running, shop: Target, wanted: Callable[[View], bool]) -> View:
    """Let the demo work until what is seen of it is as wanted."""

    async def look() -> View | None:
        for _ in range(5):
            demo.predict()
        view = view_of(shop, state=None, evidence=tuple(await probe.look(shop, window=MINUTE)), at=datetime.now(UTC))
        return view if wanted(view) else None

    return await until(look, "Prometheus to tell it")


async def test_the_demo_service_is_seen_well_then_failing_then_gone(
    demo: Running, shop: Target, probe: PrometheusProbe, metrics: PrometheusMetrics
) -> None:
    well = await seen(probe, demo, shop, lambda view: len(view.readings) == 4)
    assert well.readings["error_percent"] == 0
    assert well.readings["availability_percent"] == 100
    assert well.readings["request_rate"] > 0
    assert 0 < well.readings["latency_p95_ms"] < 1_000
    assert well.conditions == ()
    errors = next(piece for piece in well.evidence if piece.name == "error_percent")
    assert errors.age < MINUTE
    assert 'service="shop"' in errors.query

    demo.break_by("error_burst")
    failing = await seen(probe, demo, shop, lambda view: view.readings.get("error_percent", 0) > 20)
    assert [condition.kind for condition in failing.conditions] == ["high_error_rate"]

    now = datetime.now(UTC)
    found = await metrics.readings(shop, begin=now - MINUTE, end=now, step=timedelta(seconds=1))
    rose = {one.series[0].name: one.series[0].values for one in found}
    assert set(rose) == {"request_rate", "error_percent", "latency_p95_ms", "availability_percent"}
    assert rose["error_percent"][-1] > rose["error_percent"][0] == 0
    selectors = await metrics.discover(shop, begin=now - MINUTE, end=now, limit=500)
    assert any('http_requests_total{instance="' in one and 'status="500"' in one for one in selectors)

    demo.end()

    async def gone() -> View | None:
        view = view_of(shop, state=None, evidence=tuple(await probe.look(shop, window=MINUTE)), at=datetime.now(UTC))
        return view if view.readings.get("availability_percent", 100) < 100 else None

    await until(gone, "Prometheus to miss scrapes")


async def test_a_query_of_any_length_is_answered(metrics: PrometheusMetrics) -> None:
    expression = " or ".join(f"vector({number})" for number in range(500))
    answer = await metrics.query(expression, at=datetime.now(UTC))
    assert [one.values for one in answer.series] == [(0.0,)]


async def test_where_no_label_names_it_the_address_does(
    monitor: Server, demo: Running, shop: Target, metrics: PrometheusMetrics
) -> None:
    other = shop.with_(name="kasse")

    async def up() -> float | None:
        now = datetime.now(UTC)
        found = await metrics.readings(other, begin=now - MINUTE, end=now, step=timedelta(seconds=1))
        return next((one.series[0].values[-1] for one in found if "avg_over_time" in one.query), None)

    assert await until(up, "Prometheus to scrape it") == 100
