"""Values as pictures."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.web.plots import Mark, Point, Stretch, Window, axis, bars, plot, reliability, strip

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
STEP = timedelta(minutes=5)
DAY = Window(begin=BEGIN, end=BEGIN + timedelta(days=1), step=STEP)
HOSTILE = """</title><script>alert(1)</script>"'&"""
values = st.floats(-1e12, 1e12)


def percent(value: float) -> str:
    return f"{value:g} %"


def points(*means: float | None) -> list[Point]:
    return [
        Point(at=BEGIN + STEP * index, low=mean - 1, mean=mean, high=mean + 1)
        for index, mean in enumerate(means)
        if mean is not None
    ]


def read(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 — made here


def parts(svg: str, css: str) -> list[ET.Element]:
    return [one for one in read(svg).iter() if css in (one.get("class") or "").split()]


@given(st.lists(st.one_of(st.none(), st.tuples(values, values, values)), max_size=300), st.one_of(st.none(), values))
def test_any_readings_make_a_picture_that_stays_in_its_frame(
    given_: list[tuple[float, float, float] | None], limit: float | None
) -> None:
    found = [
        Point(at=BEGIN + STEP * index, low=low, mean=mean, high=high)
        for index, spread in enumerate(given_)
        if spread is not None
        for low, mean, high in [sorted(spread)]
    ]
    if not found:
        return
    made = plot("memory", found, DAY, write=percent, limit=limit)
    for one in read(made.svg).iter():
        for x, y in re.findall(r"([-\d.e]+) ([-\d.e]+)", one.get("d") or ""):
            assert 0 <= float(x) <= 1000
            assert 0 <= float(y) <= 200
    assert "nan" not in made.svg
    assert len(made.numbers) <= 48
    assert len(made.ys) == 3


@given(st.floats(0, 1e12))
def test_an_axis_is_round_and_holds_what_is_on_it(high: float) -> None:
    bottom, top = axis(0.0, high)
    assert bottom == 0 < top
    assert high <= top * (1 + 1e-6)
    assert top <= max(high * 2.1, 1.0)


def test_a_limit_far_above_everything_does_not_press_the_line_to_the_ground() -> None:
    assert axis(0, 60, 80) == (0, 100)
    assert axis(0, 42, 2_000) == (0, 60)
    far = plot("latency", points(42, 43), DAY, write=percent, limit=2_000)
    assert not parts(far.svg, "limit")
    assert far.limit == "2000 %"


def test_time_in_which_nobody_looked_is_a_gap_and_no_line() -> None:
    made = plot("memory", points(50, 51, None, None, 52), DAY, write=percent)
    assert len(parts(made.svg, "line")) == 2
    assert [gap.findtext("title") for gap in parts(made.svg, "gap")] == ["not looked at"] * 2


def test_what_happened_is_marked_and_its_words_stay_words() -> None:
    marks = [
        Mark(at=BEGIN + timedelta(hours=1), until=BEGIN + timedelta(hours=2), says=HOSTILE, kind="m-incident"),
        Mark(at=BEGIN + timedelta(hours=1.5), says="restarted", kind="m-action"),
    ]
    made = plot(HOSTILE, points(50), DAY, write=percent, limit=40, marks=marks)
    assert [one.findtext("title") for one in parts(made.svg, "mark")] == [HOSTILE, "restarted"]
    assert "<script" not in made.svg
    assert (made.over, made.latest, made.limit) == (True, "50 %", "40 %")


def test_the_numbers_of_a_plot_are_those_that_are_drawn() -> None:
    made = plot("memory", points(*range(96)), DAY, write=percent)
    assert made.numbers[0] == ("20 Nov 19:50", "93 %", "94.5 %", "96 %")
    assert len(made.numbers) == 48


def test_every_picture_says_in_words_what_it_shows() -> None:
    pictures = (
        plot("memory", points(1), DAY, write=percent).svg,
        bars([("Mon", 3), (HOSTILE, 0)], says="incidents"),
        reliability([(0.5, 0.4, 10), (0.9, 1.0, 400)], says="keeps its word"),
        strip([], DAY, says="never seen"),
    )
    for picture in pictures:
        root = read(picture)
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert " style=" not in picture


def test_neighbours_that_are_alike_are_one_piece_of_a_strip() -> None:
    stretches = [
        Stretch(begin=BEGIN + STEP * n, end=BEGIN + STEP * (n + 1), kind=kind, says=kind)
        for n, kind in enumerate(["well", "well", "bad", "well"])
    ]
    made = read(strip(stretches, DAY, says="mostly well"))
    assert [one.get("class") for one in made] == ["k-well", "k-bad", "k-well"]


def test_the_time_axis_tells_hours_of_a_day_and_days_of_a_month() -> None:
    assert DAY.ticks()[0] == "12:00"
    assert Window(begin=BEGIN, end=BEGIN + timedelta(days=30), step=STEP).ticks()[-1] == "20 Dec"
