"""How often somebody may ask."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.web.limits import Attempts, RateLimit, neighbourhood
from devops_agent.web.problem import ProblemError


def test_a_burst_is_let_through_and_then_the_steady_rate() -> None:
    limit = RateLimit(60, burst=5)
    assert [limit.wait("a", now=0.0) for _ in range(5)] == [0.0] * 5
    assert limit.wait("a", now=0.0) > 0
    assert limit.wait("a", now=1.0) == 0.0
    assert limit.wait("a", now=1.0) > 0


def test_waiting_as_long_as_told_is_enough() -> None:
    limit = RateLimit(60, burst=1)
    limit.wait("a", now=0.0)
    wait = limit.wait("a", now=0.5)
    assert limit.wait("a", now=0.5 + wait) == 0.0


def test_everybody_is_counted_alone() -> None:
    limit = RateLimit(60, burst=1)
    limit.wait("a", now=0.0)
    assert limit.is_over("a", now=0.0)
    assert limit.wait("b", now=0.0) == 0.0


def test_who_asked_long_ago_is_forgotten() -> None:
    limit = RateLimit(60, burst=1)
    for number in range(30_000):
        limit.wait(str(number), now=float(number))
    assert len(limit._due) <= 10_001  # noqa: SLF001 — that memory does not grow can be seen nowhere else


def tries(attempts: Attempts, name: str, address: str, *, now: float = 0.0) -> bool:
    """Whether a try is let through."""
    try:
        attempts.take(name, address, now=now)
    except ProblemError as told:
        return not (told.status == 429 and int(told.headers["Retry-After"]) >= 1)
    return True


def test_tries_are_counted_by_address_and_by_account() -> None:
    attempts = Attempts(lambda: 3)
    assert [tries(attempts, f"name{n}", "10.0.0.1") for n in range(4)] == [True, True, True, False]
    assert [tries(attempts, "ada", f"10.0.1.{n}") for n in range(16)] == [*[True] * 15, False]
    assert not tries(attempts, "ADA", "10.0.2.1"), "the case of a name is no way around"


def test_whoever_waits_may_try_again() -> None:
    attempts = Attempts(lambda: 3)
    assert not all(tries(attempts, "ada", "10.0.0.1") for _ in range(4))
    assert tries(attempts, "ada", "10.0.0.1", now=21.0)


def test_right_tries_are_not_counted() -> None:
    attempts = Attempts(lambda: 2)
    for _ in range(20):
        assert tries(attempts, "ada", "10.0.0.1")
        attempts.succeeded("ada", "10.0.0.1")


def test_a_strangers_guesses_do_not_keep_the_owner_out() -> None:
    attempts = Attempts(lambda: 2)
    assert tries(attempts, "ada", "10.0.0.1")
    attempts.succeeded("ada", "10.0.0.1")
    assert not all(tries(attempts, "ada", f"10.6.6.{n}") for n in range(11))
    assert tries(attempts, "ada", "10.0.0.1")


def test_guesses_from_one_address_keep_nobody_out_who_comes_from_another_for_the_first_time() -> None:
    attempts = Attempts(lambda: 10)
    for second in range(600):
        tries(attempts, "ada", "10.6.6.6", now=float(second))
    assert tries(attempts, "ada", "10.0.0.1", now=599.5)


def test_another_limit_of_the_settings_holds_at_once() -> None:
    allowed = [2]
    attempts = Attempts(lambda: allowed[0])
    assert not all(tries(attempts, "ada", "10.0.0.1") for _ in range(3))
    allowed[0] = 5
    assert all(tries(attempts, "ada", "10.0.0.1") for _ in range(5))


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 3)), max_size=60))
def test_whatever_is_tried_more_than_the_limit_never_gets_through_at_once(made: list[tuple[str, int]]) -> None:
    attempts = Attempts(lambda: 4)
    through = [(name.casefold(), place) for name, place in made if tries(attempts, name, f"10.0.0.{place}")]
    for index, most in ((0, 20), (1, 4)):
        counted = Counter(one[index] for one in through)
        assert max(counted.values(), default=0) <= most


def test_memory_is_bounded_whoever_asks() -> None:
    limit = RateLimit(60, burst=1)
    for n in range(30_000):
        limit.wait(f"{n}", now=0.0)
    assert len(limit._due) <= 10_001  # noqa: SLF001 — what is remembered has no other door


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("local", "local"),
    ],
)
def test_an_asker_is_an_address_or_a_network_of_one_household(address: str, place: str) -> None:
    assert neighbourhood(address) == place
