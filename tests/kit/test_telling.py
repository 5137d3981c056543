"""What every channel takes out of a message before it makes its own form of it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.telling import KIND_WORDS, harmless, is_link, one_line, paragraphs, plain
from devops_agent.kit.testing.notifier import message
from devops_agent.model.routing import KINDS


def test_controls_and_changes_of_direction_are_left_out() -> None:
    hostile = "a\x00b\x1b[31mc\u202edexe.gpj\u2066\ufeff\u200b"
    assert one_line(hostile, most=100) == "ab[31mcdexe.gpj"


def test_a_title_is_one_line_and_a_story_keeps_its_lines() -> None:
    assert one_line("a\r\nBcc: all@example.com", most=100) == "a Bcc: all@example.com"
    assert paragraphs("a\r\nb\u2028c\n\n", most=100) == "a\nb\nc"


def test_what_is_too_long_is_cut_with_a_mark() -> None:
    assert one_line("x" * 300, most=10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("url", "follows"),
    [
        ("https://agent.example.com/incidents/INC-1?tab=log&x=1", True),
        ("http://127.0.0.1:8484/", True),
        ("/incidents/INC-1", False),
        ("javascript:alert(1)", False),
        ("https://a.example.com/ b", False),
        ('https://a.example.com/"onclick="x', False),
        ("https://a.example.com/<b>", False),
        ("https://a.example.com/" + "x" * 3_000, False),
    ],
)
def test_only_whole_addresses_of_web_pages_are_links(url: str, follows: bool) -> None:  # noqa: FBT001 — a case
    assert is_link(url) is follows
    assert bool(harmless(message(links={"incident": url})).links) is follows


def test_what_is_asked_for_comes_first_among_the_links() -> None:
    links = dict.fromkeys(("query", "own", "incident", "approve"), "https://a.example.com/")
    assert list(harmless(message(links=links)).links) == ["approve", "incident", "query", "own"]


def test_every_kind_of_notice_has_its_words() -> None:
    assert set(KINDS) <= KIND_WORDS.keys()


def test_long_lists_end_with_how_many_are_left_out() -> None:
    assert harmless(message(lines=tuple(map(str, range(60))))).lines[-1] == "… and 10 more"


def test_the_plain_story_has_every_part_in_order() -> None:
    told = plain(message(lines=("one", "two")))
    parts = ["restarting it did not help", "- one", "confidence: 92%", "What to do:\n- look at the log", "https://"]
    assert [told.index(part) for part in parts] == sorted(told.index(part) for part in parts)


@given(st.text())
def test_nothing_without_a_shape_is_left_in_any_text(text: str) -> None:
    told = harmless(message(title=text, says=text, next_steps=(text,), facts={text: text}, lines=(text,)))
    for shown in (told.title, told.says, *told.next_steps, *told.facts, *told.facts.values(), *told.lines):
        for character in shown.replace("\n", ""):
            assert unicodedata.category(character) not in {"Cc", "Cs", "Co", "Zl", "Zp"}
            assert character == "\u200d" or unicodedata.category(character) != "Cf"
    assert "\n" not in told.title
