from datetime import timedelta
from typing import Any

import msgspec
import pytest

from devops_agent.kit.tools import SettingsError, settings


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    age: timedelta = timedelta(days=1)
    name: str = ""


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    wait: timedelta | None = None
    rules: tuple[Rule, ...] = ()
    named: dict[str, Rule] = {}
    words: dict[str, str] = {}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Shape()),
        ({"wait": "1h30m"}, Shape(wait=timedelta(minutes=90))),
        ({"wait": 5}, Shape(wait=timedelta(seconds=5))),
        ({"wait": "5"}, Shape(wait=timedelta(seconds=5))),
        ({"wait": None}, Shape()),
        ({"rules": [{"age": "2d", "name": "5m"}]}, Shape(rules=(Rule(age=timedelta(days=2), name="5m"),))),
        ({"named": {"a": {"age": "30s"}}}, Shape(named={"a": Rule(age=timedelta(seconds=30))})),
        ({"words": {"a": "30s"}}, Shape(words={"a": "30s"})),
    ],
)
def test_durations_are_read_as_everywhere_in_the_file(given: dict[str, Any], expected: Shape) -> None:
    assert settings(Shape, given, where="plugins.x") == expected


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"wait": "soon"}, "plugins.x: 'soon' is no duration; write 30s, 5m, 1h30m"),
        ({"rules": [{"age": "1h", "nmae": ""}]}, r"plugins.x: .*`nmae`.*\$\.rules\[0\]"),
        ({"named": 3}, r"plugins.x: Expected `object`, got `int` - at `\$\.named`"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        settings(Shape, given, where="plugins.x")
