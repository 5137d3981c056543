"""The story in plain words: what a newcomer reads, within 100 columns."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest

from devops_agent.drill.course import Course
from devops_agent.drill.tell import Speaker, Story, shorten
from devops_agent.model.event import Event

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def told(*events: tuple[str, str], target: str = "shop", **data: object) -> list[str]:
    out = StringIO()
    seen = Course(began=BEGAN, reading=frozenset({"process.logs"}))
    story = Story(Speaker(out), seen, actor="shop")
    for number, (kind, says) in enumerate(events):
        at = BEGAN + timedelta(seconds=0.5 * (number + 1))
        story.tell(
            Event(seq=number, at=at, incident="INC-1", target=target, kind=kind, actor="agent", says=says, data=data)
        )
    return out.getvalue().splitlines()


def test_a_healed_crash_reads_from_noticed_to_proven() -> None:
    lines = told(
        ("opened", "ProcessDied on shop: process shop, pid 7, died"),
        ("diagnosis", "down: process shop does not run (98% sure)"),
        ("plan", "service-down is for down; it was not used for this before"),
        ("decision", "allow: every rule allows it"),
        ("step", "keep its last log lines: process.logs on shop"),
        ("step", "restart: process.restart on shop"),
        ("proven", "restart: restarted process shop: none ran, pid 8 runs; healthy, running after 0.4 s"),
        ("healthy", "healthy and has stayed so for 5 s"),
        ("resolved", "healed by service-down: healthy and has stayed so for 5 s"),
    )
    assert lines == [
        "     0.50 s  noticed   process shop, pid 7, died",
        "     1.00 s  found     down: process shop does not run (98% sure)",
        "     2.00 s  decided   to carry out service-down: every rule allows it",
        "     3.00 s  acts      process.restart",
        "     3.50 s  works     shop was restarted; healthy, running after 0.4 s",
        "     4.00 s  proven    healthy and has stayed so for 5 s",
    ]


def test_what_was_found_is_not_said_twice() -> None:
    lines = told(
        ("opened", "DiskFilling on shop: disk is full"), ("diagnosis", "disk_filling: disk is full (90% sure)")
    )
    assert lines[1].endswith("found     disk_filling (90% sure)")


def test_another_target_is_named_and_reading_steps_are_left_out() -> None:
    lines = told(("escalated", "it does not run"), target="database")
    assert "database: it does not run. A person is called" in lines[0]
    assert told(("proven", "logs: read 2 lines"), action="process.logs") == []


def test_long_sentences_are_wrapped_below_each_other() -> None:
    lines = told(("held", "a word and another " * 10))
    assert len(lines) > 1
    assert max(map(len, lines)) <= 100
    assert lines[1].startswith(" " * 22)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("GET http://127.0.0.1:4711/health answers 503", "GET /health answers 503"),
        ("cannot GET /a: no answer; cannot POST /b: no answer", "cannot GET /a: no answer"),
        ("refused ([Errno 111] Connect call failed ('::1', 1))", "refused"),
        ("runs as pid 7 since 2026-01-01 10:00:00 UTC, stopped", "runs as pid 7, stopped"),
    ],
)
def test_addresses_and_numbers_that_say_nothing_are_left_out(text: str, short: str) -> None:
    assert shorten(text) == short
