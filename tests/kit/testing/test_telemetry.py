from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from devops_agent.kit.testing import (
    START,
    ChangesContract,
    FakeChanges,
    FakeLogs,
    FakeMetrics,
    LogsContract,
    MetricsContract,
)
from devops_agent.kit.testing.telemetry_contract import GivenChanges, GivenLines, GivenSeries
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, LogLine, Series
from devops_agent.ports import ChangeSource, Logs, Metrics, PluginError

SHOP = Target(name="shop")
MINUTE = timedelta(minutes=1)


class TestFakeMetrics(MetricsContract):
    @pytest.fixture
    def given(self) -> GivenSeries:
        async def given(series: Sequence[Series]) -> Metrics:
            return FakeMetrics(series)

        return given


class TestFakeLogs(LogsContract):
    @pytest.fixture
    def given(self) -> GivenLines:
        async def given(lines: Mapping[str, Sequence[LogLine]]) -> Logs:
            return FakeLogs(lines)

        return given


class TestFakeChanges(ChangesContract):
    @pytest.fixture
    def given(self) -> GivenChanges:
        async def given(changes: Sequence[Change]) -> ChangeSource:
            return FakeChanges(changes)

        return given


async def test_readings_are_the_series_with_a_standard_name() -> None:
    metrics = FakeMetrics()
    metrics.add("latency_p95_ms", [80, 90, None, 400], begin=START, target="shop", unit="ms")
    metrics.add("queue_length", [1, 2], begin=START, target="shop")
    metrics.add("latency_p95_ms", [10], begin=START, target="till")
    (found,) = await metrics.readings(SHOP, begin=START, end=START + MINUTE, step=timedelta(seconds=15))
    (series,) = found.series
    assert (series.name, series.target, series.unit, series.values) == ("latency_p95_ms", "shop", "ms", (80, 90, 400))


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('{service="shop"}', ["a", "b"]),
        ('a{service=~"sh.p|till"}', ["a"]),
        ('{service!="shop"}', ["c"]),
        ('{__name__="b"}', ["b"]),
    ],
)
async def test_selectors_are_understood(expression: str, names: list[str]) -> None:
    metrics = FakeMetrics()
    for name, target in (("a", "shop"), ("b", "shop"), ("c", "till")):
        metrics.add(name, [1], begin=START, target=target)
    assert [one.name for one in (await metrics.query(expression, at=START)).series] == names
    assert metrics.asked == [expression]


async def test_lines_are_written_one_after_the_other() -> None:
    logs = FakeLogs()
    logs.write("shop", "one", "two", at=START, every=MINUTE, level="error")
    answer = await logs.lines(SHOP, begin=START, end=START + 2 * MINUTE, errors_only=True)
    assert [(line.text, line.at - START) for line in answer.lines] == [("one", timedelta()), ("two", MINUTE)]


async def test_a_source_in_trouble_raises_it() -> None:
    metrics, logs, changes = FakeMetrics(), FakeLogs(), FakeChanges()
    metrics.trouble = logs.trouble = changes.trouble = PluginError("away")
    with pytest.raises(PluginError, match="away"):
        await metrics.query("up", at=START)
    with pytest.raises(PluginError, match="away"):
        await logs.lines(SHOP, begin=START, end=START + MINUTE)
    with pytest.raises(PluginError, match="away"):
        await changes.changes(SHOP, begin=START, end=START + MINUTE)
