from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.testing import START, LogsContract, tools
from devops_agent.kit.testing.telemetry_contract import GivenLines
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Lines, LogLine
from devops_agent.plugins.process.logs import FileLogs, _dated, build
from devops_agent.ports import Logs, PluginError

HOUR = timedelta(hours=1)


class OfFolder:
    """Gives every target a file of its own name, and takes the time off its lines, as the contract wants them."""

    def __init__(self, logs: FileLogs, folder: Path) -> None:
        self._logs, self._folder = logs, folder

    async def lines(
        self, target: Target, *, begin: datetime, end: datetime, limit: int = 5_000, errors_only: bool = False
    ) -> Lines:
        there = target.with_(options={"log_file": str(self._folder / f"{target.name.replace('/', '_')}.log")})
        answer = await self._logs.lines(there, begin=begin, end=end, limit=limit, errors_only=errors_only)
        return answer.with_(lines=tuple(line.with_(text=line.text.partition("Z ")[2]) for line in answer.lines))


@pytest.fixture
def logs(tmp_path: Path) -> FileLogs:
    return build({}, tools=tools(tmp_path))


class TestFileLogs(LogsContract):
    @pytest.fixture
    def given(self, logs: FileLogs, tmp_path: Path) -> GivenLines:
        async def given(lines: Mapping[str, Sequence[LogLine]]) -> Logs:
            for name, held in lines.items():
                texts = (f"{line.at:%Y-%m-%d %H:%M:%S}.000Z {line.text}\n" for line in held)
                (tmp_path / f"{name}.log").write_text("".join(texts))
            return OfFolder(logs, tmp_path)

        return given


async def read(logs: FileLogs, path: Path, *, begin: datetime = START) -> list[tuple[float, str]]:
    target = Target(name="shop", via="process", options={"log": str(path)})
    answer = await logs.lines(target, begin=begin, end=START + HOUR)
    return [((line.at - START).total_seconds(), line.text) for line in answer.lines]


@pytest.mark.parametrize(
    ("stamp", "after"),
    [
        ("2026-01-05T12:00:05Z", 5),
        ("2026-01-05T12:00:05.250000123Z", 5.25),
        ("[2026-01-05 13:00:05,250 +0100]", 5.25),
        ('{"level": "info", "time": "2026-01-05T07:00:05-05:00"}', 5),
        ("2026/01/05 12:00:05 UTC [error] 7#7:", 5),
        ('127.0.0.1 - - [05/Jan/2026:14:00:05 +0200] "GET / HTTP/1.1"', 5),
    ],
)
async def test_times_are_read_in_the_usual_forms(logs: FileLogs, tmp_path: Path, stamp: str, after: float) -> None:
    file = tmp_path / "shop.log"
    file.write_text(f"{stamp} hello\n")
    assert await read(logs, file) == [(after, f"{stamp} hello")]


async def test_a_time_without_a_zone_is_the_machines(logs: FileLogs, tmp_path: Path) -> None:
    file = tmp_path / "shop.log"
    file.write_text(f"{(START + HOUR / 2).astimezone():%Y-%m-%d %H:%M:%S} INFO hello\n")
    ((after, _),) = await read(logs, file)
    assert after == 1_800


async def test_lines_without_a_time_belong_to_the_line_before(logs: FileLogs, tmp_path: Path) -> None:
    file = tmp_path / "shop.log"
    file.write_text("starting\n2026-01-05T12:00:01Z ERROR\nTraceback\n  File\n2026-01-05T12:00:09Z done\n")
    assert [after for after, _ in await read(logs, file)] == [1, 1, 1, 1, 9]


async def test_a_file_without_any_time_is_as_old_as_its_last_change(logs: FileLogs, tmp_path: Path) -> None:
    file = tmp_path / "shop.log"
    file.write_text("one\ntwo\n")
    now = datetime.now(UTC)
    target = Target(name="shop", options={"log_file": str(file)})
    answer = await logs.lines(target, begin=now - HOUR, end=now + HOUR)
    assert ([line.text for line in answer.lines], answer.partial) == (["one", "two"], True)


async def test_only_the_end_of_a_large_file_is_read(
    logs: FileLogs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devops_agent.plugins.process.logs._TAIL", 100)
    file = tmp_path / "shop.log"
    file.write_text("".join(f"2026-01-05T12:00:{second:02}Z line\n" for second in range(60)))
    target = Target(name="shop", options={"log_file": str(file)})
    recent = await logs.lines(target, begin=START + timedelta(seconds=58), end=START + HOUR)
    everything = await logs.lines(target, begin=START, end=START + HOUR)
    assert (len(recent.lines), recent.partial) == (2, False)
    assert (len(everything.lines), everything.partial) == (3, True)


@pytest.mark.parametrize("path", ["/nowhere/shop.log", "/dev/null"])
async def test_what_is_no_file_is_refused(logs: FileLogs, path: str) -> None:
    target = Target(name="shop", options={"log_file": path})
    with pytest.raises(PluginError, match=f"cannot read the log {path}"):
        await logs.lines(target, begin=START, end=START + HOUR)


@given(st.lists(st.text()), st.datetimes(timezones=st.just(UTC)))
def test_any_line_is_read(lines: list[str], before: datetime) -> None:
    assert len(list(_dated(lines, before=before))) == len(lines)


@given(
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[.,][0-9]{1,9}[+-][0-9]{4}", fullmatch=True)
)
def test_times_that_there_are_not_are_no_times(stamp: str) -> None:
    ((line),) = _dated([stamp], before=START)
    assert line.at.tzinfo is UTC


async def test_of_a_file_of_line_ends_only_the_last_lines_are_read(
    logs: FileLogs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devops_agent.plugins.process.logs._MOST_LINES", 3)
    path = tmp_path / "shop.log"
    path.write_text("2026-01-05T12:00:05Z begins\r\n\n\n2026-01-05T12:00:07Z one\x0cand the same\n\n")
    assert await read(logs, path) == [(7.0, ""), (7.0, "2026-01-05T12:00:07Z one\x0cand the same"), (7.0, "")]
    target = Target(name="shop", options={"log_file": str(path)})
    assert (await logs.lines(target, begin=START - HOUR, end=START + HOUR)).partial
