import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.logs import mine
from devops_agent.model.telemetry import LogLine
from tests.analysis import recorded_traces as recorded

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTES = timedelta(minutes=10)


def lines(texts: Iterable[str], *, begin: datetime = NOON, length: timedelta = MINUTES, **labels: str) -> list[LogLine]:
    """Return lines spread evenly over a window."""
    given = list(texts)
    step = length / max(len(given) - 1, 1)
    return [LogLine(at=begin + number * step, text=text, labels=labels) for number, text in enumerate(given)]


def quiet(count: int = 60) -> list[LogLine]:
    return lines((f"INFO served request {n} in {n % 20 + 5} ms" for n in range(count)), begin=NOON - HOUR, length=HOUR)


def test_a_new_error_comes_first_with_its_category_and_an_example() -> None:
    texts = [f"INFO served request {n} in 9 ms" for n in range(30)]
    burst = [f"ERROR connection to 10.0.0.{n}:5432 refused" for n in range(5)]

    found = mine(lines([*texts, *burst]), baseline=quiet())

    first = found.patterns[0]
    assert (first.template, first.count, first.baseline, first.new) == ("connection to <*> refused", 5, 0, True)
    assert first.category == "connection"
    assert first.example == burst[0]
    assert (found.errors, found.baseline_errors) == (5, 0)
    assert (found.lines, found.baseline_lines) == (35, 60)


def test_new_errors_come_before_growing_errors_before_other_new_lines_before_what_goes_on() -> None:
    before = ["INFO all is well"] * 60 + ["ERROR lease lost"] * 4
    now = ["INFO all is well"] * 60 + ["INFO a fresh start"] + ["ERROR lease lost"] * 40 + ["ERROR disk is gone"]

    found = mine(lines(now), baseline=lines(before, begin=NOON - MINUTES))

    assert [one.template for one in found.patterns] == [
        *("disk is gone", "lease lost", "a fresh start", "all is well"),
    ]


def test_windows_of_different_length_are_compared_by_their_rates() -> None:
    before = lines(["ERROR late"] * 60, begin=NOON - HOUR, length=HOUR)

    same = mine(lines(["ERROR late"] * 10), baseline=before, window=MINUTES, before=HOUR)
    more = mine(lines(["ERROR late"] * 60), baseline=before, window=MINUTES, before=HOUR)

    assert 0.9 < same.patterns[0].growth < 1.2
    assert more.patterns[0].growth == 6.0


def test_a_window_that_held_no_lines_makes_all_new_and_one_that_was_not_looked_at_nothing() -> None:
    now = lines(["ERROR late"])

    assert mine(now, before=HOUR).patterns[0].new
    assert not mine(now).patterns[0].new
    assert mine(now).patterns[0].growth == 1.0


def test_few_more_lines_than_before_are_chance_and_come_after_what_grew() -> None:
    before = ["ERROR seldom"] * 3 + ["ERROR often"] * 10
    now = ["ERROR seldom"] * 7 + ["ERROR often"] * 60

    found = mine(lines(now), baseline=lines(before, begin=NOON - MINUTES))

    assert [one.template for one in found.patterns] == ["often", "seldom"]


def test_errors_are_found_in_json_in_logfmt_and_in_access_logs() -> None:
    texts = [
        '{"level":"error","msg":"cannot reach ledger","err":"dial tcp: no such host"}',
        'ts=2026-03-01T12:00:00Z level=error msg="context deadline exceeded"',
        '10.0.0.9 - - [01/Mar/2026:12:00:00 +0000] "GET /orders/7 HTTP/1.1" 503 9 "-" "curl"',
        '{"level":"info","msg":"fine"}',
    ]

    found = mine(lines(texts))

    assert found.errors == 3
    assert {one.category for one in found.patterns} == {"connection", "timeout", "dependency", ""}


def test_a_traceback_over_several_lines_is_one_error_told_to_file_and_line() -> None:
    texts = [
        "INFO start",
        "2026-03-01 12:00:00 ERROR api prediction failed",
        *recorded.PYTHON.split("\n"),
        "INFO go on",
    ]

    found = mine(lines(texts), baseline=quiet())

    (trace,) = found.traces
    assert (trace.language, trace.exception) == ("python", "IndexError")
    assert (trace.file, trace.line, trace.function) == ("/app/predictor/model.py", 88, "price")
    assert trace.new
    assert found.errors == 1
    assert {one.template for one in found.patterns} == {"api prediction failed", "start", "go on"}


def test_a_trace_that_no_record_announces_is_an_error_of_its_own() -> None:
    found = mine(lines(["listening", *recorded.GO.split("\n")]))

    assert found.errors == 1
    assert found.patterns[0].template == "runtime error: invalid memory address or nil pointer dereference"
    assert found.patterns[0].category == "crash"


def test_the_lines_of_a_trace_are_told_from_those_of_other_containers_between_them() -> None:
    one = lines(recorded.PYTHON.split("\n"), container="predictor")
    other = lines(recorded.JAVA.split("\n"), container="orders")
    noise = lines((f"INFO request {n}" for n in range(40)), container="web")
    mixed = sorted([*one, *other, *noise], key=lambda line: line.at)

    found = mine(mixed)

    assert {(trace.language, trace.line) for trace in found.traces} == {("python", 88), ("java", 5)}


def test_a_level_that_the_log_store_guessed_for_each_line_does_not_tear_a_trace() -> None:
    guessed = ["error", "unknown", "info"]
    torn = [
        LogLine(at=NOON, text=text, labels={"service_name": "predictor", "detected_level": guessed[number % 3]})
        for number, text in enumerate(recorded.PYTHON_CAUSE.split("\n"))
    ]

    (trace,) = mine(torn).traces

    assert (trace.exception, trace.line) == ("KeyError", 12)


def test_a_trace_in_one_line_of_json_is_read() -> None:
    text = json.dumps({"level": "error", "message": "prediction failed", "exc_info": recorded.PYTHON})

    found = mine(lines([text] * 3))

    assert [(one.exception, one.line, one.count) for one in found.traces] == [("IndexError", 88, 3)]
    assert found.errors == 3


def test_a_trace_that_was_there_before_is_not_new_though_a_release_moved_its_line() -> None:
    moved = recorded.PYTHON.replace("line 88", "line 90")

    found = mine(lines(recorded.PYTHON.split("\n")), baseline=lines(moved.split("\n"), begin=NOON - HOUR))

    assert [(one.line, one.new) for one in found.traces] == [(88, False)]


def test_an_operation_that_became_slower_is_told_with_its_growth() -> None:
    now = lines(f"INFO served request {n} in {n % 20 + 300} ms" for n in range(40))

    (slow,) = mine(now, baseline=quiet()).slow

    assert (slow.operation, slow.count) == ("served request <*> in <*> ms", 40)
    assert slow.median_ms == 309.5
    assert slow.worst_ms == 319.0
    assert slow.growth > 20


def test_an_operation_that_takes_seconds_is_told_even_without_a_baseline() -> None:
    (slow,) = mine(lines(["INFO query took 4.2 s", "INFO query took 0.2 s"])).slow

    assert (slow.worst_ms, slow.median_ms, slow.growth) == (4200.0, 2200.0, 1.0)


def test_a_healthy_but_noisy_service_shows_nothing_new_growing_or_slow() -> None:
    draw = random.Random(7)  # noqa: S311 — invented logs need no secure randomness
    noise = ("INFO served request {n} in {ms} ms", "WARN queue holds {n} jobs", "ERROR client 10.0.0.{n} hung up")

    def window(begin: datetime, length: timedelta, count: int) -> list[LogLine]:
        texts = (
            draw.choices(noise, (80, 15, 5))[0].format(n=draw.randrange(200), ms=draw.randrange(5, 60))
            for _ in range(count)
        )
        return lines(texts, begin=begin, length=length)

    found = mine(window(NOON, MINUTES, 500), baseline=window(NOON - HOUR, HOUR, 3_000))

    assert [one.template for one in found.patterns if one.new or one.growth > 2] == []
    assert found.slow == ()
    assert found.traces == ()


def test_the_answer_does_not_depend_on_chance() -> None:
    texts = [f"ERROR {who} lost {what} at {n}" for n, who in enumerate("abcdefg") for what in "xyz"]

    assert mine(lines(texts), baseline=quiet()) == mine(lines(texts), baseline=quiet())


def test_at_most_some_tens_of_patterns_are_told_and_they_are_short() -> None:
    texts = [f"ERROR {chr(97 + n % 26) * 3}{chr(97 + n // 26) * 2} failed" + " x" * 5_000 * (n % 2) for n in range(300)]

    found = mine(lines(texts))

    assert len(found.patterns) <= 40
    assert all(len(one.template) <= 400 and len(one.example) <= 500 for one in found.patterns)


def test_characters_that_steer_a_terminal_or_hide_text_are_not_handed_on() -> None:
    (one,) = mine(lines(["ERROR \x1b[2Jlost\x07 \u202eti\u200b"])).patterns

    assert one.template.isprintable()
    assert one.example.isprintable()


def test_no_lines_tell_nothing() -> None:
    assert mine([]).lines == 0
    assert mine([], baseline=quiet()).patterns == ()


TEXTS = st.text(max_size=80) | st.sampled_from(
    [
        *recorded.PYTHON_GROUP.split("\n"),
        *recorded.JAVA.split("\n"),
        *recorded.GO.split("\n"),
        *recorded.NODE_CAUSE.split("\n"),
    ]
)
LINES = st.lists(
    st.builds(
        LogLine,
        at=st.datetimes(timezones=st.just(UTC)),
        text=TEXTS,
        labels=st.dictionaries(st.sampled_from(["container", "level"]), st.text(max_size=3), max_size=2),
    ),
    max_size=40,
)


@given(LINES, LINES)
def test_any_lines_are_mined_without_failing(now: list[LogLine], before: list[LogLine]) -> None:
    found = mine(now, baseline=before)

    assert found.lines == len(now)
    assert all(one.count > 0 and one.growth >= 0 for one in found.patterns)
