import asyncio

import pytest

from devops_agent.kit.once import Once
from devops_agent.model.action import Result


class Counter:
    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def act(self) -> Result:
        await self.gate.wait()
        self.count += 1
        return Result(ok=True, says=f"done {self.count}")


async def test_the_same_key_is_done_once_and_tells_the_same() -> None:
    once, counter = Once(), Counter()
    first = await once.do("a", counter.act)
    assert await once.do("a", counter.act) == first
    assert counter.count == 1


async def test_another_key_is_done_again() -> None:
    once, counter = Once(), Counter()
    await once.do("a", counter.act)
    await once.do("b", counter.act)
    assert counter.count == 2


async def test_an_empty_key_is_never_remembered() -> None:
    once, counter = Once(), Counter()
    await once.do("", counter.act)
    await once.do("", counter.act)
    assert counter.count == 2


async def test_two_at_the_same_time_are_done_once() -> None:
    once, counter = Once(), Counter()
    counter.gate.clear()
    both = asyncio.gather(once.do("a", counter.act), once.do("a", counter.act))
    await asyncio.sleep(0)
    counter.gate.set()
    first, second = await both
    assert first == second
    assert counter.count == 1


async def test_what_failed_may_be_tried_again() -> None:
    once, counter = Once(), Counter()

    async def fail() -> Result:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await once.do("a", fail)
    assert (await once.do("a", counter.act)).ok


async def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    once, counter = Once(keys=2), Counter()
    for key in ("a", "b", "c", "b", "a"):
        await once.do(key, counter.act)
    assert counter.count == 4
