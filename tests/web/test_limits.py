"""How often somebody may ask."""

from devops_agent.web.limits import RateLimit


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
