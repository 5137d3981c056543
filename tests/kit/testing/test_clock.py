import asyncio
from datetime import timedelta

from devops_agent.kit.testing import START, FakeClock


async def test_a_sleep_ends_at_once_and_moves_the_time() -> None:
    clock = FakeClock()
    await clock.sleep(3600)
    assert clock.monotonic() == 3600
    assert clock.now() == START + timedelta(hours=1)


async def test_sleepers_wake_in_the_order_in_which_they_are_due() -> None:
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    await asyncio.gather(sleep("c", 3), sleep("a", 1), sleep("b", 2), sleep("a2", 1))
    assert woken == [("a", 1), ("a2", 1), ("b", 2), ("c", 3)]


async def test_a_standing_clock_moves_only_when_told() -> None:
    clock = FakeClock(auto=False)
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.monotonic())

    task = asyncio.create_task(tick())
    await clock.advance(5)
    assert ticks == []
    assert clock.sleepers == 1
    await clock.advance(26)
    assert ticks == [10, 20, 30]
    assert clock.monotonic() == 31
    task.cancel()


async def test_a_cancelled_sleeper_is_passed_over() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await clock.sleep(5)
    assert clock.monotonic() == 5
    assert clock.sleepers == 0


async def test_a_jump_of_the_wall_clock_is_not_felt_by_sleepers() -> None:
    clock = FakeClock(auto=False)
    clock.jump(-3600)
    assert clock.now() == START - timedelta(hours=1)
    assert clock.monotonic() == 0
