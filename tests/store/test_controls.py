from datetime import datetime, timedelta

from devops_agent.kit.testing import START
from devops_agent.model.control import Pause, Silence
from devops_agent.store import Store, controls
from devops_agent.store.rows import Rows


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def pause(rows: Rows, target: str = "", *, ends: float | None = None) -> Pause:
    ends_at = None if ends is None else at(ends)
    return controls.pause(rows, target=target, reason="deploy", by="alice", now=START, ends_at=ends_at)


async def paused(store: Store, minutes: float) -> list[str]:
    return [one.target for one in await store.read(lambda rows: controls.pauses(rows, now=at(minutes)))]


async def test_a_pause_comes_back_as_it_was_set(store: Store) -> None:
    made = await store.write(lambda rows: pause(rows, "api", ends=5))
    assert made == Pause(id="PAU-1", target="api", reason="deploy", by="alice", begins_at=START, ends_at=at(5))
    assert await store.read(lambda rows: controls.pauses(rows, now=START)) == [made]


async def test_a_pause_holds_until_it_ends_or_somebody_resumes(store: Store) -> None:
    await store.write(lambda rows: pause(rows, "api", ends=5))
    await store.write(lambda rows: pause(rows, "db"))
    assert await paused(store, 4.9) == ["api", "db"]
    assert await paused(store, 5) == ["db"]
    assert await store.write(lambda rows: controls.resume(rows, target="db", now=at(6))) == 1
    assert await paused(store, 6) == []


async def test_resuming_one_target_leaves_the_others_paused(store: Store) -> None:
    for target in ("", "api", "api", "db"):
        await store.write(lambda rows, target=target: pause(rows, target))  # type: ignore[misc]
    assert await store.write(lambda rows: controls.resume(rows, target="api", now=at(1))) == 2
    assert await paused(store, 1) == ["", "db"]
    assert await store.write(lambda rows: controls.resume(rows, target="", now=at(1))) == 1
    assert await paused(store, 1) == ["db"]


async def test_what_is_not_paused_cannot_be_resumed(store: Store) -> None:
    await store.write(lambda rows: pause(rows, "api", ends=5))
    assert await store.write(lambda rows: controls.resume(rows, target="db", now=at(1))) == 0
    assert await store.write(lambda rows: controls.resume(rows, target="api", now=at(5))) == 0


def silence(rows: Rows, *, begins: float = 0, ends: float = 60) -> Silence:
    return controls.silence(
        rows,
        matchers={"alertname": "High*", "env": "prod"},
        by="alice",
        comment="known",
        begins_at=at(begins),
        ends_at=at(ends),
    )


async def test_a_silence_comes_back_as_it_was_set(store: Store) -> None:
    made = await store.write(silence)
    assert made.matchers == {"alertname": "High*", "env": "prod"}
    assert await store.read(lambda rows: controls.silences(rows, now=START)) == [made]


async def test_silences_that_hold_or_begin_later_are_listed_by_their_beginning(store: Store) -> None:
    await store.write(lambda rows: silence(rows, begins=30, ends=40))
    await store.write(lambda rows: silence(rows, ends=10))
    listed = [one.id for one in await store.read(lambda rows: controls.silences(rows, now=START))]
    assert listed == ["SIL-2", "SIL-1"]
    assert [one.id for one in await store.read(lambda rows: controls.silences(rows, now=at(10)))] == ["SIL-1"]
    assert await store.read(lambda rows: controls.silences(rows, now=at(40))) == []


async def test_a_silence_is_ended_once(store: Store) -> None:
    await store.write(silence)
    assert await store.write(lambda rows: controls.end_silence(rows, "SIL-1", now=at(1)))
    assert not await store.write(lambda rows: controls.end_silence(rows, "SIL-1", now=at(2)))
    assert not await store.write(lambda rows: controls.end_silence(rows, "SIL-9", now=at(2)))
    assert await store.read(lambda rows: controls.silences(rows, now=at(2))) == []


async def test_flags_hold_their_last_value_until_they_are_cleared(store: Store) -> None:
    assert await store.read(controls.flags) == {}
    for value in (False, True, False):
        await store.write(
            lambda rows, value=value: controls.set_flag(rows, "A", value=value, by="alice", now=START)  # type: ignore[misc]
        )
        assert await store.read(controls.flags) == {"A": value}
    await store.write(lambda rows: controls.clear_flag(rows, "A"))
    assert await store.read(controls.flags) == {}
