import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.lines import LONGEST, Reading, read
from devops_agent.model.telemetry import LogLine

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reading(text: str, **labels: str) -> Reading:
    (one,) = read(LogLine(at=NOON, text=text, labels=labels))
    return one


@pytest.mark.parametrize(
    ("text", "level", "message"),
    [
        ("2026-03-01 12:00:00,123 ERROR predictor.api failed", "error", "predictor.api failed"),
        ("2026-03-01 12:00:00,123 predictor.api ERROR failed", "error", "predictor.api failed"),
        ("2026-03-01T12:00:00.123Z [http-nio-8080-exec-3] WARN  c.shop.Pay - late", "warning", "c.shop.Pay - late"),
        ("2026-03-01 12:00:00.1  INFO 1 --- [main] c.shop.App : started", "info", "c.shop.App : started"),
        ("INFO:     10.0.0.9:50000 - connected", "info", "10.0.0.9:50000 - connected"),
        ("ERROR:root:boom", "error", "root:boom"),
        ("[2026-03-01 12:00:00 +0000] [17] [CRITICAL] worker timed out", "error", "worker timed out"),
        ("2026/03/01 12:00:00 [error] 31#31: *7 open() failed", "error", "31#31: *7 open() failed"),
        ("E0301 12:00:00.123456       1 kubelet.go:9] no image", "error", "kubelet.go:9] no image"),
        ("2026-03-01 12:00:00.123 UTC [71] FATAL:  role is missing", "error", "role is missing"),
        ("warning: unused", "warning", "unused"),
        ("Error: no such table", "", "Error: no such table"),
        ("12:00:00.123 just text", "", "just text"),
        ("just text", "", "just text"),
        ("\x1b[31mERROR\x1b[0m failed", "error", "failed"),
        ("2026-03-01T12:00:00.123456789Z stderr F ERROR failed", "error", "failed"),
        ("shop-web-1  | ERROR failed", "error", "failed"),
        ("<11>Mar  1 12:00:00 host shop[17]: ERROR failed", "error", "failed"),
        ('{"level":"error","msg":"failed","time":"2026-03-01T12:00:00Z"}', "error", "failed"),
        ('{"level":50,"msg":"failed"}', "error", "failed"),
        ('{"severity":"WARNING","message":"late"}', "warning", "late"),
        ('{"level":"error","msg":"failed","err":"no such host"}', "error", "failed: no such host"),
        ('{"level":"error","msg":"failed","error":{"message":"no host"}}', "error", "failed: no host"),
        ('{"log":"ERROR failed\\n","stream":"stderr","time":"2026-03-01T12:00:00Z"}', "error", "failed"),
        ('{"level":"info","state":"up","load":3}', "info", "state=up load=3"),
        ('ts=2026-03-01T12:00:00Z level=warn msg="queue \\"a b\\" is long" n=3', "warning", 'queue "a b" is long'),
        ("level=error msg=failed err=timeout", "error", "failed: timeout"),
        ('{"broken": ', "", '{"broken":'),
    ],
)
def test_level_and_message_are_told_in_each_form(text: str, level: str, message: str) -> None:
    one = reading(text)

    assert (one.level, one.message) == (level, message)


@pytest.mark.parametrize(
    ("text", "message", "level", "took_ms"),
    [
        (
            '10.0.0.9 - - [01/Mar/2026:12:00:00 +0000] "GET /orders/7?page=2 HTTP/1.1" 503 12 "-" "curl/7.88.1" 0.532',
            *("GET /orders/7 HTTP-503", "error", 532.0),
        ),
        ('INFO:     10.0.0.9:5000 - "POST /predict HTTP/1.1" 200 OK', "POST /predict HTTP-200", "info", None),
        (
            '10.0.0.9 - - [x] "GET / HTTP/2.0" 404 9 "-" "Mozilla/5.0 (X11; rv:109.0)" rt=0.012 uct="0.000"',
            *("GET / HTTP-404", "info", 12.0),
        ),
    ],
)
def test_a_request_keeps_its_method_path_and_status(text: str, message: str, level: str, took_ms: float | None) -> None:
    one = reading(text)

    assert (one.message, one.level, one.took_ms) == (message, level, took_ms)


def test_a_status_in_a_field_makes_the_servers_own_errors_errors() -> None:
    one = reading('{"level":"info","msg":"request completed","status":502,"duration_ms":71}')

    assert (one.message, one.level, one.status, one.took_ms) == ("request completed HTTP-502", "error", 502, 71.0)


@pytest.mark.parametrize("key", ["exc_info", "stack_trace", "stack", "error.stack_trace"])
def test_a_stack_trace_in_a_field_is_found(key: str) -> None:
    trace = 'Traceback (most recent call last):\n  File "/app/a.py", line 3, in f\nValueError: x'

    one = reading(json.dumps({"level": "error", "msg": "failed", key: trace}))

    assert (one.message, one.trace) == ("failed", trace)


def test_a_stack_trace_in_a_nested_field_is_found() -> None:
    trace = "TypeError: x\n    at f (/app/a.js:3:1)"

    one = reading(
        json.dumps({"level": 50, "msg": "failed", "err": {"type": "TypeError", "message": "x", "stack": trace}})
    )

    assert (one.message, one.trace) == ("failed: x", trace)


def test_a_stack_trace_with_written_out_line_ends_is_found() -> None:
    one = reading(r"ERROR failed Traceback (most recent call last):\n  File \"/app/a.py\", line 3, in f\nValueError: x")

    assert one.trace.split("\n")[1:] == ['  File "/app/a.py", line 3, in f', "ValueError: x"]
    assert one.level == "error"


def test_the_level_of_a_label_holds_where_the_line_tells_none() -> None:
    assert reading("just text", detected_level="error").level == "error"
    assert reading("INFO text", detected_level="error").level == "info"
    assert reading("just text", detected_level="unknown").level == ""


def test_text_with_line_ends_is_several_lines() -> None:
    assert [one.message for one in read(LogLine(at=NOON, text="one\ntwo\n"))] == ["one", "two"]


def test_what_is_indented_stays_so_for_the_sake_of_stack_traces() -> None:
    assert reading("2026-03-01T12:00:00.1Z stderr F     at f (/app/a.js:3:1)").raw == "    at f (/app/a.js:3:1)"


def test_a_very_long_line_is_cut() -> None:
    one = reading("word " * 100_000)

    assert len(one.message) <= LONGEST
    assert len(one.raw) <= LONGEST


HOSTILE = [
    '{"a":',
    "[[",
    'msg="',
    'level=x msg="a=',
    '"GET ',
    "\x1b[",
    "\x1b]",
    "took ",
    "1.",
    "a@",
    "'",
    '"',
    "\\n",
    "Traceback ",
]
PIECES = st.sampled_from([*HOSTILE, *'{}[]":, =\\\n'])


@given(st.text(max_size=200) | st.lists(PIECES, max_size=80).map("".join), st.text(max_size=8))
def test_any_line_is_read_without_failing(text: str, level: str) -> None:
    for one in read(LogLine(at=NOON, text=text, labels={"level": level})):
        assert one.level in {"", "debug", "info", "warning", "error"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "msg",
        "message",
        "level",
        "severity",
        "err",
        "error",
        "exception",
        "stack",
        "status",
        "duration_ms",
        "elapsed",
        "log",
    ]
)


@given(st.dictionaries(KEYS, JSON, max_size=6))
def test_any_fields_are_read_without_failing(fields: dict[str, object]) -> None:
    read(LogLine(at=NOON, text=json.dumps(fields)))


def test_deeply_nested_json_is_taken_as_text() -> None:
    text = '{"a":' * 100_000 + "1" + "}" * 100_000

    assert reading(text).message.startswith('{"a":')


def test_halves_of_surrogate_pairs_do_not_stop_it() -> None:
    assert reading('{"msg":"\udce9"}').message
