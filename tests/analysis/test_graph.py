"""What series are about, and what of a component's totals is its own."""

import math

import pytest

from devops_agent.analysis.graph import (
    Component,
    Measure,
    counted,
    failed,
    measure_of,
    of_measure,
    own,
    points_of,
    spent,
    usual_requests,
)
from devops_agent.model.telemetry import Series

WINDOW = (100.0, 200.0)


def series(name: str, *values: float) -> Series:
    return Series(name=name, times=tuple(float(index * 50) for index in range(len(values))), values=values)


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("latency_p95_ms", Measure.LATENCY),
        ("http_request_duration_seconds", Measure.LATENCY),
        ("request_rate", Measure.REQUESTS),
        ("error_percent", Measure.FAILING),
        ("availability_percent", Measure.AVAILABILITY),
        ("log_errors", Measure.ERRORS),
        ("log_lines", Measure.LINES),
        ("memory_percent", Measure.RESOURCE),
        ("CpuUsageRate(%)", Measure.RESOURCE),
        ("memory_bytes", None),
        ("node_cpu_percent", None),
        ("client_latency_ms", None),
        ("temperature", None),
    ],
)
def test_general_words_tell_what_a_series_is_about(name: str, measure: Measure | None) -> None:
    assert measure_of(name) is measure


def test_of_several_latencies_the_mean_comes_first() -> None:
    component = Component(name="shop", series=(series("latency_p99"), series("latency_p50"), series("latency_average")))
    assert [one.name for one in of_measure(component, Measure.LATENCY)] == [
        "latency_average",
        "latency_p50",
        "latency_p99",
    ]


def test_what_is_no_number_is_a_gap() -> None:
    assert points_of(series("x", 1.0, math.nan, math.inf, 4.0)) == {0.0: 1.0, 150.0: 4.0}


def test_what_no_sum_can_hold_is_a_gap_too() -> None:
    assert points_of(series("cpu", 1.0, 1.7e308, -1.7e308, 2.0)) == {0.0: 1.0, 150.0: 2.0}


def test_moments_are_counted_by_whole_steps() -> None:
    made = counted("log_errors", [0, 5, 61, 130, 179, 181, -3], begin=0, end=180)
    assert made.times == (0, 60, 120)
    assert made.values == (2, 1, 2)


def test_nobody_counting_requests_is_taken_for_the_ordinary_number() -> None:
    components = [
        Component(name="a", series=(series("request_rate", 10, 10, 99),)),
        Component(name="b", series=(series("request_rate", 30, 30, 99),)),
        Component(name="c"),
    ]
    assert usual_requests(components, WINDOW) == {"a": 10, "b": 30, "c": 20}
    assert usual_requests([Component(name="c")], WINDOW) == {"c": 1}


def test_a_callee_takes_its_time_off_its_callers_by_their_requests() -> None:
    components = [
        Component(name="a", calls=("c",), series=(series("latency_ms", 50), series("request_rate", 3))),
        Component(name="b", calls=("c", "b"), series=(series("latency_ms", 40), series("request_rate", 1))),
        Component(name="c", series=(series("latency_ms", 20), series("request_rate", 4))),
    ]
    usual = usual_requests(components, WINDOW)
    left = dict(own(spent(components, usual), components, usual))
    assert left == {"a": {0.0: 150 - 60}, "b": {0.0: 40 - 20}, "c": {0.0: 80}}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("availability_percent", (100, 100, 90)),
        ("availability", (1, 1, 0.9)),
        ("error_percent", (0, 0, 10)),
        ("error_ratio", (0, 0, 0.1)),
    ],
)
def test_failures_are_read_from_availability_and_from_shares_of_errors(name: str, values: tuple[float, ...]) -> None:
    component = Component(name="a", series=(series(name, *values), series("request_rate", 50, 50, 0)))
    found = failed([component], {"a": 50})["a"]
    assert found == pytest.approx({0.0: 0, 50.0: 0, 100.0: 5})


def test_an_availability_that_never_moved_tells_nothing() -> None:
    assert failed([Component(name="a", series=(series("success_percent", 0, 0, 0),))], {"a": 1}) == {}
