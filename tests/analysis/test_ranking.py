"""The ranking names the component in which trouble began, not its victims."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.graph import Component, Operation
from devops_agent.analysis.ranking import rank
from devops_agent.model.insight import Suspect
from devops_agent.model.telemetry import Change, ChangeKind, Series

STEP = 15.0
BEGIN = 1_800_000_000.0
WINDOW = (BEGIN, BEGIN + 10 * STEP)
PAST, NOW = 60, 10


def series(name: str, usual: float, now: float, *, late: int = 0) -> Series:
    """Return a series that wavers about `usual`, and about `now` from `late` steps into the window on."""
    steps = range(-PAST, NOW)
    values = tuple((now if step >= late else usual) * (1 + 0.02 * (step % 5 - 2)) for step in steps)
    return Series(name=name, times=tuple(BEGIN + step * STEP for step in steps), values=values)


def operation(
    name: str, *, self_ms: tuple[float, float], counts: tuple[float, float] = (60, 60), calls: tuple[str, ...] = ()
) -> Operation:
    steps = range(-PAST, NOW)
    return Operation(
        name=name,
        calls=calls,
        serves=name.startswith("/"),
        times=tuple(BEGIN + step * STEP for step in steps),
        counts=tuple(counts[step >= 0] for step in steps),
        self_ms=tuple(self_ms[step >= 0] * (1 + 0.02 * (step % 5 - 2)) for step in steps),
    )


def names(suspects: tuple[Suspect, ...]) -> list[str]:
    return [suspect.component for suspect in suspects]


def chain(front: float, shop: float, database: float) -> list[Component]:
    """Return three components that call each other in a row, with what their latency is now."""
    rate = series("request_rate", 10, 10)
    return [
        Component(name="front", calls=("shop",), series=(rate, series("latency_p95_ms", 100, front))),
        Component(name="shop", calls=("database",), series=(rate, series("latency_p95_ms", 60, shop))),
        Component(name="database", series=(rate, series("latency_p95_ms", 20, database))),
    ]


def test_the_slow_dependency_is_named_before_those_that_wait_for_it() -> None:
    suspects = rank(chain(280, 240, 200), window=WINDOW)
    assert names(suspects)[0] == "database"
    assert suspects[0].score > 0.9
    assert "latency_p95_ms went from 20 to 200" in suspects[0].says


def test_one_that_is_slow_itself_is_named_though_its_dependencies_are_well() -> None:
    assert names(rank(chain(280, 240, 20), window=WINDOW))[0] == "shop"


def test_nothing_strange_is_nobody_suspected() -> None:
    assert rank(chain(100, 60, 20), window=WINDOW) == ()
    assert rank([], window=WINDOW) == ()


def test_it_is_told_that_the_cause_was_strange_before_what_calls_it() -> None:
    rate = series("request_rate", 10, 10)
    suspects = rank(
        [
            Component(name="front", calls=("shop",), series=(rate, series("latency_ms", 100, 500, late=4))),
            Component(name="shop", series=(rate, series("latency_ms", 20, 200))),
        ],
        window=WINDOW,
    )
    assert names(suspects) == ["shop", "front"]
    at = datetime.fromtimestamp(BEGIN, UTC)
    assert f"from {at:%H:%M} UTC on, before what calls it" in suspects[0].says
    assert "before" not in suspects[1].says


def test_of_two_alike_the_caller_is_suspected_less_when_it_was_strange_later() -> None:
    def ranked(late: int) -> float:
        front = Component(name="front", calls=("shop",), series=(series("cpu_percent", 10, 90, late=late),))
        shop = Component(name="shop", series=(series("cpu_percent", 10, 90),))
        return next(one.score for one in rank([front, shop], window=WINDOW) if one.component == "front")

    assert ranked(0) == pytest.approx(0.5)
    assert ranked(1) < 0.45


def test_failures_that_a_dependency_passes_on_are_not_held_against_its_callers() -> None:
    rate = series("request_rate", 10, 10)
    suspects = rank(
        [
            Component(name="front", calls=("shop",), series=(rate, series("error_percent", 0.1, 20))),
            Component(name="shop", calls=("database",), series=(rate, series("availability_percent", 99.9, 80))),
            Component(name="database", series=(rate, series("error_percent", 0.1, 21))),
        ],
        window=WINDOW,
    )
    assert names(suspects)[0] == "database"
    assert suspects[0].score > 0.8


def test_what_is_down_is_named_though_no_requests_come_to_it_any_more() -> None:
    suspects = rank(
        [
            Component(
                name="shop", calls=("cache",), series=(series("request_rate", 10, 10), series("error_percent", 0, 50))
            ),
            Component(name="cache", series=(series("request_rate", 10, 0), series("availability_percent", 100, 0))),
        ],
        window=WINDOW,
    )
    assert names(suspects)[0] == "cache"


def test_errors_in_the_log_point_at_the_deepest_that_logs_more_of_them() -> None:
    suspects = rank(
        [
            Component(name="front", calls=("shop",), series=(series("log_errors", 1, 40),)),
            Component(name="shop", series=(series("log_errors", 0, 20),)),
            Component(name="other", series=(series("log_errors", 5, 5),)),
        ],
        window=WINDOW,
    )
    assert names(suspects)[0] == "shop"
    assert "other" not in names(suspects)


def test_one_count_of_errors_from_before_is_enough() -> None:
    logged = Series(name="log_errors", times=(BEGIN - 60, BEGIN + 60), values=(1.0, 30.0))
    assert names(rank([Component(name="shop", series=(logged,))], window=WINDOW)) == ["shop"]


def test_an_exhausted_processor_is_a_sign_and_a_noisy_trifle_is_none_beside_it() -> None:
    suspects = rank(
        [
            Component(name="busy", series=(series("cpu_percent", 5, 95),)),
            Component(name="idle", series=(series("cpu_percent", 0.01, 0.19),)),
        ],
        window=WINDOW,
    )
    assert names(suspects)[0] == "busy"
    assert suspects[0].score > 0.95


def test_what_was_as_strange_right_before_the_trouble_has_nothing_to_do_with_it() -> None:
    long_since = series("cpu_percent", 10, 90)
    shifted = long_since.with_(values=tuple(90.0 if time >= BEGIN - 300 else 10.0 for time in long_since.times))
    suspects = rank(
        [Component(name="drifted", series=(shifted,)), Component(name="shop", series=(series("cpu_percent", 10, 40),))],
        window=WINDOW,
    )
    assert names(suspects) == ["shop"]


def test_what_was_changed_right_before_is_suspected_more_but_never_without_a_sign() -> None:
    components = [
        Component(name="a", series=(series("cpu_percent", 10, 60),)),
        Component(name="b", series=(series("cpu_percent", 10, 60),)),
    ]
    at = datetime.fromtimestamp(BEGIN - 120, UTC)
    change = Change(target="b", kind=ChangeKind.IMAGE, at=at, says="image shop:2 was started", source="docker")
    suspects = rank(components, window=WINDOW, changes=[change, change.with_(target="elsewhere")])
    assert names(suspects) == ["b", "a"]
    assert "image shop:2 was started at" in suspects[0].says
    long_ago = change.with_(at=datetime.fromtimestamp(BEGIN - 1e5, UTC))
    assert rank(components, window=WINDOW, changes=[long_ago])[0].score == pytest.approx(0.5)
    afterwards = change.with_(at=datetime.fromtimestamp(WINDOW[1] + 60, UTC))
    assert rank(components, window=WINDOW, changes=[afterwards])[0].score == pytest.approx(0.5)
    assert rank(chain(100, 60, 20), window=WINDOW, changes=[change.with_(target="shop")]) == ()


def test_a_suspect_cites_the_evidence_of_the_series_that_speak_against_it() -> None:
    component = Component(
        name="shop",
        series=(series("cpu_percent", 10, 90), series("memory_percent", 40, 40)),
        evidence={"cpu_percent": "EV-1", "memory_percent": "EV-2"},
    )
    assert rank([component], window=WINDOW)[0].evidence == ("EV-1",)


def test_traces_tell_own_time_from_waiting() -> None:
    suspects = rank(
        [
            Component(name="front", calls=("shop",), operations=(operation("/buy", self_ms=(5, 5)),)),
            Component(
                name="shop", operations=(operation("/cart", self_ms=(5, 5)), operation("pack", self_ms=(10, 90)))
            ),
        ],
        window=WINDOW,
    )
    assert names(suspects) == ["shop"]
    assert "its own time in pack was ×9" in suspects[0].says


def test_a_slow_way_to_a_callee_is_laid_at_the_callee_when_all_its_callers_complain() -> None:
    def caller(name: str) -> Component:
        waits = operation("call far", self_ms=(2, 200), calls=("far",))
        others = [operation(f"step {number}", self_ms=(5, 5)) for number in range(4)]
        return Component(name=name, calls=("far", "near"), operations=(waits, *others))

    near = operation("call near", self_ms=(2, 2), calls=("near",))
    content = Component(name="c", calls=("near",), operations=(near,))
    suspects = rank([caller("a"), caller("b"), content, Component(name="far"), Component(name="near")], window=WINDOW)
    assert names(suspects)[0] == "far"
    assert "near" not in names(suspects)


def test_a_caller_that_is_slow_in_all_that_it_does_is_suspected_before_those_it_waits_for() -> None:
    slow = [operation(f"step {number}", self_ms=(5, 50)) for number in range(4)]
    waits = [operation(f"call {name}", self_ms=(2, 20), calls=(name,)) for name in ("x", "y")]
    content = Component(
        name="b", operations=tuple(operation(f"ask {n}", self_ms=(2, 2), calls=(n,)) for n in ("x", "y"))
    )
    suspects = rank([Component(name="a", calls=("x", "y"), operations=(*slow, *waits)), content], window=WINDOW)
    assert names(suspects)[0] == "a"


def test_when_it_is_not_known_which_was_waited_for_the_one_that_more_callers_share_is_suspected() -> None:
    def caller(name: str, *callees: str) -> Component:
        others = [operation(f"step {number}", self_ms=(5, 5)) for number in range(4)]
        return Component(name=name, operations=(operation("HTTP GET", self_ms=(2, 200), calls=callees), *others))

    assert names(rank([caller("a", "x", "y"), caller("b", "y", "z")], window=WINDOW))[0] == "y"


def test_work_that_is_left_out_is_a_sign() -> None:
    component = Component(
        name="shop",
        operations=(operation("/buy", self_ms=(5, 5)), operation("charge", self_ms=(5, 5), counts=(60, 3))),
    )
    suspects = rank([component], window=WINDOW)
    assert names(suspects) == ["shop"]
    assert "charge ran ×0.05 as often for a request" in suspects[0].says


def test_a_program_that_logs_less_for_a_request_took_another_way() -> None:
    component = Component(
        name="price", series=(series("log_lines", 120, 40),), operations=(operation("/price", self_ms=(5, 5)),)
    )
    suspects = rank([component], window=WINDOW)
    assert names(suspects) == ["price"]
    assert "it logged ×0.33 as often for a request" in suspects[0].says


def test_operations_named_for_failing_count_as_errors() -> None:
    component = Component(
        name="shop",
        operations=(operation("/buy", self_ms=(5, 5)), operation("ErrorPage", self_ms=(1, 1), counts=(0, 20))),
    )
    assert "ErrorPage went from 0 to 20" in rank([component], window=WINDOW)[0].says


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, 100.0])
FINITE = st.floats(-1e9, 1e9)
NAMES = st.sampled_from(["a", "b", "c", "gone"])
METRICS = st.sampled_from(
    ["latency_ms", "request_rate", "error_percent", "availability", "log_errors", "log_lines", "cpu_percent"]
)


@st.composite
def some_series(draw: st.DrawFn) -> Series:
    values = draw(st.lists(NUMBERS.filter(lambda value: not 1e50 < abs(value) < float("inf")), max_size=12))
    return Series(name=draw(METRICS), times=tuple(range(len(values))), values=tuple(values))


@st.composite
def some_operations(draw: st.DrawFn) -> Operation:
    points = draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 100), FINITE), max_size=12))
    return Operation(
        name=draw(st.sampled_from(["/x", "error", "y"])),
        calls=tuple(draw(st.lists(NAMES, max_size=3))),
        serves=draw(st.booleans()),
        times=tuple(float(time) for time, _, _ in points),
        counts=tuple(float(count) for _, count, _ in points),
        self_ms=tuple(each for _, _, each in points),
    )


@st.composite
def some_components(draw: st.DrawFn) -> Component:
    return Component(
        name=draw(NAMES),
        calls=tuple(draw(st.lists(NAMES, max_size=4))),
        series=tuple(draw(st.lists(some_series(), max_size=5))),
        operations=tuple(draw(st.lists(some_operations(), max_size=3))),
    )


@given(st.lists(some_components(), max_size=4))
def test_whatever_was_measured_scores_are_shares_in_order(components: list[Component]) -> None:
    suspects = rank(components, window=(8.0, 12.0))
    scores = [suspect.score for suspect in suspects]
    assert not suspects or sum(scores) == pytest.approx(1)
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert all(suspect.says for suspect in suspects)
    assert len({suspect.component for suspect in suspects}) == len(suspects)
