import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.categories import CATEGORIES, category_of, is_error, level_of


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ("java.lang.OutOfMemoryError: Java heap space", "memory"),
        ("write failed: no space left on device", "disk"),
        ("accept: too many open files", "limit"),
        ("x509: certificate has expired or is not yet valid", "certificate"),
        ("password authentication failed for user x", "authentication"),
        ("context deadline exceeded", "timeout"),
        ("GET /orders HTTP-504", "timeout"),
        ("deadlock detected", "database"),
        ("connect ECONNREFUSED 10.0.0.5:5432", "connection"),
        ("could not translate host name: Name or service not known", "connection"),
        ("upstream answered with bad gateway", "dependency"),
        ("GET /orders HTTP-503", "dependency"),
        ("ModuleNotFoundError: No module named 'model'", "configuration"),
        ("fatal error: all goroutines are asleep", "crash"),
        ("it did not work", "error"),
        ("the room was full of foam", "error"),
    ],
)
def test_words_tell_the_kind_of_trouble(message: str, category: str) -> None:
    assert category_of(message, error=True) == category


def test_a_line_that_is_no_error_is_of_a_kind_only_by_its_words() -> None:
    assert category_of("nothing to say", error=False) == ""
    assert category_of("disk quota is nearly reached", error=False) == "disk"


@pytest.mark.parametrize(
    ("message", "level", "error"),
    [
        ("failed", "info", False),
        ("fine", "error", True),
        ("unhandled exception in worker", "", True),
        ("java.io.IOException: gone", "", True),
        ("finished with 0 errors", "", False),
        ("finished without errors, failed=0", "", False),
        ("no errors but one failed", "", True),
        ("listening", "", False),
    ],
)
def test_the_level_tells_an_error_and_words_only_where_there_is_none(message: str, level: str, *, error: bool) -> None:
    assert is_error(message, level) is error


@pytest.mark.parametrize(
    ("told", "level"),
    [("ERROR", "error"), ("Warn", "warning"), (30, "info"), (50, "error"), ("", ""), (None, ""), (3.5, ""), (-1, "")],
)
def test_levels_are_known_by_name_and_by_number(told: object, level: str) -> None:
    assert level_of(told) == level


def test_every_word_is_found_as_it_stands() -> None:
    for category, words in CATEGORIES.items():
        for word in words:
            assert word == word.lower()
            assert category_of(f"it says {word} here", error=True) != "error", (category, word)


@given(st.text(max_size=200))
def test_any_message_has_a_category(message: str) -> None:
    assert category_of(message, error=True)
    is_error(message, "")
