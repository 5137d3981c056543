"""The memory of what was said."""

from devops_agent.web.repeats import Memory


def test_an_entry_lasts_between_one_and_two_spans() -> None:
    memory: Memory[str, int] = Memory(most=10, span=100)
    memory.turn(1000)
    memory.add({"a": 1})
    memory.turn(1099)
    assert memory.get("a") == 1
    memory.turn(1100)
    assert "a" in memory
    memory.turn(1200)
    assert "a" not in memory


def test_after_a_long_silence_everything_is_forgotten_at_once() -> None:
    memory: Memory[str, int] = Memory(most=10, span=100)
    memory.turn(1000)
    memory.add({"a": 1})
    memory.turn(1250)
    assert "a" not in memory


def test_no_more_than_twice_the_most_are_held_and_the_newest_stay() -> None:
    memory: Memory[int, bool] = Memory(most=10, span=100)
    memory.turn(1000)
    for number in range(1000):
        memory.add({number: True})
    held = [number for number in range(1000) if number in memory]
    assert len(held) <= 22
    assert held[-1] == 999
