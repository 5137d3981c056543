"""A Loki that holds lines, and of LogQL knows what this project asks."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

from devops_agent.kit.testing import START
from devops_agent.model.telemetry import LogLine
from devops_agent.plugins.loki.client import nanoseconds
from tests.plugins.asked import Asked, Said

_STRING = r'"((?:[^"\\]|\\.)*)"'
_MATCHER = re.compile(rf"\s*(\w+)\s*(=~|!~|=|!=)\s*{_STRING}\s*(?:,|$)")
_FILTER = re.compile(rf"\s*(\|~|!~)\s*{_STRING}")
_LEVEL = re.compile(rf"\s*\| (\w+)=~{_STRING} or (\w+)=~{_STRING}")


class FakeLoki:
    """Answers as the real one does; with `rounded` as qryn does."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.rounded = False
        self.most = 5_000
        """`max_entries_limit`."""
        self.says: Callable[[Asked], Said | None] | None = None
        """Answers everything while it is set."""

    def hold(self, lines: Mapping[str, Sequence[LogLine]], *, label: str = "service_name") -> None:
        """Hold lines of targets, whose name is under `label`."""
        for target, held in lines.items():
            self.lines += [line.with_(labels={**line.labels, label: target}) for line in held]

    async def answer(self, asked: Asked) -> Said | None:
        if self.says is not None:
            return self.says(asked)
        match asked.path.split("/")[4:]:
            case ["labels"]:
                return _success(sorted({label for line in self.lines for label in line.labels}))
            case ["label", label, "values"]:
                return _success(sorted({line.labels[label] for line in self.lines if label in line.labels}))
            case ["query_range"]:
                return self._query(asked)
        return Said(status=404, body="404 page not found")

    def _query(self, asked: Asked) -> Said:
        begin, end, limit = (int(asked.one(name)) for name in ("start", "end", "limit"))
        if limit > self.most:
            says = f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {self.most})"
            return Said(status=400, body=says)
        try:
            wanted = _read(asked.one("query"))
        except ValueError as error:
            return Said(status=400, body=f"parse error at line 1, col 1: {error}\n")
        found = [line for line in self.lines if begin <= nanoseconds(line.at) < end and wanted(line)]
        newest = sorted(found, key=lambda line: line.at)[-limit:]
        newest.reverse()
        ordered = sorted(newest, key=lambda line: sorted(line.labels.items()))
        streams = [
            {"stream": dict(labels), "values": [[self._time(line.at), line.text] for line in lines]}
            for labels, lines in groupby(ordered, key=lambda line: sorted(line.labels.items()))
        ]
        return _success({"resultType": "streams", "result": streams, "stats": {}})

    def _time(self, at: datetime) -> str | float:
        return float(nanoseconds(at)) if self.rounded else str(nanoseconds(at))


def numbered(count: int, *, every_ms: int = 1) -> list[LogLine]:
    begin = START.timestamp()
    return [
        LogLine(at=datetime.fromtimestamp(begin + number * every_ms / 1_000, UTC), text=f"line {number}")
        for number in range(count)
    ]


def _success(data: object) -> Said:
    return Said(body={"status": "success", "data": data})


def _read(query: str) -> Callable[[LogLine], bool]:
    selector, rest = _selector(query)
    matchers = list(_matchers(selector))
    filters = []
    while found := _FILTER.match(rest):
        filters.append((found[1], re.compile(_unquoted(found[2]))))
        rest = rest[found.end() :]
    level = _LEVEL.fullmatch(rest) if rest.strip() else None
    if rest.strip() and level is None:
        raise ValueError(f"syntax error: unexpected {rest.strip()[:20]}")

    def wanted(line: LogLine) -> bool:
        return (
            all(_holds(line.labels.get(label, ""), operator, value) for label, operator, value in matchers)
            and all((regex.search(line.text) is not None) is (operator == "|~") for operator, regex in filters)
            and (
                level is None
                or any(_holds(line.labels.get(level[n], ""), "=~", _unquoted(level[n + 1])) for n in (1, 3))
            )
        )

    return wanted


def _selector(query: str) -> tuple[str, str]:
    found = re.match(rf"\s*\{{((?:[^\"}}]|{_STRING})*)\}}", query)
    if found is None:
        raise ValueError("syntax error: unexpected end of input")
    return found[1], query[found.end() :]


def _matchers(text: str) -> Iterator[tuple[str, str, str]]:
    at = 0
    while text[at:].strip():
        found = _MATCHER.match(text, at)
        if found is None:
            raise ValueError(f"syntax error: unexpected {text[at:]}")
        yield found[1], found[2], _unquoted(found[3])
        at = found.end()


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda one: "\n" if one[1] == "n" else one[1], text)


def _holds(have: str, operator: str, value: str) -> bool:
    same = re.fullmatch(value, have) is not None if "~" in operator else have == value
    return same is not operator.startswith("!")
