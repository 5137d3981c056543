import random
import traceback
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis import traces
from devops_agent.analysis.frames import Raised
from devops_agent.analysis.traces import Found, Seen, Text
from tests.analysis import recorded_traces as recorded

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAIN = [Text("2026-03-01 12:00:00 INFO served 17 requests", headed=True), Text("listening on 8080")]

KNOWN = [
    pytest.param(
        recorded.PYTHON,
        Raised(
            "python", "IndexError", "single positional indexer is out-of-bounds", "/app/predictor/model.py", 88, "price"
        ),
        id="python: the innermost frame outside libraries",
    ),
    pytest.param(
        recorded.PYTHON_CAUSE,
        Raised(
            *("python", "KeyError", "'model'; led to RuntimeError: cannot load model"),
            *("/app/predictor/store.py", 12, "load"),
        ),
        id="python: the direct cause",
    ),
    pytest.param(
        recorded.PYTHON_DURING,
        Raised(
            *("python", "json.decoder.JSONDecodeError", "Expecting value: line 1 column 2 (char 1)"),
            *("/app/predictor/cache.py", 18, "cached"),
        ),
        id="python: an exception while another, expected one is handled",
    ),
    pytest.param(
        recorded.PYTHON_LIBRARIES,
        Raised(
            "python",
            "ConnectionRefusedError",
            "[Errno 111] Connection refused; led to requests.exceptions.ConnectionError: "
            "HTTPConnectionPool(host='ledger', port=8080): Max retries exceeded",
            *("/app/shop/ledger.py", 33, "balance"),
        ),
        id="python: a cause among libraries is placed where the program called them",
    ),
    pytest.param(
        recorded.PYTHON_GROUP,
        Raised("python", "ValueError", "bad symbol 1", "/app/predictor/feed.py", 4, "fetch"),
        id="python: the first leaf of an exception group",
    ),
    pytest.param(
        recorded.PYTHON_RECURSION,
        Raised("python", "RecursionError", "maximum recursion depth exceeded", "/app/deep.py", 22, "deeper"),
        id="python: repeated frames",
    ),
    pytest.param(
        recorded.JAVA,
        Raised(
            "java",
            "java.lang.NumberFormatException",
            'For input string: "12x"; led to java.lang.RuntimeException: cannot place order 17',
            *("Orders.java", 5, "com.shop.Orders.price"),
        ),
        id="java: the last cause",
    ),
    pytest.param(
        recorded.JAVA_SUPPRESSED,
        Raised(
            *("java", "java.lang.UnsupportedOperationException", "multi"),
            *("Orders.java", 7, "com.shop.Orders.lambda$guarded$0"),
        ),
        id="java: suppressed exceptions are no causes, messages have several lines",
    ),
    pytest.param(
        recorded.JAVA_SPRING,
        Raised(
            "java",
            "java.sql.SQLTransientConnectionException",
            "HikariPool-1 - Connection is not available, timed out after 30000ms; led to "
            "org.springframework.dao.DataAccessResourceFailureException: Unable to acquire JDBC Connection",
            *("StockService.java", 58, "com.shop.stock.StockService.reserve"),
        ),
        id="java: neither frameworks nor generated classes are the program",
    ),
    pytest.param(
        recorded.GO,
        Raised(
            *("go", "runtime error", "invalid memory address or nil pointer dereference"),
            *("/src/cart/store.go", 71, "github.com/acme/shop/cart.(*Store).Total"),
        ),
        id="go: a panic, with only its own goroutine",
    ),
    pytest.param(
        recorded.GO_RECOVERED,
        Raised("go", "panic", "index out of range [3] with length 2", "shop/prices/last.go", 9, "shop/prices.Last"),
        id="go: a recovered panic, below the frames that recovered it, paths trimmed",
    ),
    pytest.param(
        recorded.NODE,
        Raised(
            *("javascript", "TypeError", "Cannot read properties of undefined (reading 'size')"),
            *("/app/server.js", 7, "Timeout._onTimeout"),
        ),
        id="node: an uncaught error",
    ),
    pytest.param(
        recorded.NODE_CAUSE,
        Raised(
            *("javascript", "Error", "connect ECONNREFUSED 10.0.0.5:5432; led to Error: cannot open store"),
            *("/app/store.js", 3, "open"),
        ),
        id="node: the cause, outside node_modules",
    ),
    pytest.param(
        recorded.NODE_MODULE,
        Raised("javascript", "TypeError", "Cannot read properties of null (reading 'run')", "/app/pool.mjs", 1, ""),
        id="node: no function, a file as URL",
    ),
]


def found(text: str) -> list[Found]:
    return list(traces.find([*PLAIN, *(Text(line) for line in text.split("\n")), *PLAIN]))


@pytest.mark.parametrize(("text", "raised"), KNOWN)
def test_a_trace_among_other_lines_is_read(text: str, raised: Raised) -> None:
    assert [one.raised for one in found(text)] == [raised]


@pytest.mark.parametrize(("text", "raised"), KNOWN)
def test_a_trace_in_a_field_is_read(text: str, raised: Raised) -> None:
    assert traces.parse(text) == raised


@pytest.mark.parametrize(("text", "raised"), KNOWN)
def test_a_crash_loop_gives_one_trace_for_each_crash(text: str, raised: Raised) -> None:
    assert [one.raised for one in found(f"{text}\n{text}\n{text}")] == [raised] * 3


@pytest.mark.parametrize("text", [recorded.PYTHON_CAUSE, recorded.JAVA, recorded.GO, recorded.NODE_CAUSE])
def test_all_lines_of_a_trace_belong_to_it_and_no_others(text: str) -> None:
    (one,) = found(text)

    assert one.lines == list(range(len(PLAIN), len(PLAIN) + len(text.split("\n"))))


def test_records_of_another_thread_between_the_lines_do_not_end_a_trace() -> None:
    lines = [Text(line) for line in recorded.PYTHON.split("\n")]
    lines.insert(4, PLAIN[0])

    (one,) = traces.find(lines)

    assert one.raised.line == 88
    assert 4 not in one.lines


def test_crashes_one_after_another_are_told_apart_by_the_record_between_them() -> None:
    crash = [Text("ERROR shop failed", headed=True), *(Text(line) for line in recorded.NODE_CAUSE.split("\n"))]
    other = [
        Text("2026/03/01 12:00:00 ERROR failed", headed=True),
        *(Text(x) for x in recorded.NODE_MODULE.split("\n")),
    ]

    told = list(traces.find([*crash, *other, *crash]))

    assert [one.raised.exception for one in told] == ["Error", "TypeError", "Error"]


def test_a_record_between_the_parts_of_a_chain_does_not_tear_it() -> None:
    lines = [Text(line) for line in recorded.PYTHON_CAUSE.split("\n")]
    lines.insert(5, PLAIN[0])

    (one,) = traces.find(lines)

    assert one.raised.exception == "KeyError"


def test_a_message_that_names_a_level_ends_a_traceback_all_the_same() -> None:
    lines = recorded.PYTHON.replace("single positional", "CRITICAL positional").split("\n")

    (one,) = traces.find([Text(line, headed="CRITICAL" in line) for line in lines])

    assert one.raised.message.startswith("CRITICAL positional")


def test_an_exception_that_a_record_names_is_read_with_the_frames_below() -> None:
    record = "ERROR c.shop.Web - request failed: com.shop.OutOfStock: 17 sold out"
    frames = [Text("\tat com.shop.Stock.take(Stock.java:9)"), Text("\tat com.shop.Web.buy(Web.java:30)")]

    (one,) = traces.find([Text(record, headed=True), *frames])

    assert one.raised == Raised("java", "com.shop.OutOfStock", "17 sold out", "Stock.java", 9, "com.shop.Stock.take")
    assert one.lines == [1, 2]


def test_an_error_class_of_the_program_is_known_by_its_place() -> None:
    raised = traces.parse("charge failed PaymentDeclined: card 3\n    at charge (/app/pay.js:4:46)")

    assert raised == Raised("javascript", "PaymentDeclined", "card 3", "/app/pay.js", 4, "charge")


def test_a_go_stack_without_a_head_is_read_as_loggers_write_it() -> None:
    raised = traces.parse(
        "main.load\n\t/app/load.go:42\nmain.main\n\t/app/main.go:10\nruntime.main\n\t/usr/lib/go/proc.go:267"
    )

    assert raised is not None
    assert (raised.file, raised.line, raised.function) == ("/app/load.go", 42, "main.load")


@pytest.mark.parametrize(
    "text",
    ["Traceback (most recent call last):", "goroutine 1 [running]:", "    at the end of the day", "panic: out of tea"],
)
def test_a_beginning_alone_is_no_trace(text: str) -> None:
    assert found(text) == []


def test_what_python_prints_of_an_exception_is_read_to_the_line_that_raised_it() -> None:
    def fail() -> None:
        raise LookupError("no such thing")

    try:
        fail()
    except LookupError as error:
        text = "".join(traceback.format_exception(error))

    raised = traces.parse(text)

    assert raised is not None
    assert (raised.exception, raised.message, raised.file) == ("LookupError", "no such thing", __file__)
    assert (raised.function, raised.line) == ("fail", fail.__code__.co_firstlineno + 1)


def test_equal_traces_are_counted_and_the_ones_that_the_baseline_lacks_come_first() -> None:
    old = Raised("python", "KeyError", "'a'", "/app/a.py", 10, "load")
    moved = old._replace(line=12)
    other = Raised("python", "ValueError", "b", "/app/b.py", 3, "save")
    seen = [Seen(moved, NOON), Seen(moved._replace(message="'b'"), NOON.replace(hour=11)), Seen(other, NOON)]

    told = traces.group(seen, baseline=[Seen(old, NOON.replace(hour=10))])

    assert [(one.exception, one.count, one.new) for one in told] == [("ValueError", 1, True), ("KeyError", 2, False)]
    assert told[1].first_at == NOON.replace(hour=11)


def test_without_a_baseline_no_trace_is_new() -> None:
    (one,) = traces.group([Seen(Raised("go", "panic", "x"), NOON)], baseline=None)

    assert not one.new


LINES_OF_TRACES = [line for known in KNOWN for line in str(known.values[0]).split("\n")]


@given(
    st.lists(st.sampled_from(LINES_OF_TRACES) | st.text(max_size=40), max_size=60), st.randoms(use_true_random=False)
)
def test_lines_in_any_order_are_read_without_failing(texts: list[str], draw: random.Random) -> None:
    lines = [Text(text, headed=draw.random() < 0.2) for text in texts]

    for one in traces.find(lines):
        assert all(0 <= place < len(lines) for place in one.lines)
        assert one.raised.line >= 0


@given(st.text(alphabet=st.sampled_from(' \n\tat(:)/."\\File,line 0123456789panic:gorutne[]{}|+-<>.jsy'), max_size=300))
def test_any_text_is_read_without_failing(text: str) -> None:
    traces.parse(text)
    traces.parse(f"Traceback (most recent call last):\n{text}")
    traces.parse(f"Error: x\n    at {text}")
    traces.parse(f"panic: x\ngoroutine 1 [running]:\n{text}")
