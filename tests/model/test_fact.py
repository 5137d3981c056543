import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from devops_agent.kit.testing import START
from devops_agent.model.event import Event
from devops_agent.model.fact import from_json, to_json

EVENT = Event(seq=1, at=START, kind="told", actor="agent", says="x", data={"b": 1, "a": 2})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_fact_is_replaced_and_never_changed() -> None:
    other = EVENT.with_(says="y")
    assert (EVENT.says, other.says) == ("x", "y")
    with pytest.raises(AttributeError):
        EVENT.says = "z"  # type: ignore[misc]


def test_a_fact_comes_back_from_its_json() -> None:
    assert from_json(to_json(EVENT), Event) == EVENT


def test_json_of_another_shape_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        from_json("[]", Event)


@given(value=JSON)
def test_whatever_json_can_hold_is_written_in_one_fixed_way(value: object) -> None:
    text = to_json(value)
    assert text.encode().decode() == text
    assert to_json(from_json(text, object)) == text


def test_bytes_that_were_no_text_do_not_keep_a_fact_from_being_written() -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    assert to_json({name: [name, (name,)], "event": EVENT.with_(says=name)}).count("caf?") == 4
