from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.http import Http
from devops_agent.kit.testing import START, LogsContract, tools
from devops_agent.kit.testing.telemetry_contract import SHOP, GivenLines
from devops_agent.model.telemetry import LogLine
from devops_agent.plugins.docker.client import frames
from devops_agent.plugins.docker.logs import LONGEST, DockerLogs, _read, build
from devops_agent.ports import Logs, PluginError
from tests.plugins.asked import Said, serving
from tests.plugins.docker.holding import HoldingEngine, framed, stamped

HOUR = timedelta(hours=1)


@pytest.fixture
def engine() -> HoldingEngine:
    return HoldingEngine()


@pytest.fixture
async def logs(engine: HoldingEngine, tmp_path: Path) -> AsyncIterator[DockerLogs]:
    http = Http()
    async with serving(engine.answer, socket=tmp_path / "d.sock"):
        yield build({"socket": str(tmp_path / "d.sock")}, tools=tools(tmp_path, http=http))
        await http.close()


@pytest.mark.parametrize("tty", [False, True])
class TestDockerLogs(LogsContract):
    @pytest.fixture
    def given(self, engine: HoldingEngine, logs: DockerLogs, *, tty: bool) -> GivenLines:
        async def given(lines: Mapping[str, Sequence[LogLine]]) -> Logs:
            for name, held in lines.items():
                engine.add(name, *held, tty=tty)
            return logs

        return given


def numbered(count: int) -> list[LogLine]:
    return [LogLine(at=START + timedelta(seconds=number), text=f"line {number}") for number in range(count)]


async def test_a_window_long_ago_is_found_behind_what_was_written_since(
    engine: HoldingEngine, logs: DockerLogs
) -> None:
    engine.add("shop", *numbered(500))
    answer = await logs.lines(SHOP, begin=START, end=START + timedelta(seconds=4), limit=4)
    assert [line.text for line in answer.lines] == ["line 0", "line 1", "line 2", "line 3"]
    assert not answer.partial


async def test_a_single_error_is_found_behind_many_other_lines(engine: HoldingEngine, logs: DockerLogs) -> None:
    engine.add("shop", LogLine(at=START, text="FATAL no disk"), *numbered(300))
    answer = await logs.lines(SHOP, begin=START, end=START + HOUR, limit=3, errors_only=True)
    assert [line.text for line in answer.lines] == ["FATAL no disk"]


async def test_more_than_can_be_read_is_partial(
    engine: HoldingEngine, logs: DockerLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devops_agent.plugins.docker.logs._MOST_LINES", 50)
    engine.add("shop", *numbered(300))
    answer = await logs.lines(SHOP, begin=START, end=START + timedelta(seconds=260), limit=100)
    assert (answer.lines[0].text, answer.partial) == ("line 250", True)


async def test_both_streams_are_told_apart(engine: HoldingEngine, logs: DockerLogs) -> None:
    engine.add("shop", LogLine(at=START, text="all is well"), LogLine(at=START, text="no err at all"))
    answer = await logs.lines(SHOP, begin=START, end=START + HOUR)
    assert [line.labels for line in answer.lines] == [
        {"container": "shop", "stream": "stdout"},
        {"container": "shop", "stream": "stderr"},
    ]


@pytest.mark.parametrize(
    ("status", "message", "retryable"),
    [
        (501, "configured logging driver does not support reading", False),
        (500, "the disk is slow", True),
        (409, "marked for removal", False),
    ],
)
async def test_what_the_engine_says_against_it_is_passed_on(
    engine: HoldingEngine, logs: DockerLogs, status: int, message: str, *, retryable: bool
) -> None:
    engine.add("shop")
    engine.refuses = Said(status=status, body={"message": message})
    with pytest.raises(PluginError, match=f"cannot read the log of container shop: .*{message}") as raised:
        await logs.lines(SHOP, begin=START, end=START + HOUR)
    assert raised.value.retryable is retryable


def test_a_line_in_pieces_is_one_line() -> None:
    one, two = (stamped(LogLine(at=START, text=text), end=b"") for text in ("a" * 9, "b" * 9))
    body = (
        framed(one)
        + framed(stamped(LogLine(at=START, text="err")), stream=2)
        + framed(two)
        + framed(stamped(LogLine(at=START + HOUR, text="c")))
    )
    assert [line.text for line in _read(frames(body), {})] == ["err", "a" * 9 + "b" * 9 + "c"]


def test_an_endless_line_is_cut() -> None:
    piece = framed(stamped(LogLine(at=START, text="x" * 16_000), end=b""))
    (line,) = _read(frames(piece * 100), {})
    assert len(line.text) == LONGEST


@given(st.binary() | st.lists(st.binary()).map(lambda parts: b"".join(framed(part) for part in parts)))
def test_any_bytes_are_read(body: bytes) -> None:
    for line in (*_read(frames(body), {}), *_read([("stdout", body)], {})):
        assert len(line.text) <= LONGEST
        assert "\n" not in line.text
