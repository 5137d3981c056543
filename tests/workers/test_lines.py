"""How much a channel is trusted with, by how it does."""

from datetime import timedelta

from devops_agent.kit.testing import START
from devops_agent.workers.lines import AT_ONCE, Line

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def broken() -> Line:
    line = Line()
    for _ in range(5):
        line.failed(START, after=None)
    return line


def test_a_line_that_works_takes_a_few_messages_at_once() -> None:
    line = Line()
    assert line.room(START) == AT_ONCE
    line.under_way = AT_ONCE
    assert line.room(START) == 0


def test_single_failures_make_no_line_rest() -> None:
    line = Line()
    for _ in range(20):
        line.failed(START, after=None)
        assert not line.down
        assert line.room(START) == AT_ONCE
        assert not line.answered()


def test_a_line_that_fails_again_and_again_rests_longer_each_time_and_takes_one_message_then() -> None:
    line = broken()
    assert line.down
    assert line.room(START) == 0
    first = line.opens(START)
    assert first is not None
    assert START < first <= START + SECOND
    assert line.room(first) == 1
    line.under_way = 1
    assert line.room(first) == 0
    line.failed(first, after=None)
    second = line.opens(first)
    assert second is not None
    assert second - first >= SECOND
    for _ in range(30):
        line.failed(second, after=None)
    assert (line.opens(second) or second + HOUR) - second <= timedelta(minutes=1)


def test_an_answer_ends_the_rest_and_tells_that_there_was_one() -> None:
    line = broken()
    assert line.answered()
    assert not line.down
    assert line.room(START) == AT_ONCE
    assert line.opens(START) is None


def test_a_line_rests_for_as_long_as_the_other_side_wants_but_not_for_days() -> None:
    line = Line()
    line.failed(START, after=timedelta(minutes=3))
    line.failed(START, after=SECOND)
    assert line.opens(START) == START + timedelta(minutes=3)
    line.failed(START, after=24 * HOUR)
    assert line.opens(START) == START + HOUR
