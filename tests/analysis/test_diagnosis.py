"""Evidence for and against causes, weighed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.diagnosis import Case, Conclusion, judge, kind_of_series
from devops_agent.analysis.graph import measure_of
from devops_agent.kit.testing import START
from devops_agent.model.evidence import Evidence
from devops_agent.model.fault import FAULTS
from devops_agent.model.insight import Suspect

Piece = tuple[str, str | float, dict[str, str | int | float | bool]]
WELL: Piece = ("state", "well", {})
DOWN: Piece = ("state", "down", {})
NO_ERRORS: Piece = ("log_errors", 0, {"growth": 1.0, "lines": 500})
BURST: Piece = ("log_errors", 40, {"growth": 12.0, "lines": 500})
TRACE: Piece = ("stack_trace", 37, {"exception": "KeyError", "file": "app.py", "line": 41, "new": True})
OLD_TRACE: Piece = ("stack_trace", 1, {"exception": "KeyError", "file": "app.py", "line": 41, "new": False})
USUAL_ERRORS: Piece = ("reading", 0.1, {"series": "error_percent", "score": 0.0})
MANY_ERRORS: Piece = ("reading", 30.0, {"series": "error_percent", "score": 0.9, "rises": True})
USUAL_LATENCY: Piece = ("reading", 90.0, {"series": "latency_p95_ms", "score": 0.0})
SLOW: Piece = ("reading", 900.0, {"series": "latency_p95_ms", "score": 0.9, "rises": True})
RELEASE: Piece = ("change", "image", {"before": "api:1", "after": "api:2"})
FIRST_START: Piece = ("change", "image", {"before": "", "after": "api:2"})
REFUSED: Piece = (
    "log_pattern",
    20,
    {"template": "cannot connect to db:5432", "category": "connection", "new": True, "growth": 20.0},
)


def evidence(*pieces: Piece, target: str = "api", begin: int = 1) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            id=f"EV-{number}",
            source="test",
            target=target,
            name=name,
            value=value,
            at=START,
            as_of=START - timedelta(minutes=2),
            details=details,
            says=f"{name} of {target}",
        )
        for number, (name, value, details) in enumerate(pieces, start=begin)
    )


def judged(
    *pieces: Piece, claimed: tuple[str, ...] = ("high_error_rate",), others: tuple[Evidence, ...] = ()
) -> Conclusion:
    return judge(
        Case(
            target="api",
            claimed=claimed,
            began_at=START,
            evidence=(*evidence(*pieces), *others),
            depends_on={"api": ("db",)},
        )
    )


@pytest.mark.parametrize(
    ("pieces", "claimed", "kind", "component"),
    [
        ((WELL, BURST, TRACE), "high_error_rate", "code_error", ""),
        ((WELL, BURST, MANY_ERRORS), "high_error_rate", "high_error_rate", ""),
        ((WELL, SLOW), "high_latency", "high_latency", ""),
        ((WELL, BURST, RELEASE, MANY_ERRORS), "high_error_rate", "high_error_rate", ""),
        ((DOWN,), "down", "down", ""),
    ],
)
def test_the_likeliest_cause_comes_first(pieces: tuple[Piece, ...], claimed: str, kind: str, component: str) -> None:
    best = judged(*pieces, claimed=(claimed,)).hypotheses[0]
    assert (best.kind, best.component) == (kind, component)
    assert best.confidence > 0.6


def test_a_dependency_that_is_down_goes_before_its_victims_symptoms() -> None:
    down = evidence(DOWN, target="db", begin=50)
    best = judged(WELL, BURST, REFUSED, MANY_ERRORS, others=down).hypotheses[0]
    assert (best.kind, best.component) == ("down", "db")
    assert "EV-50" in best.evidence


def test_lines_that_name_a_dependency_make_it_a_suspect() -> None:
    found = judged(WELL, BURST, REFUSED, others=evidence(("state", "unknown", {}), target="db", begin=50))
    assert ("down", "db") in {(h.kind, h.component) for h in found.hypotheses}


def test_a_change_right_before_is_a_suspect_and_a_first_start_is_not() -> None:
    assert "bad_release" in {h.kind for h in judged(WELL, BURST, RELEASE).hypotheses}
    assert "bad_release" not in {h.kind for h in judged(WELL, BURST, FIRST_START).hypotheses}


@pytest.mark.parametrize(
    "pieces",
    [(WELL, NO_ERRORS, USUAL_ERRORS), (WELL, USUAL_ERRORS), (WELL, NO_ERRORS, OLD_TRACE, USUAL_ERRORS, USUAL_LATENCY)],
)
def test_healthy_but_noisy_is_well(pieces: tuple[Piece, ...]) -> None:
    found = judged(*pieces)
    assert (found.well, found.enough) == (True, True)


def test_who_fails_for_longer_than_the_baseline_lasts_is_not_well() -> None:
    assert not judged(WELL, ("log_errors", 300, {"growth": 1.0, "lines": 500})).well


def test_a_quiet_log_alone_does_not_refute_that_requests_fail() -> None:
    found = judged(WELL, NO_ERRORS)
    assert (found.well, found.enough) == (False, False)


def test_nothing_to_go_by_is_not_enough_and_not_well() -> None:
    assert [(found.well, found.enough) for found in (judged(), judged(WELL))] == [(False, False)] * 2


def test_a_claim_that_nobody_measured_is_not_refuted_by_others() -> None:
    assert not judged(WELL, claimed=("high_latency",)).well
    assert not judged(SLOW, NO_ERRORS, WELL, claimed=("high_latency", "high_error_rate")).well


def test_the_ranking_over_series_names_the_component_it_points_to() -> None:
    slow = evidence(SLOW, target="db", begin=50)
    case = Case(
        target="api",
        claimed=("high_latency",),
        began_at=START,
        evidence=(*evidence(WELL, SLOW), *slow),
        depends_on={"api": ("db",)},
        suspects=(Suspect(component="db", score=0.8, says="db moved first", evidence=("EV-50",)),),
    )
    best = judge(case).hypotheses[0]
    assert (best.kind, best.component) == ("high_latency", "db")


def test_a_weight_that_rests_on_no_kept_evidence_is_dropped_and_counted() -> None:
    unkept = tuple(piece.with_(id="") for piece in evidence(BURST, TRACE))
    found = judge(Case(target="api", claimed=("high_error_rate",), began_at=START, evidence=unkept))
    assert (found.hypotheses, found.dropped) == ((), 3)


def test_words_in_the_name_of_a_series_say_what_it_speaks_of() -> None:
    assert kind_of_series("http_requests_5xx", rises=True) == "high_error_rate"
    assert kind_of_series("http_requests_5xx", rises=False) == ""
    assert kind_of_series("availability_percent", rises=False) == "unhealthy"
    assert kind_of_series("request_rate", rises=True) == ""


@pytest.mark.parametrize(
    "name",
    ["payload_bytes", "upload_progress", "group_size", "download_queue", "supply_total", "members", "cheap"],
)
def test_words_inside_other_words_say_nothing(name: str) -> None:
    assert [kind_of_series(name, rises=rises) for rises in (True, False)] == ["", ""]


@pytest.mark.parametrize("path", ["/heap", "/error", '/\\"up', "/cpu,disk"])
def test_whoever_asks_for_a_path_does_not_name_the_trouble(path: str) -> None:
    query = f'rate(http_requests_total{{job="api",path="{path}"}}[60s])'
    assert [kind_of_series(query, rises=rises) for rises in (True, False)] == ["", ""]
    assert measure_of(query) is measure_of("rate(http_requests_total[60s])")


def _lines(category: str, text: str) -> tuple[Piece, ...]:
    return tuple(
        ("log_pattern", 50, {"category": category, "new": True, "growth": 99.0, "template": f"{text} {word}"})
        for word in "abcdefgh"
    )


def test_lines_alone_do_not_make_a_dependency_down_that_is_seen_to_be_well() -> None:
    well = evidence(WELL, target="db", begin=50)
    found = judged(WELL, BURST, *_lines("connection", "cannot connect to db"), others=well)
    assert not [h for h in found.hypotheses if h.kind in ("down", "dependency_down") and h.confidence >= 0.6]


@pytest.mark.parametrize(
    ("text", "named"), [("no route to shop_db_1", True), ("DB:5432 refused", True), ("mongodb refused feedback", False)]
)
def test_a_component_is_named_by_its_whole_name(text: str, *, named: bool) -> None:
    found = judged(WELL, BURST, *_lines("connection", text))
    assert (("down", "db") in {(h.kind, h.component) for h in found.hypotheses}) is named


def test_lines_alone_blame_no_release_where_nothing_was_changed() -> None:
    lines = _lines("configuration", "bad configuration")
    assert "bad_release" not in {h.kind for h in judged(WELL, BURST, *lines).hypotheses}
    assert "bad_release" not in {h.kind for h in judged(WELL, BURST, FIRST_START, *lines).hypotheses}
    assert judged(WELL, BURST, RELEASE, *lines).hypotheses[0].kind == "bad_release"


def test_many_patterns_of_one_log_say_hardly_more_than_a_few() -> None:
    few, many = (judged(WELL, *_lines("disk", "no space left")[:count]).hypotheses[0] for count in (3, 8))
    assert few.kind == many.kind == "disk_filling"
    assert many.confidence - few.confidence < 0.05
    assert many.confidence < 0.8


pieces_ = st.lists(
    st.sampled_from(
        [WELL, DOWN, NO_ERRORS, BURST, TRACE, OLD_TRACE, USUAL_ERRORS, MANY_ERRORS, SLOW, RELEASE, FIRST_START, REFUSED]
    ),
    max_size=10,
)


@given(own=pieces_, other=pieces_, claimed=st.lists(st.sampled_from(sorted(FAULTS)), max_size=3))
def test_every_hypothesis_cites_what_is_there_and_is_between_never_and_always(
    own: list[Piece], other: list[Piece], claimed: list[str]
) -> None:
    others = evidence(*other, target="db", begin=100)
    found = judged(*own, claimed=tuple(claimed), others=others)
    known = {piece.id for piece in (*evidence(*own), *others)}
    for hypothesis in found.hypotheses:
        assert hypothesis.evidence
        assert set(hypothesis.evidence) <= known
        assert 0 < hypothesis.confidence < 1
        assert hypothesis.kind in FAULTS
    assert not (found.well and any(h.confidence >= 0.5 for h in found.hypotheses))
    assert found == judged(*own, claimed=tuple(claimed), others=others)
