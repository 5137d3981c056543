"""A Prometheus that holds series and knows selectors; what else it is asked, a test lets it answer."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from devops_agent.kit.testing import FakeMetrics
from devops_agent.ports import PluginError
from tests.plugins.asked import Asked, Said

Row = tuple[dict[str, str], float]


class FakePrometheus:
    """Answers as the real one does (`answer` is for tests.plugins.asked.serving)."""

    def __init__(self, metrics: FakeMetrics | None = None) -> None:
        self.metrics = metrics or FakeMetrics()
        self.says: Callable[[Asked], Said | None] | None = None
        """Answers everything while it is set."""
        self.rows: list[tuple[str, list[Row]]] = []
        """Regular expression of PromQL → the labels and the value of each row that it gives."""
        self.labels: dict[str, list[str]] = {}
        """Values of labels, beside those of the series."""

    def know(self, expression: str, *rows: Row) -> None:
        """Answer PromQL in which this regular expression is found with these rows."""
        self.rows.append((expression, list(rows)))

    async def answer(self, asked: Asked) -> Said | None:
        if self.says is not None:
            return self.says(asked)
        try:
            return Said(body={"status": "success", "data": await self._data(asked)})
        except PluginError as error:
            says = {"status": "error", "errorType": "bad_data", "error": f"invalid parameter: {error}"}
            return Said(status=400, body=says)

    async def _data(self, asked: Asked) -> object:
        match asked.path.split("/")[3:]:
            case ["query"]:
                return {"resultType": "vector", "result": await self._vector(asked)}
            case ["query_range"]:
                return {"resultType": "matrix", "result": await self._matrix(asked)}
            case ["series"]:
                return await self._series(asked)
            case ["label", label, "values"]:
                known = {one.labels[label] for one in self.metrics.series if label in one.labels}
                return sorted(known | set(self.labels.get(label, ())))
        return None

    async def _vector(self, asked: Asked) -> list[dict[str, object]]:
        at = float(asked.one("time"))
        if (rows := self._rows(asked)) is not None:
            return [{"metric": labels, "value": [at, str(value)]} for labels, value in rows]
        figures = await self.metrics.query(asked.one("query"), at=moment(at))
        return [
            {"metric": {"__name__": one.name, **one.labels}, "value": [at, str(one.values[-1])]}
            for one in figures.series
        ]

    async def _matrix(self, asked: Asked) -> list[dict[str, object]]:
        begin, end, step = (float(asked.one(name)) for name in ("start", "end", "step"))
        if (rows := self._rows(asked)) is not None:
            times = [begin + step * index for index in range(int((end - begin) / step) + 1)]
            return [{"metric": labels, "values": [[time, str(value)] for time in times]} for labels, value in rows]
        asking = self.metrics.query_range(
            asked.one("query"), begin=moment(begin), end=moment(end), step=timedelta(seconds=step)
        )
        return [
            {
                "metric": {"__name__": one.name, **one.labels},
                "values": [[time, str(value)] for time, value in zip(one.times, one.values, strict=True)],
            }
            for one in (await asking).series
        ]

    async def _series(self, asked: Asked) -> list[dict[str, str]]:
        begin, end = (moment(float(asked.one(name))) for name in ("start", "end"))
        found: dict[str, dict[str, str]] = {}
        for selector in asked.form["match[]"]:
            asking = self.metrics.query_range(selector, begin=begin, end=end, step=timedelta(seconds=15))
            for one in (await asking).series:
                labels = {"__name__": one.name, **one.labels}
                found[str(sorted(labels.items()))] = labels
        return list(found.values())

    def _rows(self, asked: Asked) -> list[Row] | None:
        for expression, rows in self.rows:
            if re.search(expression, asked.one("query")):
                return rows
        return None


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def up(**labels: str) -> Row:
    return labels, 1.0
