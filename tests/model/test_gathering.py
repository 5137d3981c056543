"""Messages of several: when they are told, and what they say."""

from datetime import UTC, datetime, timedelta

import pytest

from devops_agent.model.alert import Severity
from devops_agent.model.gathering import Gathering, Line, compose, takes_more, when_told, worst

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
EVERY = timedelta(minutes=30)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def some(kind: str = "storm", **more: object) -> Gathering:
    return Gathering(id="GRP-1", kind=kind, channel="room", severity=Severity.CRITICAL, opened_at=NOW).with_(**more)


def line(number: int, *, target: str = "", over: bool = False, waits: bool = False) -> Line:
    return Line(
        incident=f"INC-{number}",
        target=target or f"t{number}",
        title=f"INC-{number} down",
        says="it hangs",
        severity=Severity.WARNING,
        over=over,
        waits=waits,
    )


def due(gathering: Gathering, *, updates: bool = False, needs: bool = False, over: bool = False) -> datetime | None:
    return when_told(
        gathering,
        updates=updates,
        needs=needs,
        severity=gathering.severity,
        over=over,
        now=at(1),
        remind_every=EVERY,
    )


def said(gathering: Gathering, *lines: Line) -> dict[str, object]:
    return compose(gathering, lines, ancestors=lambda name: ["db"] if name.startswith("t") else [], link="/incidents")


def test_it_is_told_at_once_the_first_time() -> None:
    assert due(some(due_at=at(0))) == at(0)
    assert due(some()) == at(1)


def test_a_channel_that_changes_messages_gets_changes_some_put_together() -> None:
    assert due(some(told_at=at(0.9)), updates=True) == at(0.9) + timedelta(seconds=15)
    assert due(some(told_at=at(0)), updates=True) == at(1)


def test_other_channels_get_what_needs_a_person_and_the_end() -> None:
    assert due(some(told_at=at(0))) is None
    assert due(some(told_at=at(0)), needs=True) == at(1)
    assert due(some(told_at=at(0), needs_told=True), needs=True) == at(30)
    assert due(some(told_at=at(0), needs_told=True), over=True) == at(1)
    assert due(some(told_at=at(0), needs_told=True, due_at=at(30))) == at(30)


def test_what_waits_for_its_time_waits() -> None:
    for kind in ("digest", "overflow"):
        assert due(some(kind, due_at=at(600)), needs=True, over=True) == at(600)


def test_a_storm_takes_more_while_it_is_fresh_and_a_digest_always() -> None:
    assert takes_more(some(), now=at(59))
    assert not takes_more(some(), now=at(60))
    assert takes_more(some("digest"), now=at(600))


@pytest.mark.parametrize(
    ("gathering", "lines", "title"),
    [
        (some(), [line(1), line(2)], "2 incidents, common cause db"),
        (some(), [line(1, target="x"), line(2, target="y")], "storm: 2 incidents at once"),
        (some(), [line(1, target="x")], "one more of many: INC-1 down"),
        (some(), [Line(title="t", says="s", severity=Severity.INFO)], "storm: many targets in trouble at once"),
        (some("cause", cause="x"), [line(1, target="x"), line(2, target="y")], "2 incidents with one cause: x"),
        (some(), [line(1, target="x", over=True)], "1 incident, all over"),
        (some(messages=1), [line(1, over=True), line(2, over=True)], "over: all 2 incidents around db"),
        (some("digest"), [line(1)], "1 thing that could wait"),
        (some("overflow"), [line(1), line(2)], "2 more"),
    ],
)
def test_the_title_says_what_they_have_in_common(gathering: Gathering, lines: list[Line], title: str) -> None:
    assert said(gathering, *lines)["title"] == title


def test_what_needs_a_person_comes_first_and_what_is_over_last() -> None:
    told = said(some(), line(1, over=True), line(2), line(3, waits=True))
    assert told["lines"] == [
        "INC-3 down — needs a person: it hangs",
        "INC-2 down — it hangs",
        "INC-1 down — over: it hangs",
    ]
    assert str(told["says"]).endswith("1 of them need a person")
    assert told["closes"] is False


def test_a_long_list_is_cut_and_says_so() -> None:
    told = said(some(), *(line(number) for number in range(50)))
    assert len(told["lines"]) == 40  # type: ignore[arg-type]
    assert str(told["says"]).endswith("10 more are not listed here")


def test_the_worst_line_says_how_bad_it_is() -> None:
    assert worst([line(1), line(2).with_(severity=Severity.CRITICAL)]) is Severity.CRITICAL
    assert worst([]) is Severity.INFO
