import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.authorization import Authorization
from devops_agent.kit.labels import matcher
from devops_agent.kit.testing import START, FakeMetrics, MetricsContract
from devops_agent.kit.testing.telemetry_contract import HOSTILE, SHOP, GivenSeries
from devops_agent.kit.tools import SettingsError, Tools
from devops_agent.model.target import Check, Target
from devops_agent.model.telemetry import Series
from devops_agent.plugins.prometheus.client import PrometheusClient, widened
from devops_agent.plugins.prometheus.metrics import PrometheusMetrics, build
from devops_agent.plugins.prometheus.readings import fill
from devops_agent.ports import Metrics, PluginError
from tests.plugins.asked import Said, Saying, Server
from tests.plugins.prometheus.fake import FakePrometheus

STEP = timedelta(seconds=15)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class TestPrometheusMetrics(MetricsContract):
    @pytest.fixture
    def given(self, fake: FakePrometheus, server: Server, given_tools: Tools) -> GivenSeries:
        async def given(series: Sequence[Series]) -> Metrics:
            fake.metrics = FakeMetrics(series)
            return build({"url": server.url}, tools=given_tools)

        return given


@pytest.fixture
def metrics(server: Server, given_tools: Tools) -> PrometheusMetrics:
    return build({"url": server.url, "max_series": 3}, tools=given_tools)


async def refused(metrics: PrometheusMetrics) -> PluginError:
    with pytest.raises(PluginError, match=r"^cannot ") as raised:
        await metrics.query("up", at=START)
    return raised.value


@pytest.mark.parametrize(
    ("status", "body", "says", "retryable"),
    [
        (400, '{"status":"error","errorType":"bad_data","error":"parse error"}', "bad_data: parse error", False),
        (422, '{"status":"error","errorType":"execution","error":"many-to-many"}', "many-to-many", False),
        (503, '{"status":"error","errorType":"timeout","error":"query timed out"}', "timeout: query", True),
        (503, "<html>the proxy\nis tired</html>", "503 <html>the proxy is tired", True),
        (429, "slow down", "429 slow down", True),
        (401, "who are you", "401 who are you", False),
        (404, "", "404 an empty body", False),
        (200, "{", "cannot read the answer", True),
        (200, '{"status":"success","data":{"resultType":"vector","result":[{"metric":7}]}}', "cannot read", True),
        (200, '{"status":"success","data":{"resultType":"poem","result":[]}}', "type 'poem'", True),
    ],
)
async def test_a_refusal_is_passed_on_with_whether_asking_again_helps(
    fake: FakePrometheus, metrics: PrometheusMetrics, status: int, body: str, says: str, *, retryable: bool
) -> None:
    fake.says = lambda _: Said(status=status, body=body)
    error = await refused(metrics)
    assert says in str(error)
    assert error.retryable is retryable


async def test_a_server_that_is_away_may_be_back_later(given_tools: Tools) -> None:
    error = await refused(build({"url": "http://127.0.0.1:1"}, tools=given_tools))
    assert error.retryable
    assert "query=" not in str(error)


async def test_a_server_that_hangs_is_given_up(fake: FakePrometheus, server: Server, given_tools: Tools) -> None:
    fake.says = lambda _: None
    client = PrometheusClient(
        server.url,
        http=given_tools.http,
        authorization=Authorization(secret=given_tools.secret),
        timeout=timedelta(seconds=-0.9),  # and a second of grace
        most_series=3,
    )
    with pytest.raises(PluginError, match=r"no answer within 0\.1 s") as raised:
        await client.query("up", at=START)
    assert raised.value.retryable


async def test_too_many_series_are_cut_and_the_answer_is_partial(
    fake: FakePrometheus, metrics: PrometheusMetrics
) -> None:
    fake.know("^many$", *(({"n": str(number)}, number) for number in range(5)))
    answer = await metrics.query("many", at=START)
    assert [one.labels["n"] for one in answer.series] == ["0", "1", "2"]
    assert answer.partial


async def test_warnings_are_kept(fake: FakePrometheus, metrics: PrometheusMetrics) -> None:
    empty = {"resultType": "vector", "result": []}
    body = {"status": "success", "data": empty, "warnings": ["a store is away"], "infos": ["not a counter"]}
    fake.says = lambda _: Said(body=body)
    assert (await metrics.query("up", at=START)).warnings == ("a store is away", "not a counter")


async def test_what_is_no_number_is_a_gap(fake: FakePrometheus, metrics: PrometheusMetrics) -> None:
    values = [[1, "1"], [2, "NaN"], [3, "+Inf"], [4, "-Inf"], [5.5, "2.5e1"], [6, "many"], [1e17, "1"], [-1, "1"]]
    rows = [{"metric": {}, "values": values}, {"metric": {"a": "b"}, "values": [[1, "NaN"]]}]
    fake.says = lambda _: Said(body={"status": "success", "data": {"resultType": "matrix", "result": rows}})
    answer = await metrics.query_range("x / y", begin=START, end=START + HOUR, step=STEP)
    (series,) = answer.series
    assert (series.name, series.times, series.values) == ("x / y", (1.0, 5.5), (1.0, 25.0))


@pytest.mark.parametrize(("kind", "values"), [("scalar", (3.0,)), ("string", ())])
async def test_a_figure_without_labels_is_a_series_too(
    fake: FakePrometheus, metrics: PrometheusMetrics, kind: str, values: tuple[float, ...]
) -> None:
    result = [1, "3" if kind == "scalar" else "hello"]
    fake.says = lambda _: Said(body={"status": "success", "data": {"resultType": kind, "result": result}})
    assert tuple(one.values[0] for one in (await metrics.query("x", at=START)).series) == values


async def test_long_queries_are_posted_and_short_ones_are_not(
    fake: FakePrometheus, server: Server, metrics: PrometheusMetrics
) -> None:
    fake.know("^a")
    for expression in ("a", "a" * 5_000):
        await metrics.query(expression, at=START)
    assert [(one.method, one.path, len(one.one("query"))) for one in server.asked] == [
        ("GET", "/api/v1/query", 1),
        ("POST", "/api/v1/query", 5_000),
    ]
    assert {one.one("timeout") for one in server.asked} == {"5s"}


async def test_where_posting_is_not_allowed_a_long_query_goes_by_get(
    fake: FakePrometheus, server: Server, metrics: PrometheusMetrics
) -> None:
    empty = Said(body={"status": "success", "data": {"resultType": "vector", "result": []}})
    fake.says = lambda asked: Said(status=405, body="no") if asked.method == "POST" else empty
    assert (await metrics.query("a" * 5_000, at=START)).series == ()
    assert [one.method for one in server.asked] == ["POST", "GET"]


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({}, None),
        ({"token_file": "/run/token"}, "Bearer t0ken"),
        ({"username": "ops", "password_file": "/run/password"}, "Basic b3BzOnBhc3M="),
    ],
)
async def test_who_asks_is_said(
    fake: FakePrometheus, server: Server, given_tools: Tools, settings: dict[str, str], header: str | None
) -> None:
    fake.know("up")
    await build({"url": server.url, **settings}, tools=given_tools).query("up", at=START)
    assert server.asked[0].headers.get("authorization") == header


async def test_a_token_that_cannot_be_read_is_told_when_it_is_needed(server: Server, given_tools: Tools) -> None:
    metrics = build({"url": server.url, "token_file": "/run/lost"}, tools=given_tools)
    assert "/run/lost" in str(await refused(metrics))


async def test_readings_are_those_that_are_measured(fake: FakePrometheus, metrics: PrometheusMetrics) -> None:
    fake.labels = {"job": ["shop", "till"]}
    fake.know("histogram_quantile", ({"job": "shop"}, 120.5))
    fake.know("avg_over_time", ({"job": "shop"}, 100))
    fake.know("rate")
    found = await metrics.readings(SHOP, begin=START, end=START + MINUTE, step=STEP)
    series = [one.series[0] for one in found]
    assert [(one.name, one.target, one.unit, one.values[0]) for one in series] == [
        ("latency_p95_ms", "shop", "ms", 120.5),
        ("availability_percent", "shop", "%", 100.0),
    ]
    assert '{job="shop"}[60s]' in found[0].query


async def test_a_label_that_tells_less_is_asked_when_the_better_one_brings_nothing(
    fake: FakePrometheus, metrics: PrometheusMetrics
) -> None:
    fake.labels = {"service": ["shop"], "instance": ["127.0.0.1:8000"]}
    fake.know(r'up\{instance="127\.0\.0\.1:8000"\}', ({"instance": "127.0.0.1:8000"}, 50))
    fake.know(".")
    target = SHOP.with_(checks=(Check(url="http://127.0.0.1:8000/health"),))
    (found,) = await metrics.readings(target, begin=START, end=START + MINUTE, step=STEP)
    assert (found.series[0].name, found.series[0].values[0]) == ("availability_percent", 50.0)


async def test_a_target_may_have_its_own_selector_and_queries(
    fake: FakePrometheus, server: Server, metrics: PrometheusMetrics
) -> None:
    own = {"selector": 'app="kasse"', "readings": {"request_rate": "sum(orders{selector,kind!='test'})"}}
    fake.know(r"orders", ({}, 3))
    fake.know(".")
    target = Target(name="till", options={"prometheus": own})
    (found,) = await metrics.readings(target, begin=START, end=START + MINUTE, step=STEP)
    assert found.query == """sum(orders{app="kasse",kind!='test'})"""
    assert all('app="kasse"' in asked.one("query") for asked in server.asked)


async def test_a_query_of_ones_own_that_is_refused_costs_only_its_reading(
    fake: FakePrometheus, server: Server, given_tools: Tools
) -> None:
    metrics = build({"url": server.url, "readings": {"request_rate": "sum((("}}, tools=given_tools)
    fake.labels = {"job": ["shop"]}
    fake.know("avg_over_time", ({"job": "shop"}, 100))
    fake.know("rate")
    refused, found = await metrics.readings(SHOP, begin=START, end=START + MINUTE, step=STEP)
    assert (refused.series, refused.partial) == ((), True)
    assert "bad_data" in refused.warnings[0]
    assert found.series[0].name == "availability_percent"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"url": "localhost:9090"}, "begins with http://"),
        ({}, "url"),
        ({"url": "http://a", "readings": {"speed": "x"}}, "known: request_rate, error_percent"),
    ],
)
def test_settings_that_cannot_work_are_refused(config: dict[str, object], says: str, given_tools: Tools) -> None:
    with pytest.raises(SettingsError, match=says):
        build(config, tools=given_tools)


@pytest.mark.parametrize("given_options", ["job=shop", {"selektor": "x"}, {"readings": {"speed": "x"}}])
async def test_options_that_cannot_work_are_refused(metrics: PrometheusMetrics, given_options: object) -> None:
    target = Target(name="shop", options={"prometheus": given_options})
    with pytest.raises(PluginError, match=r"targets\[shop\]\.options\.prometheus"):
        await metrics.readings(target, begin=START, end=START + MINUTE, step=STEP)


def test_names_that_are_not_classic_are_quoted_in_selectors() -> None:
    from devops_agent.plugins.prometheus.metrics import _selector

    assert _selector({"__name__": "a.b", "c.d": 'x"'}) == '{"a.b","c.d"="x\\""}'
    assert _selector({"__name__": "up", "job": "a\\b\nc"}) == 'up{job="a\\\\b\\nc"}'


def test_a_step_is_widened_to_whole_seconds() -> None:
    assert widened(timedelta(seconds=1), begin=START, end=START + HOUR) == 8
    assert widened(STEP, begin=START, end=START + HOUR) == 15
    assert widened(timedelta(0), begin=START, end=START) == 0.001


@given(st.text(), st.lists(st.text(), min_size=1, max_size=4))
def test_no_name_gets_out_of_its_string(label: str, names: list[str]) -> None:
    text = matcher("service", names).partition("=")[2].removeprefix("~")
    inside = text[1:-1].replace("\\\\", "")
    assert text.startswith('"')
    assert text.endswith('"')
    assert '"' not in inside.replace('\\"', "")
    assert "\n" not in text
    filled = fill("x{selector}[{window}]", matchers=matcher("a", names), label=label, window=MINUTE)
    assert filled.endswith("}[60s]")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["status", "data", "resultType", "result", "metric", "value", "values", "error", "warnings"]
                ),
                inner,
            )
        ),
    )
)
async def test_any_answer_is_read_or_refused(data: object) -> None:
    client = PrometheusClient(
        "http://prometheus",
        http=Saying(json.dumps({"status": "success", "data": data}).encode()),
        authorization=Authorization(secret=lambda path: path),
        timeout=timedelta(seconds=5),
        most_series=3,
    )
    for asking in (
        client.query("x", at=START),
        client.series(["x"], begin=START, end=START, limit=3),
        client.label_values("x", begin=START, end=START),
    ):
        try:
            await asking
        except PluginError as error:
            assert str(error).startswith("cannot ")  # noqa: PT017 — either is right


def test_hostile_names_are_hostile() -> None:
    assert matcher("service", [HOSTILE.name]) == r'service="shop\"} or {x=\"\\"'
