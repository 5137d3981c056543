import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.authorization import Authorization
from devops_agent.kit.http import Http
from devops_agent.kit.testing import START, FakeClock, LogsContract, tools
from devops_agent.kit.testing.telemetry_contract import SHOP, GivenLines
from devops_agent.kit.tools import SettingsError, Tools
from devops_agent.model.target import Target
from devops_agent.model.telemetry import LogLine
from devops_agent.plugins.loki.client import LokiClient
from devops_agent.plugins.loki.logs import LONGEST, LokiLogs, build
from devops_agent.ports import Logs, PluginError
from tests.plugins.asked import Said, Saying, Server, serving
from tests.plugins.loki.fake import FakeLoki, numbered

HOUR = timedelta(hours=1)
REAL = {
    "status": "success",
    "data": {
        "resultType": "streams",
        "result": [
            {
                "stream": {"detected_level": "error", "service_name": "shop"},
                "values": [
                    ["1767614400828301862", "ERROR db refused"],
                    ["1767614400828300862", "ERROR db timeout id=1", {"structuredMetadata": {"trace": "a"}}],
                ],
            }
        ],
        "stats": {"summary": {"totalLinesProcessed": 3}},
    },
}
"""Loki 3's form."""


@pytest.fixture
def fake() -> FakeLoki:
    return FakeLoki()


@pytest.fixture
async def server(fake: FakeLoki) -> AsyncIterator[Server]:
    async with serving(fake.answer) as server:
        yield server


@pytest.fixture
async def given_tools(tmp_path: Path) -> AsyncIterator[Tools]:
    http = Http()
    yield tools(tmp_path, clock=FakeClock(), http=http, secrets={"/run/token": "t0ken"})
    await http.close()


@pytest.fixture
def logs(fake: FakeLoki, server: Server, given_tools: Tools) -> LokiLogs:
    return build({"url": server.url, "page": 10}, tools=given_tools)


@pytest.mark.parametrize("rounded", [False, True])
class TestLokiLogs(LogsContract):
    @pytest.fixture
    def given(self, fake: FakeLoki, server: Server, given_tools: Tools, *, rounded: bool) -> GivenLines:
        fake.rounded = rounded

        async def given(lines: Mapping[str, Sequence[LogLine]]) -> Logs:
            fake.hold(lines)
            return build({"url": server.url, "page": 10}, tools=given_tools)

        return given


async def read(logs: LokiLogs, **options: object) -> list[str]:
    target = SHOP.with_(options={"loki": options}) if options else SHOP
    return [line.text for line in (await logs.lines(target, begin=START, end=START + HOUR)).lines]


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(("limit", "partial"), [(99, True), (100, False), (101, False)])
async def test_pages_are_put_together_without_loss_or_repetition(
    fake: FakeLoki, server: Server, logs: LokiLogs, limit: int, *, rounded: bool, partial: bool
) -> None:
    fake.rounded, fake.most = rounded, 10
    lines = numbered(100)
    fake.hold({"shop": [line.with_(labels={"pod": str(n % 3)}) for n, line in enumerate(lines)]})
    answer = await logs.lines(SHOP, begin=START, end=START + HOUR, limit=limit)
    assert [line.text for line in answer.lines] == [line.text for line in lines[-limit:]]
    assert answer.partial is partial


async def test_lines_of_one_moment_keep_their_order(fake: FakeLoki, logs: LokiLogs) -> None:
    fake.hold({"shop": [LogLine(at=START, text=text) for text in ("Traceback", "  File", "ValueError")]})
    assert await read(logs) == ["Traceback", "  File", "ValueError"]


async def test_more_lines_at_one_moment_than_fit_a_page_are_partial(fake: FakeLoki, logs: LokiLogs) -> None:
    fake.hold({"shop": [LogLine(at=START, text=str(number)) for number in range(30)]})
    answer = await logs.lines(SHOP, begin=START, end=START + HOUR)
    assert (len(answer.lines), answer.partial) == (10, True)


async def test_the_real_form_is_read(fake: FakeLoki, logs: LokiLogs) -> None:
    fake.says = lambda asked: Said(body=REAL if "query_range" in asked.path else {"data": ["shop"]})
    old, new = (await logs.lines(SHOP, begin=START, end=START + HOUR)).lines
    assert (old.text, new.text) == ("ERROR db timeout id=1", "ERROR db refused")
    assert new.at - START == timedelta(microseconds=828_301)
    assert new.labels["detected_level"] == "error"


async def test_a_warning_means_that_something_is_missing(fake: FakeLoki, logs: LokiLogs) -> None:
    body = {**REAL, "warnings": ["max series reached"]}
    fake.says = lambda asked: Said(body=body if "query_range" in asked.path else {"data": ["shop"]})
    assert (await logs.lines(SHOP, begin=START, end=START + HOUR)).partial


async def test_errors_are_told_by_their_level_too(fake: FakeLoki, logs: LokiLogs) -> None:
    levels = {"all is well": "info", "no luck": "error", "Error: none": "info", "bad": ""}
    fake.hold({"shop": [LogLine(at=START, text=text, labels={"detected_level": of}) for text, of in levels.items()]})
    fake.hold({"shop": [LogLine(at=START + HOUR / 2, text="late", labels={"level": "CRITICAL"})]})
    answer = await logs.lines(SHOP, begin=START, end=START + HOUR, errors_only=True)
    assert sorted(line.text for line in answer.lines) == ["Error: none", "late", "no luck"]


async def test_the_label_that_tells_most_selects(fake: FakeLoki, server: Server, logs: LokiLogs) -> None:
    fake.hold({"shop": numbered(1)}, label="job")
    fake.hold({"shop": numbered(2)}, label="container")
    assert await read(logs) == ["line 0", "line 1"]
    assert server.asked[-1].one("query") == '{container="shop"}'


@pytest.mark.parametrize("selector", ['{app="kasse", env="prod"}', 'app="kasse",env="prod"'])
async def test_a_target_may_have_its_own_selector(fake: FakeLoki, logs: LokiLogs, selector: str) -> None:
    fake.lines = [line.with_(labels={"app": "kasse", "env": "prod"}) for line in numbered(2)]
    assert await read(logs, selector=selector) == ["line 0", "line 1"]


async def test_a_refusal_in_plain_text_is_passed_on(logs: LokiLogs) -> None:
    with pytest.raises(PluginError, match="400 parse error at line 1") as raised:
        await read(logs, selector='{app="shop"} ||')
    assert not raised.value.retryable


@pytest.mark.parametrize(("status", "retryable"), [(429, True), (500, True), (502, True), (401, False), (404, False)])
async def test_what_may_pass_is_worth_asking_again(
    fake: FakeLoki, logs: LokiLogs, status: int, *, retryable: bool
) -> None:
    fake.says = lambda _: Said(status=status, body="no")
    with pytest.raises(PluginError, match=f"{status} no") as raised:
        await read(logs)
    assert raised.value.retryable is retryable


async def test_tenant_and_token_go_along(fake: FakeLoki, server: Server, given_tools: Tools) -> None:
    fake.hold({"shop": numbered(1)})
    logs = build({"url": server.url, "tenant": "shops", "token_file": "/run/token"}, tools=given_tools)
    await read(logs)
    sent = {(asked.headers["x-scope-orgid"], asked.headers["authorization"]) for asked in server.asked}
    assert sent == {("shops", "Bearer t0ken")}


async def test_a_very_long_line_is_cut(fake: FakeLoki, logs: LokiLogs) -> None:
    fake.hold({"shop": [LogLine(at=START, text="x" * 100_000)]})
    assert [len(text) for text in await read(logs)] == [LONGEST]


async def test_answers_that_are_too_large_are_asked_for_in_smaller_pages(
    fake: FakeLoki, server: Server, given_tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devops_agent.plugins.loki.client._LIMIT", 20_000)
    fake.hold({"shop": [line.with_(text=f"{line.text} {'x' * 100}") for line in numbered(300)]})
    logs = build({"url": server.url, "page": 1_000}, tools=given_tools)
    answer = await logs.lines(SHOP, begin=START, end=START + HOUR)
    assert (len(answer.lines), answer.partial) == (300, False)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("matrix", {"values": [[1, "2"], [2, "NaN"], ["x"], [3, "4"]]}), ("vector", {"value": [1, "2"]})],
)
async def test_metric_queries_give_figures(fake: FakeLoki, logs: LokiLogs, kind: str, value: dict[str, object]) -> None:
    rows = [{"metric": {"level": "error"}, **value}, {"metric": {}, "values": []}]
    fake.says = lambda _: Said(body={"status": "success", "data": {"resultType": kind, "result": rows}})
    figures = await logs.figures("count", begin=START, end=START + HOUR, step=timedelta(minutes=1))
    (series,) = figures.series
    assert (series.labels, series.times[0], series.values[0]) == ({"level": "error"}, 1.0, 2.0)
    assert series.values in ((2.0, 4.0), (2.0,))


@pytest.mark.parametrize("config", [{}, {"url": "loki:3100"}, {"url": "http://a", "page": 1}])
def test_settings_that_cannot_work_are_refused(config: dict[str, object], given_tools: Tools) -> None:
    with pytest.raises(SettingsError, match=r"plugins\.loki"):
        build(config, tools=given_tools)


@pytest.mark.parametrize("given_options", ["app=shop", {"selektor": "x"}])
async def test_options_that_cannot_work_are_refused(logs: LokiLogs, given_options: object) -> None:
    target = Target(name="shop", options={"loki": given_options})
    with pytest.raises(PluginError, match=r"targets\[shop\]\.options\.loki"):
        await logs.lines(target, begin=START, end=START + HOUR)


SCALAR = st.none() | st.booleans() | st.floats() | st.integers() | st.text()
VALUES = st.lists(st.lists(SCALAR, max_size=3) | SCALAR, max_size=3)
STREAM = st.fixed_dictionaries({"stream": st.just({"a": "b"}), "values": VALUES})
SERIES = st.fixed_dictionaries({"metric": st.just({"a": "b"}), "values": VALUES})
KINDS = st.sampled_from(["streams", "matrix", "vector", "poem"])


@given(SCALAR | st.fixed_dictionaries({"resultType": KINDS, "result": SCALAR | st.lists(STREAM | SERIES | SCALAR)}))
async def test_any_answer_is_read_or_refused(data: object) -> None:
    client = LokiClient(
        "http://loki",
        http=Saying(json.dumps({"status": "success", "data": data}).encode()),
        authorization=Authorization(secret=lambda path: path),
        timeout=timedelta(seconds=5),
    )
    for asking in (
        client.query_range("{}", begin=0, end=1, limit=1),
        client.label_values("x", begin=START, end=START),
    ):
        try:
            await asking
        except PluginError as error:
            assert str(error).startswith("cannot ")  # noqa: PT017 — either is right
