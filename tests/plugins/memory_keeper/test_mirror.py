"""History mirrored to an MCP server, here a tiny one that speaks the protocol over its standard input and output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.testing import tools
from devops_agent.kit.tools import SettingsError
from devops_agent.model.knowledge import Memory
from devops_agent.plugins.memory_keeper.mirror import MemoryKeeper, build, key_of
from devops_agent.ports import PluginError

pytestmark = pytest.mark.slow

SERVER = Path(__file__).parent / "server.py"


def mirror(state: Path, how: str = "well", **more: object) -> MemoryKeeper:
    return build({"command": sys.executable, "args": [str(SERVER), how], **more}, tools=tools(state))


def kept(state: Path) -> dict[str, dict[str, str]]:
    items: dict[str, dict[str, str]] = json.loads((state / "memory_keeper" / "kept.json").read_text())
    return items


def memory(key: str = "INC-1", says: str = "api was down", **more: bool) -> Memory:
    return Memory(key=key, says=says, sort="incident", **more)


async def refusal(state: Path, how: str = "well", **more: object) -> PluginError:
    with pytest.raises(PluginError) as caught:
        await mirror(state, how, **more).save([memory()])
    return caught.value


async def test_memories_arrive_under_their_keys_with_what_they_are(tmp_path: Path) -> None:
    await mirror(tmp_path).save([memory(urgent=True), Memory(key="ATT-1", says="undone", sort="plan", failed=True)])
    assert kept(tmp_path) == {
        "INC-1": {
            "key": "INC-1",
            "value": "api was down",
            "category": "note",
            "priority": "high",
            "channel": "devops-agent",
        },
        "ATT-1": {
            "key": "ATT-1",
            "value": "undone",
            "category": "error",
            "priority": "normal",
            "channel": "devops-agent",
        },
    }


async def test_what_is_given_again_is_there_once_in_its_newest_form(tmp_path: Path) -> None:
    await mirror(tmp_path).save([memory()])
    await mirror(tmp_path).save([memory(says="api is up again")])
    assert [(key, item["value"]) for key, item in kept(tmp_path).items()] == [("INC-1", "api is up again")]


async def test_more_than_a_batch_arrives_whole(tmp_path: Path) -> None:
    await mirror(tmp_path).save([memory(f"INC-{number}") for number in range(120)])
    assert len(kept(tmp_path)) == 120


async def test_a_server_that_is_not_installed_is_named_with_the_setting(tmp_path: Path) -> None:
    error = await refusal(tmp_path, command="/nowhere/mcp-memory-keeper")
    assert str(error).startswith("cannot mirror with '/nowhere/mcp-memory-keeper' (plugins.memory_keeper.command): No")
    assert not error.retryable


async def test_a_server_that_dies_is_told_with_its_last_words_and_may_be_tried_again(tmp_path: Path) -> None:
    error = await refusal(tmp_path, "dies")
    assert str(error).endswith("it said: cannot open the database")
    assert error.retryable


async def test_a_server_that_hangs_is_left_when_its_time_is_over(tmp_path: Path) -> None:
    error = await refusal(tmp_path, "hangs", timeout=0.3)
    assert "it took over 0.3 s" in str(error)
    assert error.retryable


async def test_an_item_that_is_refused_is_told_with_the_reason(tmp_path: Path) -> None:
    error = await refusal(tmp_path, "refuses")
    assert str(error).endswith("refuses INC-1: no room")
    assert not error.retryable


async def test_an_answer_in_another_form_is_no_success(tmp_path: Path) -> None:
    error = await refusal(tmp_path, "babbles")
    assert str(error).endswith("answers 'saved, I think'")


def test_a_setting_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="comand"):
        mirror(tmp_path, comand="x")


@given(key=st.text(min_size=1))
def test_any_key_becomes_one_that_the_server_takes(key: str) -> None:
    made = key_of(key)
    assert len(made) <= 200
    assert made.isascii()
    assert not any(letter.isspace() for letter in made)


@given(one=st.text(), other=st.text())
def test_different_keys_stay_different(one: str, other: str) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)
