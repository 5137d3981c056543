"""The plugin against a server that runs LogQL and writes times as rounded numbers."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import START, FakeClock, LogsContract, tools
from devops_agent.kit.testing.telemetry_contract import SHOP, GivenLines
from devops_agent.model.telemetry import LogLine
from devops_agent.plugins.loki.client import nanoseconds
from devops_agent.plugins.loki.logs import LokiLogs, build
from devops_agent.ports import Logs, PluginError
from tests.plugins.loki.fake import numbered
from tests.real.logql import LogQL
from tests.real.running import until

HOUR = timedelta(hours=1)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    http = Http()
    yield http
    await http.close()


@pytest.fixture
def label() -> str:
    """A label of the test's own: the server is shared."""
    return f"service_{uuid4().hex}"


@pytest.fixture
def logs(logql: LogQL, label: str, http: Http, tmp_path: Path) -> LokiLogs:
    config = {"url": logql.url, "labels": [label], "page": 40}
    return build(config, tools=tools(tmp_path, clock=FakeClock(), http=http))


async def pushed(logql: LogQL, label: str, lines: Mapping[str, Sequence[LogLine]], **labels: str) -> None:
    """Write lines and wait until all can be read."""
    for name, held in lines.items():
        logql.push({label: name, **labels}, held)
    matching = ",".join(f'{key}="{value}"' for key, value in labels.items())
    asked = {
        "query": f'{{{label}=~".+"{"," if matching else ""}{matching}}}',
        "start": str(nanoseconds(START - HOUR)),
        "end": str(nanoseconds(START + HOUR)),
        "limit": "5000",
    }
    wanted = sum(map(len, lines.values()))

    async def there() -> bool:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{logql.url}/loki/api/v1/query_range", params=asked) as answer,
        ):
            streams = (await answer.json(content_type=None))["data"]["result"]
            return sum(len(stream["values"]) for stream in streams) >= wanted

    await until(there, "the lines to be readable")


class TestRealLogQL(LogsContract):
    @pytest.fixture
    def given(self, logql: LogQL, label: str, logs: LokiLogs) -> GivenLines:
        async def given(lines: Mapping[str, Sequence[LogLine]]) -> Logs:
            await pushed(logql, label, lines)
            return logs

        return given


async def test_pages_are_put_together_without_loss_or_repetition(logql: LogQL, label: str, logs: LokiLogs) -> None:
    lines = numbered(300)
    await pushed(logql, label, {"shop": lines})
    answer = await logs.lines(SHOP, begin=START, end=START + HOUR)
    assert [line.text for line in answer.lines] == [line.text for line in lines]
    assert not answer.partial


async def test_errors_are_told_by_their_level_too(logql: LogQL, label: str, logs: LokiLogs) -> None:
    await pushed(logql, label, {"shop": [LogLine(at=START, text="no luck")]}, level="error")
    await pushed(logql, label, {"shop": [LogLine(at=START, text="all is well")]}, level="info")
    answer = await logs.lines(SHOP, begin=START, end=START + HOUR, errors_only=True)
    assert [line.text for line in answer.lines] == ["no luck"]


async def test_metric_queries_give_figures(logql: LogQL, label: str, logs: LokiLogs) -> None:
    await pushed(logql, label, {"shop": numbered(20)}, level="error")
    query = f'sum by (level) (count_over_time({{{label}="shop"}}[1m]))'
    figures = await logs.figures(query, begin=START, end=START + 2 * timedelta(minutes=1), step=timedelta(seconds=15))
    (series,) = figures.series
    assert series.labels == {"level": "error"}
    assert max(series.values) == 20


async def test_a_query_that_is_none_is_refused_for_good(logs: LokiLogs) -> None:
    target = SHOP.with_(options={"loki": {"selector": '{service="shop'}})
    with pytest.raises(PluginError, match="400") as raised:
        await logs.lines(target, begin=START, end=START + HOUR)
    assert not raised.value.retryable


async def test_many_lines_are_read_in_good_time(logql: LogQL, label: str, http: Http, tmp_path: Path) -> None:
    lines = numbered(5_000)
    await pushed(logql, label, {"shop": lines})
    logs = build({"url": logql.url, "labels": [label]}, tools=tools(tmp_path, clock=FakeClock(), http=http))
    begun = time.monotonic()
    answer = await logs.lines(SHOP, begin=START, end=START + HOUR, limit=5_000)
    assert len(answer.lines) == 5_000
    assert time.monotonic() - begun < 60
