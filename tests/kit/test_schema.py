"""Values against the small part of JSON Schema that prompts and tools are written in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.schema import misfits

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "enum": ["a", "b"]},
        "minutes": {"type": "integer", "minimum": 1, "maximum": 60},
        "share": {"type": "number"},
        "on": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 2},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "a"},
        {"name": "b", "minutes": 60, "share": 0.5, "on": True, "tags": ["x", "yyy"]},
        {"name": "a", "minutes": 5.0, "share": 1},
    ],
)
def test_what_fits_fits(value: object) -> None:
    assert misfits(value, SCHEMA) == []


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "answer is no object"),
        ({}, "answer.name is missing"),
        ({"name": 1}, "answer.name is no string"),
        ({"name": "c"}, "answer.name is none of a, b"),
        ({"name": "a", "minutes": 0}, "answer.minutes is not between 1 and 60"),
        ({"name": "a", "minutes": 1.5}, "answer.minutes is no integer"),
        ({"name": "a", "minutes": True}, "answer.minutes is no integer"),
        ({"name": "a", "share": "1"}, "answer.share is no number"),
        ({"name": "a", "on": 1}, "answer.on is no boolean"),
        ({"name": "a", "tags": ["x", "y", "z"]}, "answer.tags is longer than 2"),
        ({"name": "a", "tags": ["long"]}, "answer.tags[0] is longer than 3"),
        ({"name": "a", "tags": [None]}, "answer.tags[0] is no string"),
        ({"name": "a", "more": 1}, "answer has 1 unknown fields; known: minutes, name, on, share, tags"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(value: object, says: str) -> None:
    assert misfits(value, SCHEMA) == [says]


def test_where_only_the_form_counts_values_may_be_anything() -> None:
    assert misfits({"name": "c", "minutes": 99, "more": 1}, SCHEMA, values=False) == []
    assert misfits({"name": 1}, SCHEMA, values=False) == ["answer.name is no string"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SCHEMA["properties"], "x"]), inner),
    max_leaves=12,
)


@given(_json)
def test_any_value_is_judged_without_an_error(value: object) -> None:
    misfits(value, SCHEMA)
