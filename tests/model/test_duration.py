from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.model.duration import DurationError, parse_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1w", 604_800),
        ("250ms", 0.25),
        ("90", 90),
        ("0.5", 0.5),
        ("1.5h", 5400),
        (" 1h 30m ", 5400),
        ("0", 0),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "30 parsecs", "-5s", "1e9h", "9" * 400, "11y", "4000d"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(DurationError, match="write 30s, 5m, 1h30m"):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3000)))
def test_what_is_written_is_read_back_to_the_millisecond(duration: timedelta) -> None:
    assert abs(parse_duration(write_duration(duration)) - duration) <= timedelta(milliseconds=1)
