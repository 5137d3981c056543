import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis import durations


@pytest.mark.parametrize(
    ("message", "took_ms"),
    [
        ("query took 812 ms", 812),
        ("took=812ms", 812),
        ("request finished in 350ms", 350),
        ("done in 1.5 s", 1500),
        ("duration=1.2s", 1200),
        ("duration: 250µs", 0.25),
        ("elapsed_ms: 9", 9),
        ("elapsed_seconds=0.5", 500),
        ("latency is 90 ms", 90),
        ('request_time="0.532"', 532),
        ("request_time=0.532 upstream=x", 532),
        ("response time: 12", 12),
        ("completed after 2 seconds", 2000),
        ("elapsed 1m2.5s", 62500),
        ("slow answer to 10.0.0.9: 812 ms", 812),
        ("Completed 200 OK (12.5ms)", 12.5),
        ("retrying in 5s", None),
        ("timed out after 30 s", None),
        ("next run in 350ms", None),
        ("backing off for 350 ms", None),
        ("user logged out after 12 s", None),
        ("listening on port 8080", None),
        ("took the long way", None),
        ("took 10:30", None),
        ("latency 10.0.0.1", None),
    ],
)
def test_the_time_that_an_operation_took_is_told_and_a_time_that_is_waited_is_not(
    message: str, took_ms: float | None
) -> None:
    assert durations.of_text(message) == took_ms


@pytest.mark.parametrize(
    ("fields", "took_ms"),
    [
        ({"elapsed_ms": 9}, 9),
        ({"durationMs": 9.5}, 9.5),
        ({"latency": "1.5s"}, 1500),
        ({"http.duration_seconds": 2}, 2000),
        ({"request_time": "0.250"}, 250),
        ({"request_time": 0.25}, 250),
        ({"responseTime": 7, "took": 12}, 7),
        ({"duration": True}, None),
        ({"duration": 10**400}, None),
        ({"duration": -5}, None),
        ({"timeout_ms": 30}, None),
        ({}, None),
    ],
)
def test_a_field_named_after_a_duration_tells_it(fields: dict[str, object], took_ms: float | None) -> None:
    assert durations.of_fields(fields) == took_ms


@given(st.text(max_size=100), st.text(alphabet="took in after=:. 0123456789msµ", max_size=60))
def test_any_message_is_read_without_failing(message: str, near: str) -> None:
    for text in (message, near):
        took_ms = durations.of_text(text)
        assert took_ms is None or 0 <= took_ms <= 1e9
        durations.of_access(text)
