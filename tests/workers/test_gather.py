"""However much a log holds, a closer look reads so much of it, the newest."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devops_agent.kit.testing import START, FakeLogs
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Lines
from devops_agent.ports import PluginError
from devops_agent.workers.gather import Sources, Windows, gather

HOUR = timedelta(hours=1)
WINDOWS = Windows(baseline_from=START - 2 * HOUR, begin=START - HOUR, end=START, log_lines=20_000)


async def read(*texts: str) -> tuple[Lines, Lines]:
    """Return what is kept of a target that wrote these before the trouble and in it."""
    logs = FakeLogs()
    for ago in (100, 50):
        logs.write("api", *texts, at=START - timedelta(minutes=ago))
    (heard,) = await gather([Target(name="api")], sources=Sources(logs=(("fake", logs),)), windows=WINDOWS)
    assert heard.lines is not None
    assert heard.baseline is not None
    return heard.lines, heard.baseline


@pytest.mark.parametrize(
    ("bound", "texts"),
    [("_CHARACTERS", ("old", "x" * 60, "y" * 60, "z" * 60)), ("_PARTS", ("old", "a\n" * 60, "b\n" * 60, "c\n" * 60))],
)
async def test_of_too_much_the_newest_is_kept_and_the_answer_is_partial(
    monkeypatch: pytest.MonkeyPatch, bound: str, texts: tuple[str, ...]
) -> None:
    monkeypatch.setattr(f"devops_agent.workers.gather.{bound}", 150)
    for kept in await read(*texts):
        assert [line.text for line in kept.lines] == list(texts[2:])
        assert kept.partial


async def test_what_can_be_read_is_kept_whole() -> None:
    for kept in await read("one", "two\nthree"):
        assert [line.text for line in kept.lines] == ["one", "two\nthree"]
        assert not kept.partial


@pytest.mark.parametrize(("retryable", "told"), [(True, ["away: gone"]), (False, [])])
async def test_a_log_server_that_is_away_is_told_of_and_one_that_does_not_know_the_target_is_not(
    retryable: bool,  # noqa: FBT001 — it is what the case is about
    told: list[str],
) -> None:
    away, near = FakeLogs(), FakeLogs()
    away.trouble = PluginError("gone", retryable=retryable)
    near.write("api", "one", at=START - timedelta(minutes=5))
    sources = Sources(logs=(("away", away), ("near", near)))
    (heard,) = await gather([Target(name="api")], sources=sources, windows=WINDOWS)
    assert (heard.log_source, heard.missing) == ("near", told)
    (unheard,) = await gather([Target(name="api")], sources=Sources(logs=(("away", away),)), windows=WINDOWS)
    assert unheard.missing == ["away: gone"]
