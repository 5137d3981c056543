import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.mcp.bounds import ITEMS, ROOM, TEXT, fitting, mask, presentable, thinned

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(JSON)
def test_whatever_comes_is_made_presentable_json(value: object) -> None:
    assert json.loads(json.dumps(presentable(value))) == presentable(value)


@given(st.text())
def test_no_text_is_longer_than_allowed_or_deceives_the_eye(text: str) -> None:
    shown = mask(text)
    assert len(shown) <= TEXT
    assert all(letter.isprintable() or letter in "\n\t" for letter in shown)


@given(st.lists(st.text(max_size=3_000)), st.integers(1, 10_000))
def test_what_fits_begins_the_list_and_never_leaves_a_reader_stuck(items: list[str], room: int) -> None:
    kept = fitting(items, room=room)
    assert kept == [presentable(item) for item in items[: len(kept)]]
    assert bool(kept) == bool(items)
    assert len(kept) == 1 or sum(len(json.dumps(one, ensure_ascii=False)) for one in kept) <= room


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2-9",
        "Authorization: Bearer abcdef123456",
        "postgres://ada:s3cretword@db/x",
        "ghp_0123456789abcdef",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    shown = mask(f"it said {text} and died")
    assert "‹SECRET›" in shown
    for word in ("hunter2", "abcdef123456", "s3cretword", "0123456789abcdef"):
        assert word not in shown


def test_a_secret_on_the_edge_of_the_cut_is_hidden_whole() -> None:
    text = "x" * (TEXT - 10) + " token=abcdefgh12345678"
    assert "abcd" not in mask(text)


def test_a_member_whose_name_says_secret_is_hidden_whatever_it_holds() -> None:
    assert presentable({"db_password": "plain", "name": "plain"}) == {"db_password": "‹SECRET›", "name": "plain"}


def test_addresses_stay_for_whoever_looks_after_the_machines() -> None:
    assert mask("10.0.0.4:9100 refused") == "10.0.0.4:9100 refused"


def test_a_plot_is_thinned_over_its_whole_length_and_a_list_keeps_its_beginning() -> None:
    points = [[float(second), 1.0] for second in range(1_000)]
    thin = thinned(points)
    assert (len(thin), thin[0], thin[-1]) == (ITEMS, points[0], points[-1])
    assert thinned(list(range(1_000))) == list(range(ITEMS))


def test_an_answer_of_many_large_things_is_bounded() -> None:
    items = [{"says": "a line of a log " * 200, "details": {str(n): "y" * 5_000 for n in range(200)}}] * 50
    shown = json.dumps(fitting(items))
    assert len(shown) < ROOM + 2 * ITEMS * TEXT
