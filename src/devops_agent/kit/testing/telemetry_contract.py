"""The rules that all sources of evidence obey, as tests to inherit from."""

# ruff: noqa: D102 — a test's name states the rule

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from devops_agent.kit.testing.clock import START
from devops_agent.kit.testing.must import must
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, ChangeKind, LogLine, Series
from devops_agent.ports import ChangeSource, Logs, Metrics, PluginError

GivenSeries = Callable[[Sequence[Series]], Awaitable[Metrics]]
GivenLines = Callable[[Mapping[str, Sequence[LogLine]]], Awaitable[Logs]]
GivenChanges = Callable[[Sequence[Change]], Awaitable[ChangeSource]]

MOST_POINTS = 500
SHOP = Target(name="shop", via="docker")
HOSTILE = Target(name='shop"} or {x="\\', via="docker")
"""A name that would break out of a query that is not escaped."""
_HOUR = timedelta(hours=1)


class MetricsContract:
    """Inherit and give the fixture `given`: `await given(series)` returns a source that holds exactly these series.

    A series carries its target's name in the label `service`.
    """

    async def test_a_query_gives_the_newest_value_at_that_moment(self, given: GivenSeries) -> None:
        metrics = await given([_series("queue_length", [1, 2, 3])])
        answer = await metrics.query('queue_length{service="shop"}', at=START + timedelta(seconds=30))
        must([one.values for one in answer.series] == [(3.0,)], f"the newest sample is given: {answer}")
        must(answer.series[0].labels.get("service") == "shop", f"labels are kept: {answer}")
        must("queue_length" in answer.query and not answer.partial, f"the query is told: {answer}")

    async def test_a_window_gives_points_oldest_first_and_leaves_gaps(self, given: GivenSeries) -> None:
        metrics = await given([_series("queue_length", [1, 2, None, 4])])
        answer = await metrics.query_range(
            "queue_length", begin=START, end=START + timedelta(seconds=45), step=timedelta(seconds=15)
        )
        (one,) = answer.series
        must(one.values == (1.0, 2.0, 4.0), f"a gap is no point: {one}")
        must(one.times == tuple(START.timestamp() + after for after in (0, 15, 45)), f"in order: {one}")

    async def test_a_step_is_widened_rather_than_too_many_points_asked_for(self, given: GivenSeries) -> None:
        metrics = await given([_series("queue_length", [float(n) for n in range(240)])])
        answer = await metrics.query_range("queue_length", begin=START, end=START + _HOUR, step=timedelta(seconds=1))
        must(0 < len(answer.series[0].times) <= MOST_POINTS, f"{len(answer.series[0].times)} points")

    async def test_what_nobody_measures_gives_no_series(self, given: GivenSeries) -> None:
        metrics = await given([_series("queue_length", [1])])
        must((await metrics.query("no_such_metric", at=START)).series == (), "no series, and no error")

    async def test_a_query_that_is_none_is_refused_for_good(self, given: GivenSeries) -> None:
        metrics = await given([_series("queue_length", [1])])
        try:
            await metrics.query("sum(((", at=START)
        except PluginError as error:
            must(not error.retryable, "asking again would not help")
            must(str(error).startswith("cannot "), f"the error says what cannot be done: {error}")
        else:
            raise AssertionError("a query that is none was answered")

    async def test_series_of_a_target_are_found_by_its_labels_up_to_a_limit(self, given: GivenSeries) -> None:
        mine = [_series(f"metric_{n}", [1, 2]) for n in range(4)]
        metrics = await given([*mine, _series("metric_0", [1], target="other")])
        end = START + timedelta(minutes=1)
        found = await metrics.discover(SHOP, begin=START, end=end)
        must(len(found) == len(mine) and all('service="shop"' in one for one in found), f"only its own: {found}")
        must(len(await metrics.discover(SHOP, begin=START, end=end, limit=2)) == 2, "no more than the limit")  # noqa: PLR2004
        for selector in found:
            answer = await metrics.query(selector, at=START + timedelta(seconds=15))
            must(len(answer.series) == 1, f"a selector selects its series: {selector}")

    async def test_a_hostile_name_selects_nothing_of_others(self, given: GivenSeries) -> None:
        metrics = await given([_series("metric_0", [1, 2])])
        end = START + timedelta(minutes=1)
        must(await metrics.discover(HOSTILE, begin=START, end=end) == [], "nothing is found")
        must(await metrics.readings(HOSTILE, begin=START, end=end, step=timedelta(seconds=15)) == [], "nothing is read")


class LogsContract:
    """Inherit and give the fixture `given`: `await given({"shop": lines})` returns a source that holds these lines."""

    async def test_lines_of_the_window_come_oldest_first(self, given: GivenLines) -> None:
        logs = await given({"shop": _lines(10), "other": _lines(3, "not mine")})
        answer = await logs.lines(SHOP, begin=_after(2), end=_after(5))
        must([line.text for line in answer.lines] == ["line 2", "line 3", "line 4"], f"begin ≤ at < end: {answer}")
        must([line.at for line in answer.lines] == [_after(2), _after(3), _after(4)], f"at their times: {answer}")
        must(bool(answer.query) and not answer.partial, f"the query is told, nothing is missing: {answer}")

    async def test_the_newest_are_kept_when_there_are_too_many(self, given: GivenLines) -> None:
        logs = await given({"shop": _lines(30)})
        answer = await logs.lines(SHOP, begin=START, end=START + _HOUR, limit=7)
        must([line.text for line in answer.lines] == [f"line {n}" for n in range(23, 30)], f"the newest: {answer}")
        must(answer.partial, "it is marked that lines are missing")

    async def test_errors_only_leaves_the_rest_out(self, given: GivenLines) -> None:
        texts = ("all is well", "ERROR no disk", "Traceback (most recent call last):", "Unhandled Exception", "done")
        lines = [LogLine(at=_after(n), text=text) for n, text in enumerate(texts)]
        answer = await (await given({"shop": lines})).lines(SHOP, begin=START, end=START + _HOUR, errors_only=True)
        must([line.text for line in answer.lines] == list(texts[1:4]), f"only errors: {answer}")

    async def test_a_quiet_window_is_an_answer(self, given: GivenLines) -> None:
        logs = await given({"shop": _lines(3)})
        answer = await logs.lines(SHOP, begin=START + 2 * _HOUR, end=START + 3 * _HOUR)
        must(answer.lines == () and not answer.partial, f"no lines, and no error: {answer}")

    async def test_a_target_without_logs_is_said_to_have_none(self, given: GivenLines) -> None:
        logs = await given({"other": _lines(3)})
        for target in (SHOP, HOSTILE):
            try:
                answer = await logs.lines(target, begin=START, end=START + _HOUR)
            except PluginError as error:
                must(str(error).startswith("cannot "), f"the error says what cannot be done: {error}")
            else:
                raise AssertionError(f"lines of somebody else: {answer}")


class ChangesContract:
    """Inherit and give the fixture `given`: `await given(changes)` returns a source that knows exactly these.

    They are of the kind that `kind` says, and `target` is whose they are.
    """

    kind = ChangeKind.GIT
    target = SHOP

    async def test_changes_of_the_window_come_oldest_first(self, given: GivenChanges) -> None:
        known = [self._change(hours) for hours in (5, 1, 3)]
        found = await (await given(known)).changes(self.target, begin=START + _HOUR, end=START + 4 * _HOUR)
        must([change.at for change in found] == [START + _HOUR, START + 3 * _HOUR], f"those of the window: {found}")
        must(all(change.target == self.target.name and change.says and change.source for change in found), f"{found}")
        must(all(change.kind is self.kind for change in found), f"of their kind: {found}")

    async def test_nothing_changed_is_an_answer(self, given: GivenChanges) -> None:
        source = await given([self._change(5)])
        must(await source.changes(self.target, begin=START, end=START + _HOUR) == [], "nothing in that window")

    def _change(self, hours: int) -> Change:
        at = START + hours * _HOUR
        return Change(target=self.target.name, kind=self.kind, at=at, says=f"change {hours}", source="test")


def _series(name: str, values: Sequence[float | None], *, target: str = "shop") -> Series:
    points = [(START.timestamp() + 15 * n, float(value)) for n, value in enumerate(values) if value is not None]
    return Series(
        name=name,
        target=target,
        labels={"service": target},
        times=tuple(time for time, _ in points),
        values=tuple(value for _, value in points),
    )


def _lines(number: int, word: str = "line") -> list[LogLine]:
    return [LogLine(at=_after(n), text=f"{word} {n}") for n in range(number)]


def _after(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)
