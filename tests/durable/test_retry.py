"""How long to wait before the next try."""

import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.durable.retry import backoff


class Never(random.Random):
    """Chance that takes nothing off."""

    def random(self) -> float:
        return 0.0


def test_each_try_waits_twice_as_long_up_to_the_most() -> None:
    waits = [backoff(tries, chance=Never()).total_seconds() for tries in range(1, 12)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(st.integers(-5, 10_000), st.integers(0, 2**32))
def test_it_is_never_less_than_half_and_never_more_than_the_most(tries: int, seed: int) -> None:
    full = backoff(tries, chance=Never())
    wait = backoff(tries, chance=random.Random(seed))  # noqa: S311 — it spreads tries
    assert full / 2 <= wait <= full <= timedelta(minutes=5)
